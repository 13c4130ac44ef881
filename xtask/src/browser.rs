//! The system's Chromium and its driver.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::project::Project;
use crate::tools::find_program;

/// Quiet and repeatable: nothing of the browser's own business on the network.
const QUIET: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// What the browser offers in place of a GPU.
#[derive(Clone, Copy)]
pub enum WebGpu {
    /// `navigator.gpu` is there and finds no adapter, as on many machines.
    None,
    /// A real WebGPU, slow but right.
    Software,
}

impl WebGpu {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::None => &["--disable-gpu"],
            Self::Software => &[
                "--enable-unsafe-webgpu",
                "--use-webgpu-adapter=swiftshader",
                "--enable-unsafe-swiftshader",
                "--enable-features=Vulkan",
            ],
        }
    }
}

/// A browser and the program that drives it.
pub struct Browser {
    pub chromium: PathBuf,
    pub driver: PathBuf,
}

impl Browser {
    /// Finds both.
    ///
    /// # Errors
    /// If one is missing: no script can install them on every system.
    pub fn find() -> Result<Self> {
        let driver = find_program("CHROMEDRIVER", &["chromedriver"])?.context(
            "no chromedriver was found. Install the one of your Chromium (Debian and Ubuntu: sudo apt-get install chromium-driver), \
             or name it in the environment variable CHROMEDRIVER",
        )?;
        Ok(Self { chromium: chromium()?, driver })
    }

    /// Writes the settings that the driver starts the browser with, in the form that
    /// wasm-bindgen's test runner reads.
    pub fn write_settings(&self, project: &Project, webgpu: WebGpu) -> Result<PathBuf> {
        let path = project.cache.join(match webgpu {
            WebGpu::None => "webdriver-cpu.json",
            WebGpu::Software => "webdriver-gpu.json",
        });
        let settings = settings(&self.chromium, webgpu).to_string();
        fs::create_dir_all(&project.cache)?;
        fs::write(&path, settings).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }
}

/// The path of Chromium.
///
/// # Errors
/// If no Chromium is found.
pub fn chromium() -> Result<PathBuf> {
    find_program("CHROMIUM", &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])?.context(
        "no Chromium was found. Install one (Debian and Ubuntu: sudo apt-get install chromium; Fedora: sudo dnf install chromium), \
         or name yours in the environment variable CHROMIUM",
    )
}

fn settings(chromium: &Path, webgpu: WebGpu) -> serde_json::Value {
    let flags: Vec<_> = QUIET.iter().chain(webgpu.flags()).collect();
    json!({ "goog:chromeOptions": { "binary": chromium, "args": flags } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_of_the_settings_has_webgpu() {
        let flags = |webgpu| settings(Path::new("/usr/bin/chromium"), webgpu)["goog:chromeOptions"]["args"].to_string();
        assert!(flags(WebGpu::Software).contains("swiftshader") && !flags(WebGpu::Software).contains("--disable-gpu"));
        assert!(flags(WebGpu::None).contains("--disable-gpu") && !flags(WebGpu::None).contains("swiftshader"));
    }
}
