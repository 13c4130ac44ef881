//! The engine of regular expressions: `fancy-regex` natively, the browser's own in WebAssembly.

use std::ops::Range;

#[cfg(target_family = "wasm")]
pub use browser::Regex;
#[cfg(not(target_family = "wasm"))]
pub use native::Regex;

#[cfg(not(target_family = "wasm"))]
mod native {
    use super::Range;
    use crate::tokenizer::pattern::classes::{WORD, posix, word_escape};

    /// A regular expression.
    #[derive(Debug)]
    pub struct Regex(fancy_regex::Regex);

    impl Regex {
        /// Compiles `source`; `^` and `$` match at line ends, as in Oniguruma's syntax.
        pub fn new(source: &str) -> Result<Self, String> {
            let source = format!("(?m){}", adapted(source));
            fancy_regex::Regex::new(&source).map(Self).map_err(|error| error.to_string())
        }

        /// The ranges of `text` that match, in order and apart.
        pub fn find(&self, text: &str) -> Result<Vec<Range<usize>>, String> {
            self.0
                .find_iter(text)
                .map(|found| found.map(|found| found.range()).map_err(|error| error.to_string()))
                .collect()
        }
    }

    /// `source` as `fancy-regex` reads it: with Oniguruma's classes of characters, and without possessive bounds.
    fn adapted(source: &str) -> String {
        let mut output = String::with_capacity(source.len());
        // In how many classes `rest` begins.
        let mut depth = 0;
        let mut rest = source;
        while let Some(at) = rest.find(['\\', '{', '[', ']']) {
            output.push_str(&rest[..at]);
            let tail = &rest[at..];
            let class = tail.strip_prefix("[:").and_then(|tail| tail.split_once(":]")).filter(|_| depth > 0);
            let (replacement, length) = match (tail.as_bytes()[0], class) {
                (b'\\', _) => escaped(tail, depth > 0),
                (b'{', _) if depth == 0 => bounds(tail),
                (b'[', Some((name, _))) => posix_class(name, &tail[..name.len() + 4]),
                (b'[', None) => {
                    depth += 1;
                    // A bracket that comes first is a character of the class.
                    let start = ["[^]", "[]", "[^", "["].into_iter().find(|start| tail.starts_with(start));
                    let start = start.unwrap_or_default();
                    (start.replace(']', r"\]"), start.len())
                }
                (byte, _) => {
                    depth -= usize::from(byte == b']' && depth > 0);
                    (tail[..1].into(), 1)
                }
            };
            output.push_str(&replacement);
            rest = &tail[length..];
        }
        output + rest
    }

    /// What stands for the backslash and the character with which `tail` begins, and how long they are.
    fn escaped(tail: &str, in_class: bool) -> (String, usize) {
        let letter = tail[1..].chars().next();
        let length = 1 + letter.map_or(0, char::len_utf8);
        let replacement = match letter {
            Some('w') if in_class => WORD.into(),
            Some('W') if in_class => format!("[^{WORD}]"),
            Some(letter @ ('w' | 'W' | 'b' | 'B')) if !in_class => word_escape(letter),
            _ => tail[..length].into(),
        };
        (replacement, length)
    }

    /// `*` for the bounds `{0,3}+` with which `tail` begins, `+` for `{1,3}+`: what they mean in Oniguruma's syntax, where
    /// bounds have no possessive form and the plus repeats the whole.
    fn bounds(tail: &str) -> (String, usize) {
        let bounds = tail
            .split_once("}+")
            .map(|(bounds, _)| &bounds[1..])
            .filter(|bounds| !bounds.is_empty() && bounds.bytes().all(|byte| byte.is_ascii_digit() || byte == b','));
        match bounds.and_then(|bounds| Some((bounds.split(',').next()?, bounds.len() + 3))) {
            Some(("" | "0", length)) => ("*".into(), length),
            Some(("1", length)) => ("+".into(), length),
            _ => ("{".into(), 1),
        }
    }

    /// What stands for a POSIX class within a class: `[:alpha:]` is ASCII's for `fancy-regex`.
    fn posix_class(name: &str, source: &str) -> (String, usize) {
        let (negation, name) = name.strip_prefix('^').map_or(("", name), |name| ("^", name));
        let replacement = posix(name).map_or_else(|| source.into(), |items| format!("[{negation}{items}]"));
        (replacement, source.len())
    }
}

#[cfg(target_family = "wasm")]
mod browser {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use js_sys::{JsString, Reflect, RegExp};
    use wasm_bindgen::{JsCast, JsValue};

    use super::Range;
    use crate::tokenizer::pattern::javascript::{self, Translated};

    /// A regular expression.
    #[derive(Debug)]
    pub struct Regex(Translated);

    thread_local! {
        // JavaScript's objects belong to a thread; a tokenizer does not.
        static COMPILED: RefCell<HashMap<String, RegExp>> = RefCell::default();
    }

    impl Regex {
        /// Compiles `source`; `^` and `$` match at line ends, as in Oniguruma's syntax.
        pub fn new(source: &str) -> Result<Self, String> {
            let regex = Self(javascript::translate(source)?);
            regex.compiled().map(|_| regex)
        }

        fn compiled(&self) -> Result<RegExp, String> {
            let Translated { source, flags } = &self.0;
            COMPILED.with_borrow_mut(|compiled| match compiled.get(source) {
                Some(regex) => Ok(regex.clone()),
                None => {
                    let regex = compile(source, flags)?;
                    compiled.insert(source.clone(), regex.clone());
                    Ok(regex)
                }
            })
        }

        /// The ranges of `text` that match, in order and apart.
        pub fn find(&self, text: &str) -> Result<Vec<Range<usize>>, String> {
            let matches = JsString::from(text).match_all(&self.compiled()?);
            let index = JsValue::from("index");
            // The browser counts in UTF-16: `units` of them are before the byte `at`.
            let (mut at, mut units) = (0, 0);
            let mut bytes = |until: usize| {
                for letter in text.get(at..).unwrap_or_default().chars() {
                    if units >= until {
                        break;
                    }
                    units += letter.len_utf16();
                    at += letter.len_utf8();
                }
                at
            };
            let mut ranges = Vec::new();
            for found in matches.into_iter() {
                let found = found.map_err(|error| describe(&error))?;
                let start = Reflect::get(&found, &index).ok().and_then(|index| index.as_f64()).unwrap_or(0.0) as usize;
                let length = Reflect::get_u32(&found, 0).map(|text| text.unchecked_into::<JsString>().length());
                ranges.push(bytes(start)..bytes(start + length.unwrap_or(0) as usize));
            }
            Ok(ranges)
        }
    }

    /// `new RegExp(source, flags)`, which throws where the browser's syntax lacks something.
    fn compile(source: &str, flags: &str) -> Result<RegExp, String> {
        let arguments = js_sys::Array::of2(&source.into(), &flags.into());
        let constructor = Reflect::get(&js_sys::global(), &"RegExp".into()).map_err(|error| describe(&error))?;
        let constructor: js_sys::Function = constructor.unchecked_into();
        let made = Reflect::construct(&constructor, &arguments).map_err(|error| describe(&error))?;
        Ok(made.unchecked_into())
    }

    fn describe(error: &JsValue) -> String {
        error.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{error:?}"), |error| error.message().into())
    }
}
