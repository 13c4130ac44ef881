//! One schema that says what several together say: for `allOf`, and for keywords next to `$ref`, `anyOf` and `oneOf`.

use super::super::json::{Json, step};
use super::keywords::Keywords;
use super::{Compiler, MAX_DEPTH, unsupported};
use crate::error::Result;

impl Compiler<'_> {
    /// The same schema without `$ref`, `allOf` and annotations.
    pub(super) fn flatten(&self, schema: &Json, pointer: &str, depth: usize) -> Result<Json> {
        if let Json::Bool(_) = schema {
            return Ok(schema.clone());
        }
        if depth > MAX_DEPTH {
            let message = format!("$ref and allOf lead through more than {MAX_DEPTH} schemas");
            return Err(unsupported(pointer, message));
        }
        let keywords = Keywords::new(schema, pointer)?;
        let Json::Object(mut own) = keywords.without("allOf") else { return Ok(schema.clone()) };
        own.retain(|member| member.0 != "$ref");
        let mut parts = Vec::new();
        if let Some(target) = keywords.reference()? {
            parts.push(self.flatten(self.target(&target)?, &target, depth + 1)?);
        }
        for (number, part) in keywords.schemas("allOf")?.unwrap_or_default().iter().enumerate() {
            parts.push(self.flatten(part, &step(&step(pointer, "allOf"), number), depth + 1)?);
        }
        let mut merged = Json::Object(own);
        for part in parts {
            match merge(&merged, &part, pointer)? {
                Some(both) => merged = both,
                None => return Ok(Json::Bool(false)),
            }
        }
        Ok(merged)
    }
}

/// The schema under which what is valid under both is valid; none if nothing is. Both are without `$ref` and `allOf`, and so is
/// the outermost level of what is returned.
pub fn merge(a: &Json, b: &Json, pointer: &str) -> Result<Option<Json>> {
    let (Json::Object(left), Json::Object(right)) = (a, b) else {
        return Ok(match (a, b) {
            (Json::Bool(false), _) | (_, Json::Bool(false)) => None,
            (Json::Bool(true), other) | (other, _) => Some(other.clone()),
        });
    };
    let (a, b) = (Keywords::new(a, pointer)?, Keywords::new(b, pointer)?);
    let mut merged = left.clone();
    for (name, value) in right {
        let Some(member) = merged.iter_mut().find(|member| member.0 == *name) else {
            merged.push((name.clone(), value.clone()));
            continue;
        };
        if member.1.is_same(value) {
            continue;
        }
        let both = match name.as_str() {
            "properties" | "additionalProperties" => continue,
            "type" => {
                let (left, right) = (a.declared_types()?.unwrap_or_default(), b.declared_types()?.unwrap_or_default());
                let includes = |types: &[&str], name: &str| {
                    types.contains(&name) || name == "integer" && types.contains(&"number")
                };
                let common = left
                    .iter()
                    .filter(|name| includes(&right, name))
                    .chain(right.iter().filter(|name| includes(&left, name)));
                let mut common: Vec<Json> = common.map(|name| Json::String((*name).to_owned())).collect();
                common.dedup();
                if common.is_empty() {
                    return Ok(None);
                }
                Json::Array(common)
            }
            "required" => {
                let names = a.required()?.into_iter().chain(b.required()?);
                Json::Array(names.map(|name| Json::String(name.to_owned())).collect())
            }
            "minimum" | "exclusiveMinimum" | "minLength" | "minItems" => of_two(&member.1, value, |old, new| new > old),
            "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" => of_two(&member.1, value, |old, new| new < old),
            "enum" => {
                let (Json::Array(left), Json::Array(right)) = (&member.1, value) else { continue };
                let common = left.iter().filter(|value| right.iter().any(|other| other.is_same(value)));
                let common: Vec<Json> = common.cloned().collect();
                if common.is_empty() {
                    return Ok(None);
                }
                Json::Array(common)
            }
            "const" => return Ok(None),
            "items" => all_of(vec![member.1.clone(), value.clone()]),
            _ => return Err(unsupported(pointer, format!("two different '{name}' in one schema are not supported"))),
        };
        member.1 = both;
    }
    let has_prefix = |keywords: &Keywords| keywords.get("prefixItems").is_some();
    let has_items = |keywords: &Keywords| has_prefix(keywords) || keywords.get("items").is_some();
    if has_prefix(&a) && has_items(&b) || has_prefix(&b) && has_items(&a) {
        return Err(unsupported(pointer, "'prefixItems' with other 'items' in one schema is not supported".to_owned()));
    }
    merge_properties(&a, &b, &mut merged)?;
    Ok(Some(Json::Object(merged)))
}

/// What one schema says of a property, the other says by the same name or by `additionalProperties`.
fn merge_properties(a: &Keywords, b: &Keywords, merged: &mut Vec<(String, Json)>) -> Result<()> {
    let (left, right) = (a.members("properties")?, b.members("properties")?);
    let additional = [a, b].map(|keywords| keywords.get("additionalProperties"));
    let says = |members: &[(String, Json)], name: &str, otherwise: Option<&Json>| {
        members.iter().find(|member| member.0 == name).map(|member| member.1.clone()).or(otherwise.cloned())
    };
    let mut properties: Vec<(String, Json)> = Vec::new();
    for (name, _) in left.iter().chain(right) {
        if properties.iter().all(|known| known.0 != *name) {
            let both = [says(left, name, additional[0]), says(right, name, additional[1])];
            properties.push((name.clone(), all_of(both.into_iter().flatten().collect())));
        }
    }
    let additional: Vec<Json> = additional.into_iter().flatten().cloned().collect();
    merged.retain(|member| member.0 != "properties" && member.0 != "additionalProperties");
    if !properties.is_empty() {
        merged.push(("properties".to_owned(), Json::Object(properties)));
    }
    if !additional.is_empty() {
        merged.push(("additionalProperties".to_owned(), all_of(additional)));
    }
    Ok(())
}

fn all_of(mut schemas: Vec<Json>) -> Json {
    schemas.dedup();
    match schemas.len() {
        1 => schemas.remove(0),
        _ => Json::Object(vec![("allOf".to_owned(), Json::Array(schemas))]),
    }
}

/// The second number if it is `better`, otherwise the first. What is not a number is found to be wrong later.
fn of_two(old: &Json, new: &Json, better: impl Fn(f64, f64) -> bool) -> Json {
    let number = |json: &Json| if let Json::Number(number) = json { number.as_f64() } else { None };
    match (number(old), number(new)) {
        (Some(first), Some(second)) if better(first, second) => new.clone(),
        (Some(_), None) => new.clone(),
        _ => old.clone(),
    }
}
