//! The keywords of a schema.

use super::super::json::{Json, step};
use super::{invalid, unsupported};
use crate::error::Result;

/// Keywords that say nothing about which values are valid.
const ANNOTATIONS: [&str; 12] = [
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keywords that apply to one type, which they imply where `type` is missing.
const KEYWORDS_OF_TYPES: [(&str, &[&str]); 4] = [
    ("object", &["properties", "required", "additionalProperties"]),
    ("array", &["items", "prefixItems", "minItems", "maxItems"]),
    ("string", &["minLength", "maxLength", "pattern", "format"]),
    ("number", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
];

/// Keywords that apply to all types.
const OTHER_KEYWORDS: [&str; 7] = ["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// A schema that is an object and has only keywords that are known.
pub struct Keywords<'a> {
    members: &'a [(String, Json)],
    pointer: &'a str,
}

impl<'a> Keywords<'a> {
    pub fn new(schema: &'a Json, pointer: &'a str) -> Result<Self> {
        let Json::Object(members) = schema else {
            return Err(invalid(
                pointer,
                format!("expected an object or a boolean, got a value of type {}", schema.kind()),
            ));
        };
        for (name, _) in members {
            let name = name.as_str();
            let is_known = ANNOTATIONS.contains(&name)
                || OTHER_KEYWORDS.contains(&name)
                || KEYWORDS_OF_TYPES.iter().any(|(_, keywords)| keywords.contains(&name));
            if !is_known {
                return Err(unsupported(pointer, format!("the keyword '{name}' is not supported")));
            }
        }
        Ok(Self { members, pointer })
    }

    pub fn get(&self, name: &str) -> Option<&'a Json> {
        self.members.iter().find(|member| member.0 == name).map(|member| &member.1)
    }

    /// Those that say which values are valid.
    fn assertions(&self) -> impl Iterator<Item = &'a (String, Json)> {
        self.members.iter().filter(|member| !ANNOTATIONS.contains(&member.0.as_str()))
    }

    /// The schema without a keyword and without annotations.
    pub fn without(&self, name: &str) -> Json {
        Json::Object(self.assertions().filter(|member| member.0 != name).cloned().collect())
    }

    /// The pointer of the schema that `$ref` names.
    pub fn reference(&self) -> Result<Option<String>> {
        let Some(reference) = self.string("$ref")? else { return Ok(None) };
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        match pointer {
            Some(pointer) => Ok(Some(percent_decoded(pointer))),
            None => {
                Err(unsupported(self.pointer, format!("the reference '{reference}' does not lead into this schema")))
            }
        }
    }

    /// The pointer of another schema, if this one says no more than that it is that one.
    pub fn only_reference(&self) -> Result<Option<String>> {
        let mut assertions = self.assertions();
        match (assertions.next(), assertions.next()) {
            (Some((name, _)), None) if name == "$ref" => self.reference(),
            (Some((name, Json::Array(all))), None) if name == "allOf" && all.len() == 1 => {
                let pointer = step(&step(self.pointer, "allOf"), 0);
                match &all[0] {
                    only @ Json::Object(_) => Keywords::new(only, &pointer)?.only_reference(),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// The values that `enum` and `const` allow.
    pub fn values(&self) -> Result<Option<Vec<&'a Json>>> {
        let constant = self.get("const");
        let values: Option<Vec<&Json>> = match self.get("enum") {
            Some(Json::Array(values)) if !values.is_empty() => Some(values.iter().collect()),
            Some(_) => return Err(invalid(self.pointer, "expected 'enum' to be an array with a value".to_owned())),
            None => None,
        };
        Ok(match (constant, values) {
            (Some(constant), None) => Some(vec![constant]),
            (Some(constant), Some(values)) => {
                Some(values.into_iter().filter(|value| value.is_same(constant)).collect())
            }
            (None, values) => values,
        })
    }

    /// Whether there is any keyword besides `names` and annotations, and which.
    pub fn other_than(&self, names: &[&str]) -> Option<&'a str> {
        self.assertions().map(|member| member.0.as_str()).find(|name| !names.contains(name))
    }

    /// The types that are written: those of `type`, or those that other keywords imply. None without either.
    pub fn types(&self) -> Result<Option<Vec<&'static str>>> {
        if let Some(types) = self.declared_types()? {
            return Ok(Some(types));
        }
        let implied = |keywords: &[&str]| keywords.iter().any(|name| self.get(name).is_some());
        let types: Vec<&str> =
            KEYWORDS_OF_TYPES.into_iter().filter(|(_, keywords)| implied(keywords)).map(|(name, _)| name).collect();
        Ok(Some(types).filter(|types| !types.is_empty()))
    }

    /// The types of `type`. What is a number may be an integer as well, so that `integer` is left out next to `number`.
    pub fn declared_types(&self) -> Result<Option<Vec<&'static str>>> {
        let names = match self.get("type") {
            None => return Ok(None),
            Some(Json::Array(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
        };
        let mut types = Vec::new();
        for name in names {
            let known = TYPES.into_iter().find(|known| matches!(name, Json::String(name) if name == known));
            let Some(known) = known else {
                let mut found = String::new();
                name.write(&mut found);
                return Err(invalid(self.pointer, format!("expected a 'type' of {}, got {found}", TYPES.join(", "))));
            };
            if !types.contains(&known) {
                types.push(known);
            }
        }
        if types.is_empty() {
            return Err(invalid(self.pointer, "expected 'type' to name a type, got none".to_owned()));
        }
        if types.contains(&"number") {
            types.retain(|&name| name != "integer");
        }
        Ok(Some(types))
    }

    pub fn string(&self, name: &str) -> Result<Option<&'a str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::String(string)) => Ok(Some(string)),
            Some(other) => Err(self.wrong(name, "a string", other)),
        }
    }

    /// A keyword that is a count.
    pub fn count(&self, name: &str) -> Result<Option<u32>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Number(number))
                if number.as_f64().is_some_and(|number| number >= 0.0 && number.fract() == 0.0) =>
            {
                // A float that is too large becomes the largest integer.
                Ok(Some(number.as_f64().unwrap_or_default() as u32))
            }
            Some(other) => Err(self.wrong(name, "a whole number of at least 0", other)),
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<&'a serde_json::Number>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Number(number)) => Ok(Some(number)),
            Some(other) => Err(self.wrong(name, "a number", other)),
        }
    }

    pub fn members(&self, name: &str) -> Result<&'a [(String, Json)]> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Json::Object(members)) => Ok(members),
            Some(other) => Err(self.wrong(name, "an object", other)),
        }
    }

    /// A keyword that is an array of schemas.
    pub fn schemas(&self, name: &str) -> Result<Option<&'a [Json]>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Array(schemas)) if !schemas.is_empty() => Ok(Some(schemas)),
            Some(other) => Err(self.wrong(name, "an array with a schema", other)),
        }
    }

    pub fn required(&self) -> Result<Vec<&'a str>> {
        let names = match self.get("required") {
            None => &[][..],
            Some(Json::Array(names)) => names,
            Some(other) => return Err(self.wrong("required", "an array of strings", other)),
        };
        let name = |name: &'a Json| match name {
            Json::String(name) => Ok(name.as_str()),
            other => Err(self.wrong("required", "an array of strings", other)),
        };
        names.iter().map(name).collect()
    }

    fn wrong(&self, name: &str, expected: &str, found: &Json) -> crate::Error {
        let mut text = String::new();
        found.write(&mut text);
        let text: String = text.chars().take(40).collect();
        invalid(self.pointer, format!("expected '{name}' to be {expected}, got {text}"))
    }
}

/// What a fragment of a URI says. What is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
