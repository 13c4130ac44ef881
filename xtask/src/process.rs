//! Starting other programs, and saying so.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::project::Project;

/// Says on stderr what is being done.
pub fn say(message: impl AsRef<str>) {
    eprintln!("==> {}", message.as_ref());
}

/// A program to start in `folder`. What it prints goes to stderr: stdout is for results.
pub fn program(name: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(name.as_ref());
    command.current_dir(folder).stdin(Stdio::null()).stdout(io::stderr());
    command
}

/// `cargo`, building in the cache folder.
pub fn cargo(project: &Project) -> Command {
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).as_ref() as &Path, &project.root);
    build_environment(&mut command, project);
    command
}

/// The project's own command-line program, to be given its arguments.
pub fn pilot_light(project: &Project) -> Command {
    let mut command = cargo(project);
    command.args(["run", "--quiet", "--bin", "pilot-light", "--"]);
    command
}

/// Makes the builds that `command` starts the same as those that a person starts: cargo described
/// xtask in the environment, and build scripts that look there would run again for it.
pub fn build_environment(command: &mut Command, project: &Project) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command.env("CARGO_TARGET_DIR", project.target());
}

/// Runs `command` to its end.
///
/// # Errors
/// Where it cannot be started, or ends with another status than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let name = name_of(command);
    let status = command.status().with_context(|| format!("{name} could not be started"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Runs `command` to its end, and gives what it wrote to stdout.
///
/// # Errors
/// As `run`, and where it wrote no UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
    let name = name_of(command);
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{name} could not be started"))?;
    if !output.status.success() {
        bail!("{name} failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} wrote no UTF-8"))
}

/// Whether a program is there and runs.
pub fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A program that is stopped when this is dropped.
pub struct Background(pub Child);

impl Background {
    /// Waits until the program ends by itself.
    ///
    /// # Errors
    /// If it ends with another status than 0.
    pub fn finish(&mut self) -> Result<()> {
        let status = self.0.wait()?;
        if !status.success() {
            bail!("a program in the background failed ({status})");
        }
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about another failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program and its subcommand, such as "cargo build".
fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy();
    // The arguments before the first option, by their last part: they may be long paths.
    let words = command.get_args().map_while(|argument| argument.to_str().filter(|text| !text.starts_with('-')));
    let words = words.take(2).map(|word| word.rsplit('/').next().unwrap_or(word));
    std::iter::once(program.as_ref()).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_program_and_its_status() {
        let error = run(program("sh", Path::new("/")).args(["-c", "exit 3"])).unwrap_err().to_string();
        assert_eq!(error, "sh failed (exit status: 3)");
        let error = run(&mut program("no-such-program", Path::new("/"))).unwrap_err().to_string();
        assert_eq!(error, "no-such-program could not be started");
    }

    #[test]
    fn names_are_short() {
        assert_eq!(name_of(program("/usr/bin/cargo", Path::new("/")).args(["build", "--release"])), "cargo build");
        assert_eq!(name_of(program("node", Path::new("/")).args(["/a/b/check.mjs", "--fast"])), "node check.mjs");
    }
}
