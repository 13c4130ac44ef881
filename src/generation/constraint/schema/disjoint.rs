//! Whether the schemas of `oneOf` exclude each other, so that a value of one is valid under no other.

use super::super::json::{Json, step};
use super::keywords::Keywords;
use super::{Compiler, unsupported};
use crate::error::Result;

/// How many levels of properties are looked at.
const MAX_LEVELS: usize = 4;

impl Compiler<'_> {
    /// # Errors
    /// If two branches are not provably disjoint.
    pub(super) fn check_disjoint(&self, branches: &[Json], pointer: &str) -> Result<()> {
        let flat = |(number, branch)| self.flatten(branch, &step(&step(pointer, "oneOf"), number), 0);
        let branches = branches.iter().enumerate().map(flat).collect::<Result<Vec<Json>>>()?;
        for (number, a) in branches.iter().enumerate() {
            for (other, b) in branches.iter().enumerate().skip(number + 1) {
                if !self.are_disjoint(a, b, pointer, MAX_LEVELS)? {
                    return Err(unsupported(
                        pointer,
                        format!(
                            "expected branches of 'oneOf' that differ in type or in the constant of a required property, \
                             got {number} and {other}, which do not; 'anyOf' needs no such difference"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether no value is valid under two schemas, as far as can be seen.
    fn are_disjoint(&self, a: &Json, b: &Json, pointer: &str, levels: usize) -> Result<bool> {
        let (a, b) = (self.flatten(a, pointer, 0)?, self.flatten(b, pointer, 0)?);
        if matches!(a, Json::Bool(false)) || matches!(b, Json::Bool(false)) {
            return Ok(true);
        }
        let (Json::Object(_), Json::Object(_)) = (&a, &b) else { return Ok(false) };
        let (a, b) = (Keywords::new(&a, pointer)?, Keywords::new(&b, pointer)?);
        let types = (types(&a)?, types(&b)?);
        let (Some(a_types), Some(b_types)) = types else { return Ok(false) };
        let covers =
            |types: &[&str], name: &str| types.contains(&name) || name == "integer" && types.contains(&"number");
        if !a_types.iter().any(|name| covers(&b_types, name)) && !b_types.iter().any(|name| covers(&a_types, name)) {
            return Ok(true);
        }
        if let (Some(left), Some(right)) = (a.values()?, b.values()?) {
            return Ok(!left.iter().any(|value| right.iter().any(|other| other.is_same(value))));
        }
        // Values that are valid under both could only be objects, and there is a property that no object can have for both.
        if levels == 0 || a_types != ["object"] || b_types != ["object"] {
            return Ok(false);
        }
        for (one, other) in [(&a, &b), (&b, &a)] {
            for name in one.required()? {
                let says = |keywords: &Keywords| -> Result<Json> {
                    let declared =
                        keywords.members("properties")?.iter().find(|member| member.0 == name).map(|member| &member.1);
                    Ok(declared.or(keywords.get("additionalProperties")).cloned().unwrap_or(Json::Bool(true)))
                };
                if self.are_disjoint(&says(one)?, &says(other)?, pointer, levels - 1)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The types that a value may have: those that are declared, or those of the values that are.
fn types(keywords: &Keywords) -> Result<Option<Vec<&'static str>>> {
    if let Some(declared) = keywords.declared_types()? {
        return Ok(Some(declared));
    }
    Ok(keywords.values()?.map(|values| values.into_iter().map(Json::kind).collect()))
}
