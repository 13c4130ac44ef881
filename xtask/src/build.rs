//! `cargo xtask build`: the npm package, ready in `js/`.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::artefact::{ARTEFACTS, Artefact, CPU, Cached};
use crate::fingerprint::files_under;
use crate::folders::remove_folder;
use crate::process::{program, run as run_program};
use crate::project::Project;
use crate::{npm, tools};

/// Leaves in `js/` what `npm pack` needs.
pub fn run(project: &Project) -> Result<()> {
    bring(project, &ARTEFACTS)
}

/// The same with only these artefacts made anew, in this order; the others must be there. Each is put into
/// `js/dist/wasm/` when it is finished.
pub fn bring(project: &Project, artefacts: &[Artefact]) -> Result<()> {
    make(project, artefacts)?;
    scripts(project)
}

/// Makes artefacts in this order.
pub fn make(project: &Project, artefacts: &[Artefact]) -> Result<()> {
    let wasm_bindgen = prepare(project)?;
    let artefacts =
        artefacts.iter().map(|artefact| Cached::new(artefact, project, &wasm_bindgen)).collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        // Compiling ends on one core, and optimising takes one: while one artefact is optimised, the next is compiled.
        let finishing = artefacts.iter().map(|artefact| {
            artefact.compile()?;
            anyhow::Ok(scope.spawn(|| artefact.finish()))
        });
        // All have begun before any is waited for.
        let finishing = finishing.collect::<Result<Vec<_>>>()?;
        finishing.into_iter().try_for_each(|finishing| match finishing.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

/// Compiles one artefact, which is optimised when it is next made.
pub fn compile(project: &Project, artefact: &Artefact) -> Result<()> {
    let wasm_bindgen = prepare(project)?;
    Cached::new(artefact, project, &wasm_bindgen)?.compile()
}

/// Leaves in `js/` the least that a page needs: the scripts, the artefact that every browser runs (perhaps not optimised
/// yet), and of the others those that the cache folder has. Gives the unfinished ones.
pub fn first(project: &Project) -> Result<Vec<Artefact>> {
    let wasm_bindgen = prepare(project)?;
    let cpu = Cached::new(&CPU, project, &wasm_bindgen)?;
    cpu.compile()?;
    cpu.publish()?;
    let mut unfinished = Vec::new();
    for artefact in ARTEFACTS {
        let cached = Cached::new(&artefact, project, &wasm_bindgen)?;
        if cached.is_finished() {
            cached.publish()?;
        } else {
            // An old one must not be served with new scripts.
            if artefact.name != CPU.name {
                cached.withdraw(&CPU)?;
            }
            unfinished.push(artefact);
        }
    }
    scripts(project)?;
    Ok(unfinished)
}

/// Brings what artefacts are made with, and gives the path of `wasm-bindgen`.
fn prepare(project: &Project) -> Result<PathBuf> {
    tools::node(project)?;
    tools::wasm_target(project)?;
    npm::install(&project.js())?;
    tools::wasm_bindgen(project)
}

/// Compiles the scripts into modules, which are tested one by one, and what a page or a worker is started with into one
/// file each. It takes a second: nothing is gained by finding out whether it has to be done.
fn scripts(project: &Project) -> Result<()> {
    let start = SystemTime::now();
    remove_folder(&project.js().join("modules"))?;
    run_program(program("npm", &project.js()).args(["run", "--silent", "build"]))?;
    // What has been renamed must not live on in the package. Not before the build: a page may be loading the rest.
    let artefacts = project.dist().join("wasm");
    for file in files_under(&project.dist())?.iter().filter(|file| !file.starts_with(&artefacts)) {
        if fs::metadata(file)?.modified()? < start {
            fs::remove_file(file)?;
        }
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(project.root.join(licence), project.js().join(licence))
            .with_context(|| format!("{licence} cannot be copied into js/"))?;
    }
    Ok(())
}
