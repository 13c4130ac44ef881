//! The programs that the commands need: brought where they can be, named clearly where they cannot.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, output, program, run, say, works};
use crate::project::Project;

pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

const WASM_PACK_VERSION: &str = "0.15.1";
const OLDEST_NODE: u32 = 20;

/// Adds the WebAssembly target to the Rust toolchain.
pub fn wasm_target(project: &Project) -> Result<()> {
    let folder = output(program("rustc", &project.root).args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    say(format!("adding the target {WASM_TARGET} to the Rust toolchain"));
    run(program("rustup", &project.root).args(["target", "add", WASM_TARGET])).with_context(|| {
        format!("the Rust toolchain has no target {WASM_TARGET}; with rustup (https://rustup.rs) it is added by itself")
    })
}

/// Adds a component of the Rust toolchain that has the cargo command of the same name.
pub fn rust_component(project: &Project, command: &str, component: &str) -> Result<()> {
    if works(cargo(project).args([command, "--version"])) {
        return Ok(());
    }
    say(format!("adding {component} to the Rust toolchain"));
    run(program("rustup", &project.root).args(["component", "add", component])).with_context(|| {
        format!("the Rust toolchain has no {component}; with rustup (https://rustup.rs) it is added by itself")
    })
}

/// Adds the source of the standard library, which builds with threads compile.
pub fn rust_source(project: &Project) -> Result<()> {
    let sysroot = output(program("rustc", &project.root).args(["--print", "sysroot"]))?;
    if Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std").is_dir() {
        return Ok(());
    }
    say("adding rust-src to the Rust toolchain");
    run(program("rustup", &project.root).args(["component", "add", "rust-src"]))
        .context("the Rust toolchain has no rust-src; with rustup (https://rustup.rs) it is added by itself")
}

/// How `cargo install` compiles: these programs run for seconds, and at the default settings they compile for minutes.
const TOOL_PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
];

/// The `wasm-bindgen` program, with its test runner. Its version must equal the one of the crate that the artefacts are
/// linked with.
pub fn wasm_bindgen(project: &Project) -> Result<PathBuf> {
    let lock = fs::read_to_string(project.root.join("Cargo.lock")).context("Cargo.lock cannot be read")?;
    let version = locked_version(&lock, "wasm-bindgen").context("Cargo.lock has no single version of wasm-bindgen")?;
    cargo_tool(project, "wasm-bindgen-cli", "wasm-bindgen", version)
}

/// The `wasm-pack` program.
pub fn wasm_pack(project: &Project) -> Result<PathBuf> {
    cargo_tool(project, "wasm-pack", "wasm-pack", WASM_PACK_VERSION)
}

/// The program `binary` of a package, installed in the cache folder.
fn cargo_tool(project: &Project, package: &str, binary: &str, version: &str) -> Result<PathBuf> {
    let path = project.tools().join("bin").join(binary);
    let wanted = format!("{binary} {version}");
    if path.is_file() && output(program(&path, &project.root).arg("--version"))?.trim() == wanted {
        return Ok(path);
    }
    say(format!("installing {package} {version} (once, 1 to 3 minutes)"));
    let install = |lock: &[&str]| {
        let mut command = cargo(project);
        // cargo then uses a temporary build folder: nothing else is built from the same crates.
        command.env_remove("CARGO_TARGET_DIR").envs(TOOL_PROFILE);
        command.args(["install", package, "--version", version, "--root"]).arg(project.tools());
        run(command.args(lock))
    };
    if install(&["--locked"]).is_err() {
        // The lock files of some releases name versions of crates that have been withdrawn since.
        say(format!("{package}'s own lock file could not be used; installing without it"));
        install(&[])?;
    }
    Ok(path)
}

/// The version of `package` in a Cargo.lock; none where it is missing or there are several.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let quoted = |line: &'a str, key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
    let mut versions = lock.split("[[package]]").filter_map(|entry| {
        let name = entry.lines().find_map(|line| quoted(line, "name"))?;
        let version = entry.lines().find_map(|line| quoted(line, "version"))?;
        (name == package).then_some(version)
    });
    versions.next().filter(|_| versions.next().is_none())
}

/// Puts the installed tools before all others on the `PATH` of `command`.
pub fn on_path(command: &mut Command, project: &Project) -> Result<()> {
    let old = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(project.tools().join("bin")).chain(env::split_paths(&old));
    let path: OsString = env::join_paths(folders).context("the cache folder's name cannot be on a PATH")?;
    command.env("PATH", path);
    Ok(())
}

/// Checks that Node.js and npm are there and new enough.
pub fn node(project: &Project) -> Result<()> {
    let advice = format!(
        "Node.js {OLDEST_NODE} or newer with npm is needed: https://nodejs.org, or your system's packages nodejs and npm"
    );
    let Ok(version) = output(program("node", &project.root).arg("--version")) else { bail!("{advice}") };
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_NODE) {
        bail!("{advice}; this one is {}", version.trim());
    }
    if !works(program("npm", &project.root).arg("--version")) {
        bail!("{advice}; npm is missing");
    }
    Ok(())
}

/// The first program of `names` on the `PATH`, or the one that the environment names in `variable`.
pub fn find_program(variable: &str, names: &[&str]) -> Result<Option<PathBuf>> {
    if let Some(named) = env::var_os(variable).filter(|named| !named.is_empty()).map(PathBuf::from) {
        if !named.is_file() {
            bail!("{variable} names {}, which is no file", named.display());
        }
        return Ok(Some(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = names
        .iter()
        .find_map(|name| env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "wasm-bindgen"
version = "0.2.130"
source = "registry+https://example.org/index"
dependencies = [
 "cfg-if",
 "wasm-bindgen-macro",
]

[[package]]
name = "wasm-bindgen-macro"
version = "0.2.131"

[[package]]
name = "syn"
version = "1.0.0"

[[package]]
name = "syn"
version = "2.0.0"
"#;

    #[test]
    fn versions_are_found_by_the_whole_name() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(LOCK, "wasm-bindgen-macro"), Some("0.2.131"));
        assert_eq!(locked_version(LOCK, "wasm"), None);
    }

    #[test]
    fn two_versions_are_not_chosen_between() {
        assert_eq!(locked_version(LOCK, "syn"), None);
    }
}
