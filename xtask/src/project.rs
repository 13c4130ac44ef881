//! Where things lie: the checkout, and the folder that outlives it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders of this checkout and of the user's cache.
pub struct Project {
    /// The checkout.
    pub root: PathBuf,
    /// `$XDG_CACHE_HOME/pilot-light`. It holds builds, tools and weights, so that a clean checkout does
    /// not compile everything again.
    pub cache: PathBuf,
}

impl Project {
    /// Finds both.
    ///
    /// # Errors
    /// Where the environment names neither a cache folder nor a home.
    pub fn find() -> Result<Self> {
        // As cargo says when it starts this: a program that was compiled in one checkout may be run from another.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().context("xtask lies in no workspace")?;
        Ok(Self { root: root.to_owned(), cache: cache_folder()?.join("pilot-light") })
    }

    /// The npm package.
    pub fn js(&self) -> PathBuf {
        self.root.join("js")
    }

    /// What the npm package ships.
    pub fn dist(&self) -> PathBuf {
        self.js().join("dist")
    }

    /// The tests in a browser.
    pub fn web_tests(&self) -> PathBuf {
        self.root.join("tests").join("web")
    }

    /// The benchmarks against the peers.
    pub fn benches(&self) -> PathBuf {
        self.root.join("benches")
    }

    /// Where cargo builds; what the user names in `CARGO_TARGET_DIR` is respected.
    pub fn target(&self) -> PathBuf {
        let named = env::var_os("CARGO_TARGET_DIR").and_then(|named| std::path::absolute(named).ok());
        named.unwrap_or_else(|| self.cache.join("target"))
    }

    /// Where `cargo install` puts the pinned tools.
    pub fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }

    /// Weights that are fetched.
    pub fn models(&self) -> PathBuf {
        self.cache.join("models")
    }

    /// What the models are given by the tests and the measurements, where it is fetched.
    pub fn samples(&self) -> PathBuf {
        self.cache.join("samples")
    }

    /// Tests that others have published, which are fetched.
    pub fn conformance(&self) -> PathBuf {
        self.cache.join("conformance")
    }

    /// What the measurements make for themselves.
    pub fn bench_files(&self) -> PathBuf {
        self.cache.join("bench")
    }
}

fn cache_folder() -> Result<PathBuf> {
    // A relative path is to be ignored, says the XDG specification.
    let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::home_dir().map(|home| home.join(".cache"));
    named.or_else(home).context("neither XDG_CACHE_HOME nor HOME names a folder to keep builds and weights in")
}
