//! The commands that people type: `cargo xtask build`, `demo`, `test` and the rest.
//!
//! Each fetches or builds what it needs, stores it in the user's cache folder, and says what it does on stderr; stdout has
//! the result alone: an address, or a line of JSON.

mod artefact;
mod bench;
mod browser;
mod build;
mod demo;
mod eval;
mod fingerprint;
mod folders;
mod general;
mod models;
mod npm;
mod pack;
mod process;
mod project;
mod report;
mod server;
mod size;
mod test;
mod tools;
mod words;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

use artefact::Artefact;
use project::Project;
use server::Port;

const USAGE: &str = "\
cargo xtask COMMAND

  demo [--port N]             build one artefact, fetch the weights, serve the page and print its
                              address; the other artefacts are built meanwhile
  demo --check                the same, driven in a headless browser; prints one line of JSON
  demo --check --slower N     the same on a machine that is N times slower
  build [ARTEFACT...]         leave the npm package ready in js/; with names, only these are made anew, in
                              this order: cpu cpu-relaxed cpu-threads gpu
  models                      fetch the weights, and what the tests need besides
  serve [--port N]            serve what has been built (port 0: any free one)
  test [STAGE...]             run every test, or the stages named:
                              words fmt doc clippy native wasm-cpu wasm-gpu build js web
  bench encoder --json FILE   side by side with onnxruntime-web and transformers.js: times
  bench size --json FILE      the same: bytes to download
  bench gpu --json FILE       an encoder on WebGPU side by side with onnxruntime-web, on an adapter in
                              software
  bench gpu --hardware --json FILE
                              the same on this machine's GPU
  bench gpu --dawn --json FILE
                              the same in Node, over Dawn, on this machine's GPU or on Mesa's software
  bench gpu --pack FOLDER     leave in a folder what the last one runs, for another machine
  bench models --json FILE    ONNX models side by side with onnxruntime-web: times, differences,
                              memory
  bench models --webgpu --json FILE
                              the same on WebGPU in software: differences
  bench decode --json FILE    text generation side by side with wllama, and natively with llama.cpp
  bench large --json FILE     memory of WebAssembly that a model of the shape of Llama 2 7B takes on
                              WebGPU; writes files of 0.4 and 3.8 GB
  bench learning --json FILE  learning in a page: a full retraining, and questions with and without it
  bench rampart --json FILE   recall of personal data, compared with onnxruntime
  eval privacy --json FILE    how much of known personal data leaves in redacted texts
  eval records --json FILE    fields of records: accuracy by a small model, and with a remote one
  eval risk --json FILE       how often calibrated thresholds break their promise
  eval cascade --json FILE    what a cascade brings and costs, with a simulated remote model
  eval generate --json FILE   likelihoods and texts of two models, compared with llama.cpp's
  eval routing --json FILE    how well a router tells which prompts need a strong model; trained on
                              the outcomes of --data FILE, and measured on those of --unseen FILE

Questions that the demo's local model is unsure of go to PILOT_LIGHT_REMOTE_URL (such as
https://example.org/v1), with PILOT_LIGHT_REMOTE_KEY as a bearer token, for PILOT_LIGHT_REMOTE_MODEL.
Where none is named, the demo runs SmolLM2-135M-Instruct on this machine (pilot-light serve).
";

/// What was typed.
enum Invocation {
    Help,
    Build { artefacts: Vec<Artefact> },
    Models,
    Demo { port: Port },
    Check { slower: Option<NonZeroU32> },
    Serve { port: Port },
    Test { stages: Vec<test::Stage> },
    Bench { bench: bench::Bench, json: PathBuf },
    Pack { folder: PathBuf },
    Eval { eval: eval::Eval, outcomes: eval::Outcomes, json: PathBuf },
}

fn main() -> ExitCode {
    match parse(lexopt::Parser::from_env()).and_then(execute) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(invocation: Invocation) -> Result<ExitCode> {
    let project = Project::find()?;
    match invocation {
        Invocation::Help => print!("{USAGE}"),
        Invocation::Build { artefacts } => build::bring(&project, &artefacts)?,
        Invocation::Models => models::bring_with_samples(&project)?,
        Invocation::Demo { port } => demo::run(&project, port)?,
        Invocation::Check { slower } => return demo::check(&project, slower),
        Invocation::Serve { port } => demo::serve(&project, port)?,
        Invocation::Test { stages } => test::run(&project, &stages)?,
        Invocation::Bench { bench, json } => bench::run(&project, bench, &json)?,
        Invocation::Pack { folder } => bench::pack(&project, &folder)?,
        Invocation::Eval { eval, outcomes, json } => eval::run(&project, eval, &outcomes, &json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(mut parser: lexopt::Parser) -> Result<Invocation> {
    let command = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Invocation::Help),
        Some(Value(command)) => command.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    let mut port = Port::Preferred(8080);
    let mut check = false;
    let mut slower = None;
    let mut json = None;
    let mut outcomes = eval::Outcomes::default();
    let mut way = None;
    let mut pack = None;
    let mut words = Vec::new();
    while let Some(argument) = parser.next()? {
        match (command.as_str(), argument) {
            ("demo" | "serve", Long("port")) => port = Port::Exact(parser.value()?.parse()?),
            ("demo", Long("check")) => check = true,
            ("demo", Long("slower")) => slower = Some(parser.value()?.parse()?),
            ("eval", Long("data")) => outcomes.data = Some(PathBuf::from(parser.value()?)),
            ("eval", Long("unseen")) => outcomes.unseen = Some(PathBuf::from(parser.value()?)),
            ("bench" | "eval", Long("json")) => json = Some(PathBuf::from(parser.value()?)),
            ("bench", Long(word @ ("webgpu" | "hardware" | "dawn"))) => way = Some(word.to_owned()),
            ("bench", Long("pack")) => pack = Some(PathBuf::from(parser.value()?)),
            ("bench" | "build" | "eval" | "test", Value(word)) => words.push(word.string()?),
            (_, Short('h') | Long("help")) => return Ok(Invocation::Help),
            (_, other) => return Err(other.unexpected().into()),
        }
    }
    Ok(match command.as_str() {
        "build" => Invocation::Build { artefacts: Artefact::parse_all(&words)? },
        "models" => Invocation::Models,
        "demo" => match (check, slower) {
            (true, slower) => Invocation::Check { slower },
            (false, None) => Invocation::Demo { port },
            (false, Some(_)) => bail!("--slower belongs to demo --check"),
        },
        "serve" => Invocation::Serve { port },
        "test" => Invocation::Test { stages: test::Stage::parse_all(&words)? },
        "bench" => match (words.as_slice(), json, pack) {
            ([name], Some(json), None) => Invocation::Bench { bench: bench::Bench::parse(name, way.as_deref())?, json },
            ([name], None, Some(folder)) if name == "gpu" && way.is_none() => Invocation::Pack { folder },
            _ => bail!(
                "bench needs the name of one, and where the results go: bench decode|encoder|gpu|large|learning|models|rampart|size --json FILE"
            ),
        },
        "eval" => match (words.as_slice(), json) {
            ([name], Some(json)) => Invocation::Eval { eval: eval::Eval::parse(name)?, outcomes, json },
            _ => bail!(
                "eval needs the name of one, and where the results go: eval cascade|generate|privacy|records|risk|routing --json FILE"
            ),
        },
        "help" => Invocation::Help,
        other => bail!("there is no command '{other}'\n\n{USAGE}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Invocation> {
        parse(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn commands_and_their_options() {
        assert!(matches!(parsed(&[]), Ok(Invocation::Help)));
        assert!(matches!(parsed(&["demo"]), Ok(Invocation::Demo { port: Port::Preferred(8080) })));
        assert!(matches!(parsed(&["demo", "--check"]), Ok(Invocation::Check { slower: None })));
        assert!(
            matches!(parsed(&["demo", "--check", "--slower", "2"]), Ok(Invocation::Check { slower: Some(times) }) if times.get() == 2)
        );
        assert!(matches!(parsed(&["serve", "--port", "0"]), Ok(Invocation::Serve { port: Port::Exact(0) })));
        assert!(matches!(parsed(&["bench", "size", "--json", "f"]), Ok(Invocation::Bench { .. })));
        assert!(matches!(parsed(&["bench", "models", "--webgpu", "--json", "f"]), Ok(Invocation::Bench { .. })));
        assert!(matches!(parsed(&["bench", "gpu", "--hardware", "--json", "f"]), Ok(Invocation::Bench { .. })));
        assert!(matches!(parsed(&["bench", "gpu", "--dawn", "--json", "f"]), Ok(Invocation::Bench { .. })));
        assert!(matches!(parsed(&["bench", "gpu", "--pack", "f"]), Ok(Invocation::Pack { .. })));
        for eval in ["cascade", "generate", "privacy", "records", "risk", "routing"] {
            assert!(matches!(parsed(&["eval", eval, "--json", "f"]), Ok(Invocation::Eval { .. })));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            &["dmeo"][..],
            &["demo", "now"],
            &["demo", "--slower", "2"],
            &["demo", "--check", "--slower", "0"],
            &["build", "--check"],
            &["build", "gpo"],
            &["serve", "--port", "65536"],
            &["serve", "--port"],
            &["bench", "encoder"],
            &["bench", "--json", "f"],
            &["bench", "size", "--webgpu", "--json", "f"],
            &["bench", "models", "--hardware", "--json", "f"],
            &["bench", "models", "--pack", "f"],
            &["bench", "gpu", "--pack", "f", "--json", "f"],
            &["eval", "privacy"],
            &["eval", "profit", "--json", "f"],
            &["test", "everything"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
