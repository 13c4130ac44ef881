//! What Python's strings, lists and numbers do where minijinja does otherwise.

mod json;
mod strftime;

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, filters};
use minijinja_contrib::pycompat;

pub use strftime::strftime;

/// Adds filters, tests and methods.
pub fn add_to(environment: &mut Environment<'_>) {
    environment.set_unknown_method_callback(method);
    environment.set_formatter(write);
    environment.add_filter("tojson", json::tojson);
    environment.add_filter("int", int);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_iterable);
    environment.add_test("number", |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool));
}

/// Writes floats as Python does.
fn write(output: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match f64::try_from(value.clone()) {
        Ok(number) if value.is_number() && !value.is_integer() => Ok(output.write_str(&json::float(number))?),
        _ => minijinja::escape_formatter(output, state, value),
    }
}

/// What `iter` takes, and `len` and subscripts do: a mapping and an undefined value as well, but not `None`.
fn is_iterable(value: &Value) -> bool {
    use ValueKind::{Iterable, Map, Seq, String, Undefined};
    matches!(value.kind(), Iterable | Map | Seq | String | Undefined)
}

/// Jinja2's filter `int`: `default`, or 0, for a text that is not a number.
fn int(state: &State, value: &Value, default: Option<Value>, base: Option<u32>, named: Kwargs) -> Result<Value, Error> {
    let default = match default {
        Some(default) => default,
        None => named.get::<Option<Value>>("default")?.unwrap_or_else(|| Value::from(0)),
    };
    Ok(filters::int(state, value, Some(default.clone()), base, named).unwrap_or(default))
}

fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let missing = || Error::new(ErrorKind::InvalidOperation, "index: there is no such item");
    if let Some(text) = value.as_str() {
        return text_method(state, value, text, name, arguments);
    }
    if name == "index" && value.kind() == ValueKind::Seq {
        let (item,): (&Value,) = from_args(arguments)?;
        return value.try_iter()?.position(|each| each == *item).map(Value::from).ok_or_else(missing);
    }
    pycompat::unknown_method_callback(state, value, name, arguments)
}

fn text_method(state: &mut State, value: &Value, text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let parts = |cut: Option<(&str, &str)>, separator: &str, whole: [&str; 3]| {
        let [first, middle, last] = cut.map_or(whole, |(before, after)| [before, separator, after]);
        Value::from(Tuple::from([first, middle, last].map(Value::from)))
    };
    match name {
        "strip" | "lstrip" | "rstrip" => {
            let (characters,): (Option<&str>,) = from_args(arguments)?;
            let strips = |letter: char| characters.map_or_else(|| is_space(letter), |these| these.contains(letter));
            let text = if name == "rstrip" { text } else { text.trim_start_matches(strips) };
            Ok(Value::from(if name == "lstrip" { text } else { text.trim_end_matches(strips) }))
        }
        "title" => {
            let () = from_args(arguments)?;
            Ok(Value::from(title(text)))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        "partition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            Ok(parts(text.split_once(separator), separator, [text, "", ""]))
        }
        "rpartition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            Ok(parts(text.rsplit_once(separator), separator, ["", "", text]))
        }
        "rsplit" => {
            let (separator, most): (&str, Option<usize>) = from_args(arguments)?;
            let mut pieces: Vec<Value> = match most {
                Some(most) => text.rsplitn(most.saturating_add(1), separator).map(Value::from).collect(),
                None => text.rsplit(separator).map(Value::from).collect(),
            };
            pieces.reverse();
            Ok(Value::from(pieces))
        }
        "splitlines" => {
            let (keep_ends,): (Option<bool>,) = from_args(arguments)?;
            Ok(lines(text, keep_ends.unwrap_or(false)).into_iter().map(Value::from).collect())
        }
        "index" => {
            let (part,): (&str,) = from_args(arguments)?;
            let start = text.find(part).ok_or_else(|| {
                Error::new(ErrorKind::InvalidOperation, "index: the text does not contain what is looked for")
            })?;
            Ok(Value::from(text[..start].chars().count()))
        }
        _ => pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// `str.splitlines`.
fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let ends = |letter| matches!(letter, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(ends) {
        let after = rest[end..].strip_prefix("\r\n").or_else(|| rest[end..].strip_prefix(ends)).unwrap_or_default();
        found.push(&rest[..if keep_ends { rest.len() - after.len() } else { end }]);
        rest = after;
    }
    if !rest.is_empty() {
        found.push(rest);
    }
    found
}

/// `str.isspace` of one character.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

/// `str.title`: a capital after whatever is not a letter.
fn title(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut within = false;
    for letter in text.chars() {
        if within {
            result.extend(letter.to_lowercase());
        } else {
            result.extend(letter.to_uppercase());
        }
        within = letter.is_lowercase() || letter.is_uppercase();
    }
    result
}
