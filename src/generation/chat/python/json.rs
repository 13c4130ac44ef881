//! Python's `json.dumps`, as the filter `tojson`.

use std::fmt::Write;

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// How deep a value may be that is written as JSON.
const MAX_DEPTH: usize = 128;

/// `json.dumps` as transformers calls it: nothing is escaped for HTML.
pub fn tojson(value: &Value, positional: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut positional = positional.iter().cloned();
    let mut argument = |name| -> Result<Option<Value>, Error> {
        let value = match positional.next() {
            Some(value) => Some(value),
            None => named.get(name)?,
        };
        Ok(value.filter(|value: &Value| !value.is_none() && !value.is_undefined()))
    };
    let ensure_ascii = argument("ensure_ascii")?.is_some_and(|value| value.is_true());
    let indent = match argument("indent")? {
        Some(indent) => match indent.as_str() {
            Some(indent) => Some(indent.to_owned()),
            None => Some(" ".repeat(usize::try_from(indent)?.min(64))),
        },
        None => None,
    };
    let separators = match argument("separators")? {
        Some(pair) => {
            let text = |index| Ok::<_, Error>(pair.get_item_by_index(index)?.to_string());
            (text(0)?, text(1)?)
        }
        None => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
    };
    let sort_keys = argument("sort_keys")?.is_some_and(|value| value.is_true());
    named.assert_all_used()?;
    let mut writer = JsonWriter { text: String::new(), ensure_ascii, indent, separators, sort_keys };
    writer.value(value, 0)?;
    Ok(Value::from_safe_string(writer.text))
}

struct JsonWriter {
    text: String,
    ensure_ascii: bool,
    indent: Option<String>,
    separators: (String, String),
    sort_keys: bool,
}

impl JsonWriter {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let refused = |what| Err(Error::new(ErrorKind::BadSerialization, format!("{what} is not JSON")));
        if depth > MAX_DEPTH {
            return refused("what is this deep");
        }
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.text.push_str(&number(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq => {
                let items = value.try_iter()?.checked().collect::<Result<Vec<_>, Error>>()?;
                self.items('[', ']', &items, depth, |writer, item| writer.value(item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut keys = value.try_iter()?.checked().collect::<Result<Vec<_>, Error>>()?;
                if self.sort_keys {
                    keys.sort();
                }
                self.items('{', '}', &keys, depth, |writer, key| {
                    writer.key(key)?;
                    writer.value(&value.get_item(key)?, depth + 1)
                })?;
            }
            other => return refused(&other.to_string()),
        }
        Ok(())
    }

    fn items(
        &mut self,
        open: char,
        close: char,
        items: &[Value],
        depth: usize,
        mut write: impl FnMut(&mut Self, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.text.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push_str(&self.separators.0);
            }
            self.line(depth + 1);
            write(self, item)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.text.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    }

    fn key(&mut self, key: &Value) -> Result<(), Error> {
        match key.kind() {
            ValueKind::String => self.string(key.as_str().unwrap_or_default()),
            ValueKind::None => self.string("null"),
            ValueKind::Bool => self.string(if key.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.string(&number(key)?),
            other => return Err(Error::new(ErrorKind::BadSerialization, format!("{other} is not a key in JSON"))),
        }
        self.text.push_str(&self.separators.1);
        Ok(())
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for letter in text.chars() {
            match letter {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                '\0'..='\u{1f}' => self.escape(letter),
                '\u{7f}'.. if self.ensure_ascii && letter != '\u{7f}' => self.escape(letter),
                letter => self.text.push(letter),
            }
        }
        self.text.push('"');
    }

    fn escape(&mut self, letter: char) {
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing into a string does not fail.
            let _ = write!(self.text, "\\u{unit:04x}");
        }
    }
}

fn number(value: &Value) -> Result<String, Error> {
    if value.is_integer() { Ok(value.to_string()) } else { Ok(float(f64::try_from(value.clone())?)) }
}

/// `float.__repr__`, as `json.dumps` writes it.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        if plain.contains('.') { plain } else { format!("{plain}.0") }
    } else {
        format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}
