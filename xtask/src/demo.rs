//! `cargo xtask demo` and `serve`.

use std::env;
use std::io::{BufRead, BufReader};
use std::num::NonZeroU32;
use std::process::{ExitCode, Output, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::artefact::Artefact;
use crate::process::{Background, program, say};
use crate::project::Project;
use crate::server::{Port, Remote, Server, Way};
use crate::{browser, build, general, models, npm};

/// Builds what the page needs at least, brings the weights, and serves the page until it is stopped. The other artefacts,
/// and a general model where none is named, are made meanwhile.
pub fn run(project: &Project, port: Port) -> Result<()> {
    let unfinished = prepare(project)?;
    let (server, way) = start(project, port)?;
    let _general = if Remote::from_environment().is_none() {
        say(format!("no remote model is named (PILOT_LIGHT_REMOTE_URL): preparing {} on this machine", general::MODEL));
        way.prepare(general::MODEL);
        general::start(project, &way).inspect_err(|error| say(format!("there is no general model: {error:#}"))).ok()
    } else {
        None
    };
    if let Some(mut building) = build_behind(project, &unfinished)? {
        match building.finish() {
            Ok(()) => say("every artefact is there: the next load of the page takes the best"),
            Err(error) => say(format!("the page keeps the artefacts that are there: {error:#}")),
        }
    }
    server.wait()
}

/// The least that the page needs. Gives the artefacts that are unfinished.
fn prepare(project: &Project) -> Result<Vec<Artefact>> {
    let start = Instant::now();
    let unfinished = thread::scope(|scope| {
        // The download waits for the network, and the build for the processors.
        let weights = scope.spawn(|| models::bring(project));
        let unfinished = build::first(project)?;
        weights.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        anyhow::Ok(unfinished)
    })?;
    say(format!("the page is ready to be served after {} s", start.elapsed().as_secs()));
    Ok(unfinished)
}

/// Starts to build artefacts behind the page, in a process of lower priority; `None` if there is nothing to build.
fn build_behind(project: &Project, artefacts: &[Artefact]) -> Result<Option<Background>> {
    if artefacts.is_empty() {
        return Ok(None);
    }
    let names: Vec<_> = artefacts.iter().map(|artefact| artefact.name).collect();
    say(format!("the page runs on the artefact 'cpu'; building behind it: {}", names.join(", ")));
    let mut command = program("nice", &project.root);
    command.args(["-n", "10"]).arg(env::current_exe()?).arg("build").args(names);
    Ok(Some(Background(command.spawn().context("nice could not be started")?)))
}

/// Serves what is there until it is stopped.
pub fn serve(project: &Project, port: Port) -> Result<()> {
    if Remote::from_environment().is_none() {
        say("no remote model: every answer is local (PILOT_LIGHT_REMOTE_URL names one)");
    }
    start(project, port)?.0.wait()
}

/// Starts to serve what is there. The address is the first line of stdout.
fn start(project: &Project, port: Port) -> Result<(Server, Way)> {
    let way = Way::default();
    if let Some(remote) = Remote::from_environment() {
        say(format!("what the local model is unsure of goes to {}", remote.url));
        way.lead_to(remote);
    }
    let server = Server::start(project, port, &way)?;
    say("serving until Ctrl+C at");
    println!("{}", server.address());
    Ok((server, way))
}

/// Drives the page's main job in a headless browser: on the CPU as soon as one artefact is there, with the tests' remote
/// model, then on each device with all of them, with the general model of the demo. Prints what the driver saw last, and
/// gives its status. With `slower` the browser computes everything in so many times the time.
pub fn check(project: &Project, slower: Option<NonZeroU32>) -> Result<ExitCode> {
    let start = Instant::now();
    let chromium = browser::chromium()?;
    let unfinished = prepare(project)?;
    npm::install(&project.web_tests())?;
    let way = Way::default();
    let server = Server::start(project, Port::Exact(0), &way)?;
    let drive = |devices: &[&str]| {
        let mut driver = program("node", &project.root);
        driver.arg(project.web_tests().join("demo-smoke.mjs")).arg(server.address()).args(devices);
        if let Some(times) = slower {
            driver.arg(format!("--slower={times}"));
        }
        driver.env("CHROMIUM", &chromium).stdout(Stdio::piped()).stderr(Stdio::inherit());
        driver.output().context("node could not be started")
    };
    if !unfinished.is_empty() {
        let (_running, url) = start_remote(project)?;
        way.lead_to(Remote { url, key: None, model: "default".into(), on_this_machine: true });
        let seen = drive(&["wasm"])?;
        if !seen.status.success() {
            return Ok(finish(&seen));
        }
        say(format!("the page gave a local answer after {} s", start.elapsed().as_secs()));
    }
    let _general = general::start(project, &way)?;
    if let Some(mut building) = build_behind(project, &unfinished)? {
        building.finish()?;
        say(format!("every artefact was there after {} s", start.elapsed().as_secs()));
    }
    Ok(finish(&drive(&["wasm", "webgpu"])?))
}

/// Prints what the driver saw, and gives its status.
fn finish(seen: &Output) -> ExitCode {
    print!("{}", String::from_utf8_lossy(&seen.stdout));
    seen.status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Starts the tests' remote model, which prints its address as a line of JSON.
fn start_remote(project: &Project) -> Result<(Background, String)> {
    let mut command = program("node", &project.root);
    let started = command.arg(project.web_tests().join("remote.mjs")).stdout(Stdio::piped()).spawn();
    let mut running = Background(started.context("node could not be started")?);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().context("the remote has no stdout")?).read_line(&mut line)?;
    let said: Value =
        serde_json::from_str(&line).with_context(|| format!("tests/web/remote.mjs said {line:?}, not its address"))?;
    let url = said["url"].as_str().with_context(|| format!("tests/web/remote.mjs said {line:?}, not its address"))?;
    Ok((running, url.to_owned()))
}
