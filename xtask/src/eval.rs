//! `cargo xtask eval`: how good the answers are, by labelled data.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::bench::bring_python;
use crate::models;
use crate::process::{cargo, output, program, run as run_program, say};
use crate::project::Project;
use crate::report::{self, Row};

/// What is evaluated.
#[derive(Clone, Copy, PartialEq)]
pub enum Eval {
    /// The personal data that leaves in redacted texts.
    Privacy,
}

impl Eval {
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "privacy" => Ok(Self::Privacy),
            other => bail!("there is no evaluation '{other}': privacy"),
        }
    }
}

/// Evaluates, and writes the report to `json`.
pub fn run(project: &Project, Eval::Privacy: Eval, json: &Path) -> Result<()> {
    models::bring(project)?;
    let scripts = project.root.join("evals").join("privacy");
    let python = bring_python(project, "python-privacy", &scripts.join("requirements.txt"))?;
    let script = |name: &str| {
        let mut command = program(&python, &project.root);
        command.arg(scripts.join(name));
        command
    };
    let folder = project.bench_files().join("privacy");
    let (sentences, redacted) = (folder.join("sentences.jsonl"), folder.join("redacted.jsonl"));
    say("making sentences");
    run_program(script("make.py").arg("--out").arg(&sentences))?;
    say("redacting them; this takes minutes");
    let file = File::open(&sentences).with_context(|| format!("{} cannot be read", sentences.display()))?;
    let model = project.models().join("rampart");
    let redact = ["run", "--quiet", "--bin", "pilot-light", "--", "redact", "--model"];
    let lines = output(cargo(project).args(redact).arg(model).stdin(file))?;
    fs::write(&redacted, lines).context("the cache folder cannot be written to")?;
    let rows = output(script("score.py").arg("--sentences").arg(&sentences).arg("--redacted").arg(&redacted))?;
    report::write(project, "cargo xtask eval privacy", Row::parse_all(&rows)?, json)
}
