//! `cargo xtask build`: the npm package, ready in `js/`.

use std::fs;
use std::thread;

use anyhow::{Context, Result};

use crate::artefact::{ARTEFACTS, Artefact, remove_folder};
use crate::process::{self, program};
use crate::project::Project;
use crate::{npm, tools};

/// Leaves in `js/` what `npm pack` needs.
pub fn run(project: &Project) -> Result<()> {
    bring(project, &ARTEFACTS)
}

/// The same with only these artefacts made anew; the others must be there.
pub fn bring(project: &Project, artefacts: &[Artefact]) -> Result<()> {
    tools::node(project)?;
    tools::wasm_target(project)?;
    tools::rust_source(project)?;
    let wasm_bindgen = tools::wasm_bindgen(project)?;
    npm::install(&project.js())?;
    thread::scope(|scope| {
        // Compiling ends on one core, and optimising takes one: while one artefact is optimised, the next is compiled.
        // The last of the list, which is the largest, goes first, since the other order would end with it alone.
        let compiled = artefacts.iter().rev().map(|artefact| {
            let compiled = artefact.compile(project, &wasm_bindgen)?;
            anyhow::Ok(scope.spawn(move || compiled.finish()))
        });
        // All have begun before any is waited for.
        let finishing = compiled.collect::<Result<Vec<_>>>()?;
        finishing.into_iter().try_for_each(|finishing| match finishing.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    scripts(project)?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(project.root.join(licence), project.js().join(licence))
            .with_context(|| format!("{licence} cannot be copied into js/"))?;
    }
    Ok(())
}

/// Makes one artefact, of which the package has more.
pub fn one(project: &Project, artefact: &Artefact) -> Result<()> {
    tools::wasm_target(project)?;
    let wasm_bindgen = tools::wasm_bindgen(project)?;
    npm::install(&project.js())?;
    artefact.compile(project, &wasm_bindgen)?.finish()
}

/// Compiles the scripts into modules, which are tested one by one, and what a page or a worker is started with into one
/// file each. It takes a second: nothing is gained by finding out whether it has to be done.
fn scripts(project: &Project) -> Result<()> {
    // What has been renamed must not live on in the package.
    for entry in fs::read_dir(project.dist())? {
        let path = entry?.path();
        if path.is_file() {
            fs::remove_file(path)?;
        }
    }
    remove_folder(&project.js().join("modules"))?;
    process::run(program("npm", &project.js()).args(["run", "--silent", "build"]))
}
