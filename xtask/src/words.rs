//! The vocabulary check of `cargo xtask test words`: refuses the words and phrases that `xtask/words.txt` lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::process::{output, program};
use crate::project::Project;

/// The list, relative to the checkout.
const LIST: &str = "xtask/words.txt";
/// What has text of ours.
const PATTERNS: [&str; 7] = ["*.rs", "*.ts", "*.js", "*.mjs", "*.py", "*.md", "*.toml"];
/// Texts that are data, the record of changes, and this file, whose tests have the words.
const EXEMPT: [&str; 5] = ["tests/golden/", "models/", "www/sample-messages.js", "CHANGELOG.md", "xtask/src/words.rs"];

/// An entry of the list.
struct Entry {
    phrase: String,
    instead: String,
    reason: String,
}

/// Checks every tracked text, and prints how many hits each folder has.
pub fn check(project: &Project) -> Result<()> {
    let list = fs::read_to_string(project.root.join(LIST)).with_context(|| format!("{LIST} cannot be read"))?;
    let entries = parse(&list)?;
    let files = output(program("git", &project.root).arg("ls-files").args(PATTERNS))?;
    let mut hits: BTreeMap<String, usize> = BTreeMap::new();
    for file in files.lines().filter(|file| !EXEMPT.iter().any(|exempt| file.starts_with(exempt))) {
        let path = project.root.join(file);
        // A file that was removed and not yet committed is still listed.
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("{file} cannot be read"))?;
        for (number, line) in text.lines().enumerate() {
            // Python's comparison, which is code.
            let line = line.replace("is None", "");
            for Entry { phrase, instead, reason } in entries.iter().filter(|entry| contains(&line, &entry.phrase)) {
                eprintln!("{file}:{}: '{phrase}' ({reason}); write: {instead}", number + 1);
                *hits.entry(folder(file)).or_default() += 1;
            }
        }
    }
    for (folder, count) in &hits {
        eprintln!("{count:5} in {folder}");
    }
    let count: usize = hits.values().sum();
    ensure!(count == 0, "{count} uses of words that {LIST} refuses");
    Ok(())
}

/// Reads the list.
///
/// # Errors
/// If a line does not have the three parts of an entry.
fn parse(list: &str) -> Result<Vec<Entry>> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [phrase, instead, reason] = parts[..] else { return None };
        let [phrase, instead, reason] = [phrase.to_lowercase(), instead.to_owned(), reason.to_owned()];
        Some(Entry { phrase, instead, reason })
    };
    lines.map(|line| entry(line).with_context(|| format!("expected 'phrase | instead | why', got '{line}'"))).collect()
}

/// Whether `line` has the lower-case `phrase` as whole words.
fn contains(line: &str, phrase: &str) -> bool {
    let line = line.to_lowercase();
    line.match_indices(phrase).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + phrase.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

/// The folder that a file is counted in: its path's first two parts, without its name.
fn folder(file: &str) -> String {
    let parent = Path::new(file).parent().unwrap_or(Path::new(""));
    let folder = parent.iter().take(2).collect::<std::path::PathBuf>();
    if folder.as_os_str().is_empty() { ".".to_owned() } else { folder.to_string_lossy().into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_in_any_case_are_found() {
        for line in ["It Hangs on x", "hangs on", "a (hangs on)", "hangs on_x"] {
            assert!(contains(line, "hangs on"), "{line}");
        }
        for line in ["changs on", "hangs one", "hangs  on", "overhangs on"] {
            assert!(!contains(line, "hangs on"), "{line}");
        }
        assert!(contains("größe beside ü", "beside") && !contains("besides", "beside"));
    }

    #[test]
    fn the_list_is_read_and_has_three_parts_each() {
        let entries = parse(include_str!("../words.txt")).unwrap();
        assert!(entries.len() >= 10 && entries.iter().all(|entry| !entry.instead.is_empty()));
        assert!(parse("nought | zero").is_err());
    }

    #[test]
    fn folders_have_two_parts_at_most() {
        assert_eq!(folder("src/graph/ops/mod.rs"), "src/graph");
        assert_eq!(folder("README.md"), ".");
    }
}
