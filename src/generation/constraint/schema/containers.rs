//! Objects and arrays.

use super::super::bytes::ByteSet;
use super::super::grammar::{Expr, UNBOUNDED};
use super::super::json::{Json, quoted, step};
use super::super::utf8::{self, Encoding, complement};
use super::keywords::Keywords;
use super::{Compiler, unsupported};
use crate::error::Result;
use crate::sort::sort_by;

/// The longest name of an additional property, in characters.
const MAX_NAME: u32 = 64;
/// How many properties an object may declare.
const MAX_PROPERTIES: usize = 1000;

/// A declared property.
pub struct Property {
    name: String,
    value: Expr,
    is_required: bool,
}

impl Compiler<'_> {
    pub(super) fn object(&mut self, keywords: &Keywords, pointer: &str) -> Result<Expr> {
        let declared = keywords.members("properties")?;
        let required = keywords.required()?;
        let additional = keywords.get("additionalProperties");
        if declared.len() + required.len() > MAX_PROPERTIES {
            let message =
                format!("expected at most {MAX_PROPERTIES} properties, got {}", declared.len() + required.len());
            return Err(unsupported(pointer, message));
        }
        let mut properties = Vec::new();
        for (name, schema) in declared {
            let pointer = step(&step(pointer, "properties"), name);
            let is_required = required.contains(&name.as_str());
            if !is_required && matches!(self.flatten(schema, &pointer, 0)?, Json::Bool(false)) {
                continue;
            }
            let value = self.schema(schema, &pointer)?;
            if value == Expr::NOTHING {
                return Ok(value);
            }
            properties.push(Property { name: name.clone(), value, is_required });
        }
        let anything = Json::Bool(true);
        let additional_pointer = step(pointer, "additionalProperties");
        for name in required {
            if properties.iter().any(|known| known.name == name) {
                continue;
            }
            let schema = additional.unwrap_or(&anything);
            if matches!(self.flatten(schema, &additional_pointer, 0)?, Json::Bool(false)) {
                return Ok(self.unmet(pointer, format!("the property '{name}' is required and not allowed")));
            }
            let value = self.schema(schema, &additional_pointer)?;
            if value == Expr::NOTHING {
                return Ok(value);
            }
            properties.push(Property { name: name.to_owned(), value, is_required: true });
        }
        let additional = match additional {
            None if keywords.get("properties").is_none() => Some(self.any()),
            None => None,
            Some(schema) if matches!(self.flatten(schema, &additional_pointer, 0)?, Json::Bool(false)) => None,
            Some(schema) => match self.schema(schema, &additional_pointer)? {
                Expr::NOTHING => return Ok(Expr::NOTHING),
                value => Some(value),
            },
        };
        self.check_size(pointer)?;
        Ok(self.object_of(&properties, additional))
    }

    /// An object with `properties` in their order, and then others whose values are `additional`.
    pub(super) fn object_of(&mut self, properties: &[Property], additional: Option<Expr>) -> Expr {
        let open = self.grammar.bracket(b'{');
        let close = self.grammar.bracket(b'}');
        // What is left after some properties, with none before it and with one.
        let (mut first, mut next) = (close, close);
        if let Some(value) = additional {
            let comma = self.grammar.literal(b",");
            let name = self.other_name(properties);
            let member = self.grammar.sequence(name, value);
            let another = self.grammar.sequence(comma, member);
            let others = self.grammar.repeat(another, 0, UNBOUNDED);
            next = self.grammar.sequence(others, close);
            let some = self.grammar.sequence(member, next);
            first = self.grammar.choice(&[close, some]);
        }
        for property in properties.iter().rev() {
            let name = quoted(&property.name);
            let value = self.grammar.sequence(property.value, next);
            for (rest, comma) in [(&mut first, ""), (&mut next, ",")] {
                let name = self.grammar.literal(format!("{comma}{name}:"));
                let with = self.grammar.sequence(name, value);
                *rest = if property.is_required { with } else { self.grammar.choice(&[with, *rest]) };
            }
        }
        self.grammar.sequence(open, first)
    }

    pub(super) fn array(&mut self, keywords: &Keywords, pointer: &str) -> Result<Expr> {
        let min = keywords.count("minItems")?.unwrap_or(0);
        let max = keywords.count("maxItems")?.unwrap_or(UNBOUNDED);
        if min > max {
            return Ok(self.unmet(pointer, format!("'minItems' is {min} and 'maxItems' {max}")));
        }
        let mut prefix = Vec::new();
        for (number, schema) in keywords.schemas("prefixItems")?.unwrap_or_default().iter().enumerate() {
            let pointer = step(&step(pointer, "prefixItems"), number);
            if number >= max as usize {
                break;
            }
            let item = self.schema(schema, &pointer)?;
            if item == Expr::NOTHING {
                return Ok(item);
            }
            prefix.push(item);
        }
        let items_pointer = step(pointer, "items");
        let items = match keywords.get("items") {
            Some(Json::Array(_)) => {
                return Err(unsupported(
                    pointer,
                    "'items' as an array is not supported; write 'prefixItems'".to_owned(),
                ));
            }
            Some(schema) if matches!(schema, Json::Bool(_)) || max as usize > prefix.len() => {
                match self.flatten(schema, &items_pointer, 0)? {
                    Json::Bool(false) => None,
                    _ => match self.schema(schema, &items_pointer)? {
                        Expr::NOTHING => return Ok(Expr::NOTHING),
                        item => Some(item),
                    },
                }
            }
            Some(_) => None,
            // Items that nothing is said of are written where they are needed.
            None if prefix.is_empty() || min as usize > prefix.len() => Some(self.any()),
            None => None,
        };
        if items.is_none() && min as usize > prefix.len() {
            return Ok(self.unmet(pointer, format!("'minItems' is {min}, and there are only {} items", prefix.len())));
        }
        Ok(self.array_of(&prefix, items, min, max))
    }

    /// An array of `min` to `max` items: those of `prefix`, then `items`.
    pub(super) fn array_of(&mut self, prefix: &[Expr], items: Option<Expr>, min: u32, max: u32) -> Expr {
        let open = self.grammar.bracket(b'[');
        let close = self.grammar.bracket(b']');
        let comma = self.grammar.literal(b",");
        let before = prefix.len() as u32;
        let (least, most) =
            (min.saturating_sub(before), if max == UNBOUNDED { max } else { max.saturating_sub(before) });
        // What is left after some items, with none before it and with one.
        let (mut first, mut next) = (close, close);
        if let (Some(item), 1..) = (items, most) {
            let another = self.grammar.sequence(comma, item);
            let others = self.grammar.repeat(another, least, most);
            next = self.grammar.sequence(others, close);
            let others =
                self.grammar.repeat(another, least.saturating_sub(1), if most == UNBOUNDED { most } else { most - 1 });
            let some = self.grammar.sequence(others, close);
            let some = self.grammar.sequence(item, some);
            first = if least == 0 { self.grammar.choice(&[close, some]) } else { some };
        }
        for (number, &item) in prefix.iter().enumerate().rev() {
            let rest = self.grammar.sequence(item, next);
            let with_comma = self.grammar.sequence(comma, rest);
            let is_needed = (number as u32) < min;
            first = if is_needed { rest } else { self.grammar.choice(&[rest, close]) };
            next = if is_needed { with_comma } else { self.grammar.choice(&[with_comma, close]) };
        }
        self.grammar.sequence(open, first)
    }

    /// The name of a property that is not declared, with quotes and a colon. It has no escapes, so that it differs from the
    /// declared ones if its characters do.
    fn other_name(&mut self, properties: &[Property]) -> Expr {
        let declared = properties.iter().map(|property| property.name.as_str());
        let declared = declared.filter(|name| name.chars().all(utf8::is_plain));
        let mut names: Vec<Vec<char>> = declared.map(|name| name.chars().collect()).collect();
        // The empty name is not written either.
        names.push(Vec::new());
        let names: Vec<&[char]> = names.iter().map(Vec::as_slice).collect();
        let quote = self.grammar.literal(b"\"");
        let name = self.other_than(&names, MAX_NAME);
        let colon = self.grammar.literal(b"\":");
        self.grammar.sequence_of(&[quote, name, colon])
    }

    /// At most `left` characters that are not one of `names`.
    fn other_than(&mut self, names: &[&[char]], left: u32) -> Expr {
        let plain = self.plain;
        if names.is_empty() || left == 0 {
            let is_name = names.iter().any(|name| name.is_empty());
            return if is_name { Expr::NOTHING } else { self.grammar.repeat(plain, 0, left) };
        }
        if names.iter().all(|name| name.is_empty()) {
            return self.grammar.repeat(plain, 1, left);
        }
        let mut taken: Vec<char> = names.iter().filter_map(|name| name.first().copied()).collect();
        sort_by(&mut taken, Ord::cmp);
        taken.dedup();
        let mut options = Vec::new();
        if names.iter().all(|name| !name.is_empty()) {
            options.push(Expr::END);
        }
        for &character in &taken {
            let rest: Vec<&[char]> =
                names.iter().filter(|name| name.first() == Some(&character)).map(|name| &name[1..]).collect();
            let first = self.grammar.literal(character.to_string());
            let rest = self.other_than(&rest, left - 1);
            options.push(self.grammar.sequence(first, rest));
        }
        let mut others: utf8::Ranges =
            taken.iter().map(|&character| (u32::from(character), u32::from(character))).collect();
        others.extend(complement(utf8::plain()));
        let other = utf8::character(&mut self.grammar, &complement(others), Encoding::Plain);
        let rest = self.grammar.repeat(plain, 0, left - 1);
        options.push(self.grammar.sequence(other, rest));
        self.grammar.choice(&options)
    }

    /// Any string.
    pub(super) fn any_string(&mut self) -> Expr {
        let quote = self.grammar.bytes(ByteSet::default().with(b'"'));
        let characters = self.grammar.repeat(self.character, 0, UNBOUNDED);
        self.grammar.sequence_of(&[quote, characters, quote])
    }
}
