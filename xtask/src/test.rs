//! `cargo xtask test`: every test, from the quick to the slow, until one fails.

use std::env;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::artefact::{BENCH, CPU};
use crate::browser::{self, Browser, WebGpu};
use crate::process::{build_environment, cargo, program, run as run_program, say};
use crate::project::Project;
use crate::server::{Port, Server, Way};
use crate::tools::{self, WASM_TARGET};
use crate::{build, models, npm, words};

/// Seconds that the tests of one module may take in a browser, where WebGPU is in software.
const BROWSER_TIMEOUT_S: &str = "900";
/// Seconds that a browser may take to start.
const DRIVER_TIMEOUT_S: &str = "60";

/// The workspace in two parts: built together, the crate would get its dependencies with the features that only xtask asks
/// for, and xtask its own with the optimisation that only the crate needs.
const PARTS: [&[&str]; 2] =
    [&["--package", "pilot-light", "--package", "pilot-light-cli"], &["--package", "xtask", "--profile", "xtask"]];

/// The tests that wasm-pack runs in a browser: their folder and their package.
const WASM_TESTS: (&str, &str) = ("tests/browser", "browser-tests");

/// A stage of the tests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    Words,
    Fmt,
    Doc,
    Clippy,
    Native,
    WasmCpu,
    WasmGpu,
    Build,
    Js,
    Web,
}

impl Stage {
    /// Every stage, from the quick to the slow.
    const ALL: [(&str, Self); 10] = [
        ("words", Self::Words),
        ("fmt", Self::Fmt),
        ("doc", Self::Doc),
        ("clippy", Self::Clippy),
        ("native", Self::Native),
        ("wasm-cpu", Self::WasmCpu),
        ("wasm-gpu", Self::WasmGpu),
        ("build", Self::Build),
        ("js", Self::Js),
        ("web", Self::Web),
    ];
    /// The stages of these names, in the order of `ALL`; all of them if no name is given.
    pub fn parse_all(names: &[String]) -> Result<Vec<Self>> {
        let unknown = names.iter().find(|name| !Self::ALL.iter().any(|(known, _)| known == name));
        ensure!(
            unknown.is_none(),
            "there is no stage '{}': {}",
            unknown.unwrap(),
            Self::ALL.map(|(name, _)| name).join(" ")
        );
        let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
        Ok(Self::ALL.into_iter().filter(|(name, _)| wanted(name)).map(|(_, stage)| stage).collect())
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, stage)| *stage == self).map_or("", |(name, _)| name)
    }

    fn run(self, project: &Project) -> Result<()> {
        match self {
            Self::Words => words::check(project),
            Self::Fmt => fmt(project),
            Self::Doc => doc(project),
            Self::Clippy => clippy(project),
            Self::Native => native(project),
            Self::WasmCpu => {
                wasm(project, "", WebGpu::None)?;
                // Now, since cargo stores the crate compiled for one set of features alone.
                build::compile(project, &CPU)
            }
            Self::WasmGpu => wasm(project, "gpu", WebGpu::Software),
            Self::Build => build::run(project),
            Self::Js => js(project),
            Self::Web => web(project),
        }
    }
}

/// Runs `stages` in their order.
pub fn run(project: &Project, stages: &[Stage]) -> Result<()> {
    check_prerequisites(project, stages)?;
    let start = Instant::now();
    for stage in stages {
        say(format!("test: {}", stage.name()));
        let start = Instant::now();
        let result = stage.run(project);
        let seconds = start.elapsed().as_secs();
        result.with_context(|| format!("{} failed after {seconds} s", stage.name()))?;
        say(format!("test: {} passed in {seconds} s", stage.name()));
    }
    say(format!("every test passed, in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// Finds out at the start what cannot be brought, not after half an hour.
fn check_prerequisites(project: &Project, stages: &[Stage]) -> Result<()> {
    let any = |of: &[Stage]| stages.iter().any(|stage| of.contains(stage));
    if any(&[Stage::WasmCpu, Stage::Build, Stage::Js, Stage::Web]) {
        tools::node(project)?;
    }
    if any(&[Stage::WasmCpu, Stage::WasmGpu]) {
        Browser::find()?;
    }
    if any(&[Stage::Web]) {
        browser::chromium()?;
    }
    Ok(())
}

fn fmt(project: &Project) -> Result<()> {
    tools::rust_component(project, "fmt", "rustfmt")?;
    run_program(cargo(project).args(["fmt", "--all", "--check"]))
}

/// The documentation of the crate and its programs: links that lead nowhere are errors.
fn doc(project: &Project) -> Result<()> {
    let mut command = cargo(project);
    command.args(["doc", "--no-deps"]).args(PARTS[0]).env("RUSTDOCFLAGS", "-D warnings");
    run_program(&mut command)
}

fn clippy(project: &Project) -> Result<()> {
    tools::rust_component(project, "clippy", "clippy")?;
    tools::wasm_target(project)?;
    for part in PARTS {
        run_program(cargo(project).arg("clippy").args(part).args(["--all-targets", "--", "-D", "warnings"]))?;
    }
    // The crate is checked on the way to its tests. What the benchmark's artefact has includes the relaxed SIMD.
    let builds = [
        (WASM_TESTS.1, "--all-targets", ""),
        (WASM_TESTS.1, "--all-targets", "gpu"),
        ("pilot-light", "--lib", BENCH.features),
    ];
    for (package, targets, features) in builds {
        run_program(cargo(project).args(["clippy", "--package", package, targets, "--target", WASM_TARGET]).args([
            "--no-default-features",
            "--features",
            features,
            "--",
            "-D",
            "warnings",
        ]))?;
    }
    Ok(())
}

fn native(project: &Project) -> Result<()> {
    models::bring_with_samples(project)?;
    for part in PARTS {
        run_program(cargo(project).arg("test").args(part))?;
    }
    // What needs the models is left out unless it is named.
    run_program(cargo(project).arg("test").args(PARTS[0]).args(["--test", "models"]))
}

/// Runs the tests in `tests/browser` with `features` in a browser.
fn wasm(project: &Project, features: &str, webgpu: WebGpu) -> Result<()> {
    tools::wasm_target(project)?;
    tools::wasm_bindgen(project)?;
    let wasm_pack = tools::wasm_pack(project)?;
    let browser = Browser::find()?;
    let mut command = program(wasm_pack, &project.root);
    build_environment(&mut command, project);
    tools::on_path(&mut command, project)?;
    run_program(
        command
            .args(["test", "--headless", "--chrome", "--chromedriver"])
            .arg(&browser.driver)
            // The arguments after the folder are cargo's.
            .args(["--mode", "no-install", "--release", WASM_TESTS.0, "--features", features])
            .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", browser.write_settings(project, webgpu)?)
            .env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TIMEOUT_S)
            .env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", DRIVER_TIMEOUT_S),
    )
}

/// The npm package by itself: types, unused exports and its tests; format and lint of all JavaScript.
fn js(project: &Project) -> Result<()> {
    build::run(project)?;
    models::bring_templates(project)?;
    for script in ["check", "test"] {
        run_program(program("npm", &project.js()).args(["run", "--silent", script]))?;
    }
    Ok(())
}

/// The npm package in a browser.
fn web(project: &Project) -> Result<()> {
    build::run(project)?;
    models::bring_with_samples(project)?;
    models::convert(project)?;
    npm::install(&project.web_tests())?;
    let server = Server::start(project, Port::Exact(0), &Way::default())?;
    run_program(
        program("node", &project.root)
            .arg(project.web_tests().join("run.mjs"))
            .env("CHROMIUM", browser::chromium()?)
            // A server without a remote, and the program that starts others.
            .env("PILOT_LIGHT_ADDRESS", server.address())
            .env("PILOT_LIGHT_XTASK", env::current_exe()?),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_run_in_their_order_and_all_by_default() -> Result<()> {
        let named = |names: &[&str]| Stage::parse_all(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(named(&[])?.len(), Stage::ALL.len());
        assert_eq!(named(&["words"])?, [Stage::Words]);
        assert_eq!(named(&["web", "fmt"])?, [Stage::Fmt, Stage::Web]);
        assert!(named(&["fmt", "wasm"]).is_err());
        Ok(())
    }
}
