//! Digests: of a downloaded file, and of everything that a build is made from.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The SHA-256 of a file, in lower-case hexadecimal.
pub fn file_digest(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("{} cannot be read", path.display()))?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// Whether two files have the same bytes; a missing one is like no other.
pub fn same_bytes(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// A digest that grows by whatever a result depends on.
#[derive(Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds something that is known by a name: a version, a flag.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        // With its length, so that no two lists of parts are the same bytes.
        for part in [name, value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds the names and contents of the files at `path` under `root`: a file, a folder, or nothing.
    pub fn files(mut self, root: &Path, path: &str) -> Result<Self> {
        for file in files_under(&root.join(path))? {
            let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
            let digest = file_digest(&file)?;
            self = self.text(&name, &digest);
        }
        Ok(self)
    }

    /// The digest, in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// All files at `path` in a fixed order: one, those of a folder and its folders, or none.
pub fn files_under(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut entries = entries.with_context(|| format!("{} cannot be listed", path.display()))?;
    entries.sort();
    Ok(entries.iter().map(|entry| files_under(entry)).collect::<Result<Vec<_>>>()?.concat())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = env!("CARGO_MANIFEST_DIR");

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        let empty = Fingerprint::default().finish();
        assert_eq!(empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let one = Fingerprint::default().text("ab", "c").finish();
        let other = Fingerprint::default().text("a", "bc").finish();
        assert_ne!(one, other);
    }

    #[test]
    fn folders_files_and_nothing_differ() -> Result<()> {
        let of = |path| anyhow::Ok(Fingerprint::default().files(Path::new(ROOT), path)?.finish());
        assert_eq!(of("src")?, of("src")?);
        assert_ne!(of("src")?, of("src/main.rs")?);
        assert_eq!(of("no such folder")?, Fingerprint::default().finish());
        Ok(())
    }

    #[test]
    fn bytes_are_compared() {
        let file = |name: &str| Path::new(ROOT).join(name);
        assert!(same_bytes(&file("Cargo.toml"), &file("Cargo.toml")));
        assert!(!same_bytes(&file("Cargo.toml"), &file("src/main.rs")));
        assert!(!same_bytes(&file("missing"), &file("missing")));
    }
}
