//! JSON whose objects keep the order in which they were written, which is the order in which a reply has them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::sort::order_by;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The member of an object with this name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.iter().find(|member| member.0 == name).map(|member| &member.1),
            _ => None,
        }
    }

    /// The value that a JSON pointer leads to (RFC 6901).
    pub fn pointer(&self, pointer: &str) -> Option<&Json> {
        let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        steps.into_iter().try_fold(self, |value, step| match value {
            Self::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => value.get(&step),
        })
    }

    /// What kind of value it is, by the name that a schema's `type` has for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => "integer",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Whether two values are the same to a schema: numbers by their value, objects in any order.
    pub fn is_same(&self, other: &Json) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a == b || a.as_f64() == b.as_f64(),
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b)),
            (Self::Object(a), Self::Object(b)) => {
                let has_same =
                    |(name, value): &(String, Json)| other.get(name).is_some_and(|other| value.is_same(other));
                a.len() == b.len() && a.iter().all(has_same)
            }
            _ => self == other,
        }
    }

    /// Appends it as JSON without spaces.
    pub fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => text.push_str(&number.to_string()),
            Self::String(string) => text.push_str(&quoted(string)),
            Self::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    text.push(if at == 0 { '[' } else { ',' });
                    item.write(text);
                }
                text.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Self::Object(members) => {
                for (at, (name, value)) in members.iter().enumerate() {
                    text.push(if at == 0 { '{' } else { ',' });
                    text.push_str(&quoted(name));
                    text.push(':');
                    value.write(text);
                }
                text.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }
}

/// `string` as JSON.
pub fn quoted(string: &str) -> String {
    serde_json::Value::from(string).to_string()
}

/// A JSON pointer with one more step (RFC 6901).
pub fn step(pointer: &str, step: impl fmt::Display) -> String {
    format!("{pointer}/{}", step.to_string().replace('~', "~0").replace('/', "~1"))
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        let order = order_by(object.len(), &|a, b| object[a].0.cmp(&object[b].0));
        if let Some(twice) = order.windows(2).find(|pair| object[pair[0]].0 == object[pair[1]].0) {
            return Err(A::Error::custom(format!("the name '{}' twice in an object", object[twice[0]].0)));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_a_value_its_text() {
        let text = r#"{"b":[1,-2.5,1e300,"\u0001\"é"],"a":{},"c":[[],null,true,false]}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        let mut written = String::new();
        json.write(&mut written);
        assert_eq!(written, text.replace("1e300", "1e+300"));
        assert!(serde_json::from_str::<Json>(r#"{"a":1,"a":2}"#).is_err());
    }

    #[test]
    fn a_pointer_leads_through_objects_and_arrays() {
        let json: Json = serde_json::from_str(r#"{"a/b":[{"m~n":7}]}"#).unwrap();
        assert_eq!(json.pointer("/a~1b/0/m~0n"), Some(&Json::Number(7.into())));
        assert_eq!(step(&step("", "a/b"), "m~n"), "/a~1b/m~0n");
        assert_eq!((json.pointer(""), json.pointer("/a~1b/1")), (Some(&json), None));
    }

    #[test]
    fn numbers_are_the_same_by_value() {
        let same = |a: &str, b: &str| {
            let [a, b]: [Json; 2] = [a, b].map(|text| serde_json::from_str(text).unwrap());
            a.is_same(&b)
        };
        assert!(same("[1,{\"a\":1,\"b\":2}]", "[1.0,{\"b\":2,\"a\":1.0}]"));
        assert!(!same("1", "2") && !same("\"1\"", "1") && !same("[1]", "[1,1]") && !same("{}", "{\"a\":1}"));
    }
}
