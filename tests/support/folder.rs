//! A folder that a test fills or breaks.

use std::fs;
use std::path::{Path, PathBuf};

use pilot_light::tasks::Task;
use pilot_light::{Device, Error, LoadOptions};

use super::golden;

/// A folder of a test, removed when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    /// An empty one.
    pub fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pilot-light-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    /// A copy of a golden model.
    pub fn copy_of(name: &str, test: &str) -> Self {
        let folder = Self::new(test);
        copy(&golden(name), &folder.0);
        folder
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), bytes).expect("a file");
        self
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).expect("a file")
    }

    /// Replaces a text in a file.
    pub fn edit(&self, name: &str, from: &str, to: &str) -> &Self {
        let text = String::from_utf8(self.read(name)).expect("text");
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, text.replace(from, to))
    }

    /// The error of a model that must not load.
    pub fn refusal(&self, task: Task) -> Error {
        match pilot_light::folder::load(&self.0, task, &Device::cpu(), LoadOptions::default()) {
            Err(error) => error,
            Ok(_) => panic!("it was loaded"),
        }
    }
}

/// Copies the files of a folder, and of those in it.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a golden folder") {
        let entry = entry.expect("a file");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).expect("a folder");
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
