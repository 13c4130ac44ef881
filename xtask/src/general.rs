//! The demo's general model where nobody has named one: SmolLM2, which `pilot-light serve` runs on this machine.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::models;
use crate::process::{Background, cargo, program, run, say};
use crate::project::Project;
use crate::server::{Remote, Way};

/// Its name in the page, and that of its weights without their ending.
pub const MODEL: &str = "SmolLM2-135M-Instruct";

/// Brings the weights, builds the command line, starts the server, and leads `way` there. It runs until what this gives is
/// dropped.
///
/// # Errors
/// Where the weights cannot be fetched, or the server cannot be built or started. `way` leads nowhere then.
pub fn start(project: &Project, way: &Way) -> Result<Background> {
    let start = Instant::now();
    let started = serve(project);
    match &started {
        Ok((_, url)) => {
            way.lead_to(Remote { url: url.clone(), key: None, model: MODEL.to_owned(), on_this_machine: true });
            say(format!("{MODEL} answers on this machine after {} s, at {url}", start.elapsed().as_secs()));
        }
        Err(_) => way.close(),
    }
    started.map(|(running, _)| running)
}

/// Brings its weights.
///
/// # Errors
/// Where they cannot be fetched.
pub fn weights(project: &Project) -> Result<PathBuf> {
    Ok(models::bring_generator(project, "smollm2-135m-instruct")?.join(format!("{MODEL}.Q4_1.gguf")))
}

fn serve(project: &Project) -> Result<(Background, String)> {
    let weights = weights(project)?;
    // The page's own work comes first.
    let cargo = cargo(project);
    let mut build = program("nice", &project.root);
    build.args(["-n", "10"]).arg(cargo.get_program());
    cargo.get_envs().for_each(|(name, value)| match value {
        Some(value) => _ = build.env(name, value),
        None => _ = build.env_remove(name),
    });
    run(build.args(["build", "--quiet", "--bin", "pilot-light"]))?;

    // Not by way of cargo: a process that stops cargo leaves what cargo runs.
    let mut server = program(project.target().join("debug").join("pilot-light"), &project.root);
    server.args(["serve", "--port", "0", "--model"]).arg(weights).stdout(Stdio::piped());
    let mut running = Background(server.spawn().context("pilot-light serve could not be started")?);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().context("the server has no stdout")?).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on ");
    let address = address.with_context(|| format!("expected the address of pilot-light serve, got {line:?}"))?;
    Ok((running, format!("{address}/v1")))
}
