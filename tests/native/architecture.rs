//! Module boundaries: the rooms of `src/` use one another only as ARCHITECTURE.md draws it, and in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms and the rooms that each uses.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Rooms that every other one may use, and that use none.
const FOR_ALL: [&str; 2] = ["error", "sort"];

#[test]
fn rooms_use_one_another_as_the_architecture_draws_it() {
    let (drawn, found) = (drawn(), found());
    let rooms: BTreeSet<&String> = found.keys().collect();
    for (room, uses) in &drawn {
        for name in uses.iter().chain([room]) {
            assert!(rooms.contains(name), "ARCHITECTURE.md names the room '{name}', which src/ does not have");
        }
    }
    let none = BTreeSet::new();
    let mut wrong = Vec::new();
    for (room, uses) in &found {
        let allowed = drawn.get(room).unwrap_or(&none);
        wrong.extend(uses.difference(allowed).map(|used| format!("{room} uses {used}, which is not drawn")));
        wrong.extend(allowed.difference(uses).map(|used| format!("{room} -> {used} is drawn and not used")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_rooms_form_a_circle() {
    let mut left = found();
    // Takes away the rooms that use none of those left; what remains is a circle and what leads to it.
    loop {
        let done: Vec<String> = left
            .iter()
            .filter(|(_, uses)| !uses.iter().any(|used| left.contains_key(used)))
            .map(|(room, _)| room.clone())
            .collect();
        if done.is_empty() {
            break;
        }
        left.retain(|room, _| !done.contains(room));
    }
    assert!(left.is_empty(), "these rooms form a circle, or lead to one: {left:#?}");
}

#[test]
fn what_all_may_use_uses_nothing() {
    let found = found();
    for room in FOR_ALL {
        let uses = found_in(room).into_iter().filter(|used| used != room).collect::<Vec<_>>();
        assert!(uses.is_empty(), "{room} uses {uses:?}");
        assert!(!found.contains_key(room));
    }
}

#[test]
fn paths_are_found_in_every_form() {
    let text = "
        use crate::a::X;
        use crate::{b, c::{d, e::F}, G};
        // crate::commented
        /// [`crate::documented`]
        fn f() -> crate::h::Y { crate::i::j() }
        #[cfg(test)]
        mod tests { use crate::test_only::Z; }";
    assert_eq!(paths(text), ["a", "b", "c", "G", "h", "i"].map(str::to_owned).into());
}

/// The table under "Which room uses which" of ARCHITECTURE.md.
fn drawn() -> Arrows {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is readable");
    let (_, section) = text.split_once("## Which room uses which").expect("ARCHITECTURE.md has the table of arrows");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|')?.split_once('|'));
    let name = |text: &str| text.trim().trim_matches('`').to_owned();
    rows.filter(|(room, _)| name(room) != "room" && !room.contains("---"))
        .map(|(room, uses)| (name(room), uses.split(',').map(name).filter(|used| !used.is_empty()).collect()))
        .collect()
}

/// The arrows of the sources, tests aside.
fn found() -> Arrows {
    let rooms: Vec<String> = fs::read_dir(root().join("src"))
        .expect("src is readable")
        .map(|entry| entry.expect("src is readable").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .filter(|room| room != "lib" && room != "bin" && !FOR_ALL.contains(&room.as_str()))
        .collect();
    let arrow = |room: &String| {
        let uses = found_in(room).into_iter();
        (room.clone(), uses.filter(|used| used != room && rooms.contains(used)).collect())
    };
    rooms.iter().map(arrow).collect()
}

/// The rooms that the files of `room` name, also through what lib.rs re-exports from them.
fn found_in(room: &str) -> BTreeSet<String> {
    let exports = reexports();
    let names = sources(room).into_iter().flat_map(|text| paths(&text));
    names.map(|name| exports.get(&name).cloned().unwrap_or(name)).collect()
}

/// The names that lib.rs re-exports, with the room of each.
fn reexports() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs is readable");
    let statements = text.split(';').filter_map(|part| Some(part.rsplit_once("pub use ")?.1.trim().to_owned()));
    statements
        .flat_map(|path| {
            let room = path.split("::").next().unwrap_or_default().to_owned();
            let names = path.rsplit_once("::").map_or("", |(_, names)| names).trim_matches(['{', '}']).to_owned();
            names.split(',').map(|name| (name.trim().to_owned(), room.clone())).collect::<Vec<_>>()
        })
        .collect()
}

/// The first names of all paths of the crate in `text`, comments and inline test modules aside.
fn paths(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for part in outside_tests(&code).split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(list) => found.extend(first_names(list)),
            None => found.extend(identifier(part)),
        }
    }
    found
}

/// What stands before inline modules of tests, which end a file by convention.
fn outside_tests(code: &str) -> &str {
    let mut at = 0;
    while let Some(next) = code[at..].find("#[cfg(test)]") {
        let behind = code[at + next + "#[cfg(test)]".len()..].trim_start();
        if behind.starts_with("mod ")
            && behind.split(['{', ';']).next().is_some_and(|head| behind[head.len()..].starts_with('{'))
        {
            return &code[..at + next];
        }
        at += next + 1;
    }
    code
}

/// The first name of each path of a nested list, up to its closing brace.
fn first_names(list: &str) -> Vec<String> {
    let (mut names, mut depth, mut start) = (Vec::new(), 0, true);
    for (index, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && depth == 0 && !letter.is_whitespace() => {
                names.extend(identifier(&list[index..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The files of a room, those of tests aside.
fn sources(room: &str) -> Vec<String> {
    let src = root().join("src");
    let (mut files, mut folders) = (vec![src.join(format!("{room}.rs"))], vec![src.join(room)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("src is readable").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.file_stem().is_some_and(|stem| TEST_FILES.iter().all(|name| stem != *name)));
    files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

/// Files that only tests include.
const TEST_FILES: [&str; 4] = ["tests", "properties", "simulation", "valid_values"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
