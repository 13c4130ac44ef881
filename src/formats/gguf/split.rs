//! Files that are split into parts, each a GGUF file with some of the tensors.
//!
//! # Source
//! llama.cpp's `gguf-split`, and `llama_split_path` and `llama_model_loader` of its sources: the first part has the metadata.

use std::collections::HashSet;

use crate::error::Result;

use super::{Header, Metadata, invalid};

const NUMBER_KEY: &str = "split.no";
const COUNT_KEY: &str = "split.count";
const TENSORS_KEY: &str = "split.tensors.count";
/// Digits of a number in a file's name.
const DIGITS: usize = 5;

/// The names of all parts, where `name` is that of one of them, such as `model-00001-of-00003.gguf`; `None` for other names.
///
/// ```
/// use pilot_light::formats::gguf::part_names;
///
/// let names = part_names("folder/model-00001-of-00002.gguf");
/// assert_eq!(names.unwrap(), ["folder/model-00001-of-00002.gguf", "folder/model-00002-of-00002.gguf"]);
/// assert_eq!(part_names("model.gguf"), None);
/// ```
pub fn part_names(name: &str) -> Option<Vec<String>> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (prefix, number) = rest.rsplit_once('-')?;
    let (number, count) = (digits(number)?, digits(count)?);
    let names = (1..=count).map(|number| format!("{prefix}-{number:05}-of-{count:05}.gguf"));
    (1..=count).contains(&number).then(|| names.collect())
}

fn digits(text: &str) -> Option<u32> {
    let right = text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| right)
}

/// The number of parts that a file with these metadata is one of: 1 where it is not split.
///
/// # Errors
/// Invalid artefact: it is not a positive integer.
pub fn part_count(metadata: &Metadata<'_>) -> Result<u32> {
    match metadata.get_u32(COUNT_KEY)? {
        // `gguf-split` writes 0 into a file that it has merged.
        None | Some(0) => Ok(1),
        Some(count) => Ok(count),
    }
}

/// Joins the headers of all parts of a file, in any order: the metadata of the first, and the tensors of all.
///
/// # Errors
/// Invalid artefact: a part is missing or is there twice, or is of a file with another number of parts or tensors.
pub fn join<'a>(mut parts: Vec<Header<'a>>) -> Result<Header<'a>> {
    if let [_] = parts[..]
        && part_count(&parts[0].metadata)? == 1
    {
        return Ok(parts.remove(0));
    }
    let mut numbered = Vec::with_capacity(parts.len());
    for part in parts {
        let number = part.metadata.get_u32(NUMBER_KEY)?.ok_or_else(|| Metadata::missing(NUMBER_KEY))?;
        numbered.push((number, part));
    }
    crate::sort::sort_by(&mut numbered, |(a, _), (b, _)| a.cmp(b));
    let Some((_, first)) = numbered.first() else { return invalid("expected the parts of a file, got none") };
    let count = part_count(&first.metadata)?;
    let expected = first.metadata.get_u32(TENSORS_KEY)?;
    for (at, (number, part)) in numbered.iter().enumerate() {
        let of = part_count(&part.metadata)?;
        if of != count {
            return invalid(format!(
                "expected a part of {count}, got part {number} of {of} ({NUMBER_KEY}, {COUNT_KEY})"
            ));
        }
        let at = at as u32;
        if at != *number {
            let what = if at > *number { "is there twice" } else { "is missing" };
            return invalid(format!("part {} of {count} {what} (counted from 0)", at.min(*number)));
        }
    }
    if numbered.len() as u32 != count {
        return invalid(format!("expected {count} parts, got {}", numbered.len()));
    }
    let mut parts = numbered.into_iter().map(|(_, part)| part);
    let Some(mut whole) = parts.next() else { return invalid("expected the parts of a file, got none") };
    parts.for_each(|part| whole.tensors.extend(part.tensors));
    if expected.is_some_and(|expected| expected as usize != whole.tensors.len()) {
        let found = whole.tensors.len();
        return invalid(format!(
            "expected {} tensors in all parts ({TENSORS_KEY}), got {found}",
            expected.unwrap_or(0)
        ));
    }
    let mut names = HashSet::new();
    match whole.tensors.iter().find(|tensor| !names.insert(tensor.name)) {
        Some(twice) => invalid(format!("the tensor {} is in two parts", twice.name)),
        None => Ok(whole),
    }
}
