//! The one form of every JSON that the project writes: where it comes from, and rows of numbers.

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::process::{output, program};
use crate::project::Project;

/// A line of a report: `name`, which is a path such as `size/cpu`, and numbers with their unit in the key.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    pub fn new(name: &str, numbers: &[(&str, u64)]) -> Self {
        let numbers = numbers.iter().map(|(key, number)| ((*key).to_owned(), json!(number)));
        Self(std::iter::once(("name".to_owned(), json!(name))).chain(numbers).collect())
    }

    /// Reads the rows that another program has printed: a JSON list.
    ///
    /// # Errors
    /// If it is not one, a row has no name, or a value is not a number.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        let rows: Vec<Map<String, Value>> =
            serde_json::from_str(text).context("the rows are no JSON list of objects")?;
        rows.into_iter().map(Self::checked).collect()
    }

    fn checked(row: Map<String, Value>) -> Result<Self> {
        let Some(Value::String(name)) = row.get("name") else { bail!("a row has no name: {}", Value::Object(row)) };
        for (key, value) in row.iter().filter(|(key, _)| *key != "name") {
            ensure!(value.is_number(), "{key} of the row {name} must be a number, got {value}");
        }
        ensure!(row.len() > 1, "the row {name} has no numbers");
        Ok(Self(row))
    }
}

/// Writes `rows` to `path` as what `command` has found here and now.
pub fn write(project: &Project, command: &str, rows: Vec<Row>, path: &Path) -> Result<()> {
    let report = form(command, &commit(project), &machine(), rows);
    fs::write(path, format!("{report:#}\n")).with_context(|| format!("{} cannot be written", path.display()))
}

fn form(command: &str, commit: &str, machine: &str, rows: Vec<Row>) -> Value {
    let rows: Vec<_> = rows.into_iter().map(|Row(row)| row).collect();
    json!({ "command": command, "commit": commit, "machine": machine, "rows": rows })
}

/// The commit that is checked out; `-dirty` says that files differ from it.
fn commit(project: &Project) -> String {
    let described =
        output(program("git", &project.root).args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]));
    // Numbers that took long to measure are worth keeping without it.
    described.map_or_else(|_| "unknown".to_owned(), |commit| commit.trim().to_owned())
}

/// What the machine is, as far as it bears on numbers; not whose.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| processor(&text));
    let processor = processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{processor}, {cores} cores, {}", std::env::consts::OS)
}

/// The processor's name in Linux's description of it.
fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_and_its_order() {
        let rows = vec![Row::new("size/cpu", &[("raw_bytes", 3), ("gzip_bytes", 2)])];
        assert_eq!(
            form("bench size", "abc", "a machine", rows).to_string(),
            r#"{"command":"bench size","commit":"abc","machine":"a machine","rows":[{"name":"size/cpu","raw_bytes":3,"gzip_bytes":2}]}"#
        );
    }

    #[test]
    fn rows_of_another_program() -> Result<()> {
        let rows = Row::parse_all(r#"[{"name":"encoder/fp32/1t/1x16","ours_ms":20.5,"theirs_ms":20,"ratio":1.025}]"#)?;
        assert_eq!(rows.len(), 1);
        for wrong in [
            "",
            "{}",
            "[1]",
            r#"[{"ours_ms":1}]"#,
            r#"[{"name":1,"ours_ms":1}]"#,
            r#"[{"name":"a"}]"#,
            r#"[{"name":"a","ours_ms":"1"}]"#,
            r#"[{"name":"a","ours_ms":null}]"#,
        ] {
            assert!(Row::parse_all(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn the_processor_has_a_name() {
        let text = "processor\t: 0\nvendor_id\t: Someone\nmodel name\t: A Processor @ 2.00GHz\nflags\t\t: fpu\n";
        assert_eq!(processor(text).as_deref(), Some("A Processor @ 2.00GHz"));
        assert_eq!(processor("Hardware : something else"), None);
    }
}
