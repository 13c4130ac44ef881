//! `cargo xtask demo` and `serve`.

use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{Background, program, say};
use crate::project::Project;
use crate::server::{Port, Remote, Server};
use crate::{browser, build, models, npm};

/// Builds, brings the weights, and serves the page until it is stopped.
pub fn run(project: &Project, port: Port) -> Result<()> {
    build::run(project)?;
    models::bring(project)?;
    serve(project, port)
}

/// Serves what is there until it is stopped. The address is the first line of stdout.
pub fn serve(project: &Project, port: Port) -> Result<()> {
    let remote = Remote::from_environment();
    say(match &remote {
        Some(remote) => format!("what the local model is unsure of goes to {}", remote.url),
        None => "no remote model: every answer is local (PILOT_LIGHT_REMOTE_URL names one)".to_owned(),
    });
    let server = Server::start(project, port, remote)?;
    say("serving until Ctrl+C at");
    println!("{}", server.address());
    server.wait()
}

/// Drives the page's main job once in a headless browser, with a remote of the tests; gives the
/// driver's status.
pub fn check(project: &Project) -> Result<ExitCode> {
    let chromium = browser::chromium()?;
    build::run(project)?;
    models::bring(project)?;
    npm::install(&project.web_tests())?;
    let (_running, url) = start_remote(project)?;
    let server = Server::start(project, Port::Exact(0), Some(Remote { url, key: None, model: "default".into() }))?;
    let status = program("node", &project.root)
        .arg(project.web_tests().join("demo-smoke.mjs"))
        .arg(server.address())
        .env("CHROMIUM", chromium)
        .stdout(Stdio::inherit())
        .status()
        .context("node could not be started")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
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
