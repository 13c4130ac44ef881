//! StringConcat, StringNormalizer and StringSplit.

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, one, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host;

pub static OPS: &[Op] = &[
    Op::new("StringConcat", Accepts::Any, TEXT, |_| Ok(Box::new(concat))).encoded(),
    Op::new("StringNormalizer", Accepts::Any, TEXT, normalizer).encoded(),
    Op::new("StringSplit", Accepts::Any, &[Gives::Text, Gives::Is(DType::I64)], split).encoded(),
];

const TEXT: &[Gives] = &[Gives::Text];

/// The strings of two tensors one after the other, broadcast to each other.
fn concat(inputs: &mut Inputs<'_>) -> Result<Vec<host::HostTensor>> {
    let (a, b) = (inputs.take(0)?, inputs.take(1)?);
    let shape = host::broadcast_shape(host::shape(&a), host::shape(&b))?;
    inputs.count(&shape)?;
    let [a, b] = [a, b].map(|tensor| host::expand(tensor, &shape).map(|tensor| host::to_i64s(&tensor)));
    let (a, b) = (a?, b?);
    let both = |(a, b): (&i64, &i64)| [inputs.texts.get(*a as u32), inputs.texts.get(*b as u32)].concat();
    let texts: Vec<String> = a.iter().zip(&b).map(both).collect();
    one(inputs.text_tensor(&shape, texts.iter().map(String::as_str)))
}

/// Words changed in case, and without stop words.
fn normalizer(node: &NodeSpec<'_>) -> Prepared {
    let changed: fn(&str) -> String = match node.attributes.string("case_change_action", "NONE")? {
        "NONE" => str::to_string,
        "LOWER" => str::to_lowercase,
        "UPPER" => str::to_uppercase,
        other => return Err(format!("the attribute case_change_action is '{other}', which is not supported")),
    };
    let sensitive = node.attributes.flag("is_case_sensitive", false)?;
    // Its rules of upper and lower case are those of Unicode.
    node.attributes.get("locale");
    let compared = move |word: &str| if sensitive { word.to_string() } else { word.to_lowercase() };
    let stopwords: Vec<String> = node.attributes.strings("stopwords")?.iter().map(|word| compared(word)).collect();
    Ok(Box::new(move |inputs| {
        let (shape, words) = inputs.texts(0)?;
        let (mut shape, words) = match shape[..] {
            [_] => (Vec::new(), words),
            [1, _] => (vec![1], words),
            _ => return wrong(format!("StringNormalizer takes strings of the shape [C] or [1, C], got {shape:?}")),
        };
        let kept = words.iter().filter(|word| !stopwords.contains(&compared(word)));
        let mut kept: Vec<String> = kept.map(|word| changed(word)).collect();
        if kept.is_empty() {
            kept.push(String::new());
        }
        shape.push(kept.len());
        one(inputs.text_tensor(&shape, kept.iter().map(String::as_str)))
    }))
}

/// The parts of each string, filled up with empty strings to the most parts, and their numbers.
fn split(node: &NodeSpec<'_>) -> Prepared {
    let delimiter = node.attributes.string("delimiter", "")?.to_string();
    let most = most(node)?;
    Ok(Box::new(move |inputs| {
        let (mut shape, texts) = inputs.texts(0)?;
        let parts: Vec<Vec<&str>> = texts.iter().map(|text| parts(text, &delimiter, most)).collect();
        let width = parts.iter().map(Vec::len).max().unwrap_or(0);
        let counts = host::tensor(&shape, parts.iter().map(|parts| parts.len() as i64).collect());
        shape.push(width);
        inputs.count(&shape)?;
        let padded = parts.iter().flat_map(|parts| {
            let padding = std::iter::repeat_n("", width - parts.len());
            parts.iter().copied().chain(padding)
        });
        let tensor = inputs.text_tensor(&shape, padded);
        Ok(vec![tensor, counts])
    }))
}

/// The most splits of a string.
fn most(node: &NodeSpec<'_>) -> Result<usize, Refusal> {
    Ok(match node.attributes.optional_int("maxsplit")? {
        Some(most) => usize::try_from(most).unwrap_or(usize::MAX),
        None => usize::MAX,
    })
}

/// The parts of `text`: between delimiters or, without one, between runs of white space.
fn parts<'a>(text: &'a str, delimiter: &str, most: usize) -> Vec<&'a str> {
    if text.is_empty() {
        return Vec::new();
    }
    if !delimiter.is_empty() {
        return text.splitn(most.saturating_add(1), delimiter).collect();
    }
    let (mut rest, mut parts) = (text.trim_start(), Vec::new());
    while !rest.is_empty() {
        let end = if parts.len() == most {
            rest.trim_end().len()
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        parts.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    parts
}
