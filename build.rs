//! Packs properties of Unicode's characters: the crates that know them have a number or more for each character, and a page
//! would have to download these.

use std::fmt::Write;
use std::path::Path;

use unicode_categories::UnicodeCategories;
use unicode_normalization::char::is_combining_mark;
use unicode_script::UnicodeScript;

/// A property, and which characters have it.
type Property = (&'static str, fn(char) -> bool);

/// By `unicode_categories`, those of Unicode 9.
const PROPERTIES: [Property; 5] = [
    ("MARK", is_combining_mark),
    ("NONSPACING_MARK", char::is_mark_nonspacing),
    ("PUNCTUATION", char::is_punctuation),
    ("OTHER", char::is_other),
    ("DECIMAL_DIGIT", char::is_number_decimal_digit),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut source = String::new();
    for (bit, (name, _)) in PROPERTIES.iter().enumerate() {
        source += &format!("pub const {name}: u8 = 1 << {bit};\n");
    }
    let bits = |letter| PROPERTIES.iter().enumerate().map(|(bit, (_, has))| u8::from(has(letter)) << bit).sum();
    source += &table("PROPERTIES", bits);
    source += &table("SCRIPTS", |letter| letter.script() as u8);
    let folder = std::env::var_os("OUT_DIR").expect("cargo names a folder");
    std::fs::write(Path::new(&folder).join("unicode.rs"), source).expect("the folder can be written to");
}

/// A table of the runs of characters that have the same value: the first character and the value of each.
fn table(name: &str, value: impl Fn(char) -> u8) -> String {
    let mut runs: Vec<(char, u8)> = Vec::new();
    for letter in '\0'..=char::MAX {
        let value = value(letter);
        if runs.last().is_none_or(|last| last.1 != value) {
            runs.push((letter, value));
        }
    }
    let mut table = format!("pub static {name}: [u32; {}] = [\n", runs.len());
    for (first, value) in runs {
        _ = writeln!(table, "{:#x},", u32::from(first) << 8 | u32::from(value));
    }
    table + "];\n"
}
