//! Strings, numbers and enumerations.

use serde_json::Number;

use super::super::grammar::{Expr, UNBOUNDED};
use super::super::json::Json;
use super::super::number::{self, Bounded, MAX_DIGITS};
use super::super::regex::{self, Regex};
use super::super::utf8::Encoding;
use super::super::{choice, format};
use super::keywords::Keywords;
use super::{Compiler, at, unsupported};
use crate::error::Result;

/// The largest part of `multipleOf` that is left after its powers of ten.
const MAX_MULTIPLE: u32 = 100;
/// Bounds beyond this power of ten are as good as none.
const MAX_BOUND: u32 = 18;

impl Compiler<'_> {
    pub(super) fn string(&mut self, keywords: &Keywords, pointer: &str) -> Result<Expr> {
        let min = keywords.count("minLength")?.unwrap_or(0);
        let max = keywords.count("maxLength")?.unwrap_or(UNBOUNDED);
        if min > max {
            return Ok(self.unmet(pointer, format!("'minLength' is {min} and 'maxLength' {max}")));
        }
        let quote = self.grammar.literal(b"\"");
        let Some(regex) = string_pattern(keywords, pointer)? else {
            let characters = self.grammar.repeat(self.character, min, max);
            return Ok(self.grammar.sequence_of(&[quote, characters, quote]));
        };
        let characters = if min == 0 && max == UNBOUNDED {
            regex::language(&mut self.grammar, &regex, Encoding::Json)
        } else {
            regex::with_length(&mut self.grammar, &regex, min, max, Encoding::Json)
                .map_err(|error| at(pointer, error))?
        };
        if characters == Expr::NOTHING {
            return Ok(self.unmet(pointer, "no text of its length matches its pattern or format".to_owned()));
        }
        Ok(self.grammar.sequence_of(&[quote, characters, quote]))
    }

    pub(super) fn number(&mut self, keywords: &Keywords, is_integer: bool, pointer: &str) -> Result<Expr> {
        let names = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"];
        let mut bounds = [None; 4];
        for (bound, name) in bounds.iter_mut().zip(names) {
            *bound = keywords.number(name)?.map(Decimal::new);
        }
        let multiple_of = match keywords.number("multipleOf")? {
            None => 1,
            Some(number) => {
                let step =
                    number.as_f64().filter(|step| (1.0..1e9).contains(step) && step.fract() == 0.0).unwrap_or(0.0)
                        as u32;
                let mut rest = step;
                while rest > 0 && rest.is_multiple_of(10) {
                    rest /= 10;
                }
                if step == 0 || rest > MAX_MULTIPLE {
                    let expected = format!("a whole number from 1 to {MAX_MULTIPLE}, or one times a power of ten");
                    return Err(unsupported(pointer, format!("expected 'multipleOf' to be {expected}, got {number}")));
                }
                step
            }
        };
        let is_integer = is_integer || keywords.get("multipleOf").is_some();
        if bounds.iter().all(Option::is_none) && multiple_of == 1 {
            return Ok(if is_integer {
                number::any_integer(&mut self.grammar)
            } else {
                number::any(&mut self.grammar)
            });
        }
        // Numbers of at most 15 digits that differ are different floats. So many decimals that this holds next to a bound.
        let whole = bounds.iter().flatten().map(|bound| bound.whole_digits()).max().unwrap_or(0);
        let decimals = if is_integer { 0 } else { (MAX_DIGITS - 1).saturating_sub(whole) };
        let [min, above, max, below] = bounds.map(|bound| bound.map(|bound| bound.in_units(decimals)));
        let least = [min.map(|(floor, is_exact)| floor + i128::from(!is_exact)), above.map(|(floor, _)| floor + 1)];
        let most = [max.map(|(floor, _)| floor), below.map(|(floor, is_exact)| floor - i128::from(is_exact))];
        let limit = 10i128.pow(MAX_DIGITS + decimals);
        let min = least.into_iter().flatten().max();
        let max = most.into_iter().flatten().min();
        let (min, max) = match (min, max) {
            (Some(min), Some(max)) => (min, max),
            (Some(min), None) => (min, (limit - 1).max(min.saturating_add(limit))),
            (None, Some(max)) => ((1 - limit).min(max.saturating_sub(limit)), max),
            (None, None) => (1 - limit, limit - 1),
        };
        let largest = 10i128.pow(MAX_BOUND + decimals);
        if min > largest || max < -largest {
            return Err(unsupported(pointer, format!("numbers of more than {MAX_BOUND} digits are not supported")));
        }
        let (min, max) = (min.max(-largest), max.min(largest));
        let found = number::bounded(&mut self.grammar, Bounded { min, max, decimals, multiple_of });
        if found == Expr::NOTHING {
            return Ok(self.unmet(pointer, "no number is within its bounds".to_owned()));
        }
        Ok(found)
    }

    /// One of `values`, those of the types that are declared.
    pub(super) fn enumeration(&mut self, keywords: &Keywords, values: &[&Json], pointer: &str) -> Result<Expr> {
        if let Some(name) = keywords.other_than(&["enum", "const", "type"]) {
            return Err(unsupported(pointer, format!("'{name}' together with 'enum' or 'const' is not supported")));
        }
        let types = keywords.declared_types()?;
        let has_type = |value: &&&Json| {
            let kind = value.kind();
            types.as_ref().is_none_or(|types| types.contains(&kind) || kind == "integer" && types.contains(&"number"))
        };
        let text = |value: &&Json| {
            let mut text = String::new();
            value.write(&mut text);
            text.into_bytes()
        };
        let texts: Vec<Vec<u8>> = values.iter().filter(has_type).map(text).collect();
        if texts.is_empty() {
            return Ok(self.unmet(pointer, "no value of 'enum' or 'const' is allowed by the other keywords".to_owned()));
        }
        Ok(choice::literals(&mut self.grammar, texts))
    }
}

/// The regular expression of `pattern` or `format`.
fn string_pattern(keywords: &Keywords, pointer: &str) -> Result<Option<Regex>> {
    let (pattern, format) = (keywords.string("pattern")?, keywords.string("format")?);
    match (pattern, format) {
        (None, None) => Ok(None),
        (Some(pattern), None) => regex::parse_search(pattern).map(Some).map_err(|error| at(pointer, error)),
        (None, Some(name)) => {
            let Some(pattern) = format::pattern(name) else {
                return Err(unsupported(pointer, format!("the format '{name}' is not supported")));
            };
            regex::parse(&pattern).map(Some).map_err(|error| at(pointer, error))
        }
        (Some(_), Some(_)) => Err(unsupported(pointer, "'pattern' together with 'format' is not supported".to_owned())),
    }
}

/// A bound: `digits` times a power of ten.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    exponent: i32,
}

impl Decimal {
    fn new(number: &Number) -> Self {
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // A number of JSON has at most 20 digits in this form.
        let digits = format!("{whole}{fraction}").parse().unwrap_or_default();
        Self { digits, exponent: exponent.parse::<i32>().unwrap_or_default() - fraction.len() as i32 }
    }

    /// How many digits are before the point.
    fn whole_digits(self) -> u32 {
        let (floor, _) = self.in_units(0);
        floor.unsigned_abs().checked_ilog10().map_or(0, |digits| digits + 1)
    }

    /// The largest whole number of units that is not above it, and whether it is equal. It is cut to a range that is beyond all
    /// numbers that are written.
    fn in_units(self, decimals: u32) -> (i128, bool) {
        let limit = 10i128.pow(36);
        let exponent = self.exponent + decimals as i32;
        let power = 10i128.checked_pow(exponent.unsigned_abs());
        match power {
            Some(power) if exponent >= 0 => (self.digits.saturating_mul(power).clamp(-limit, limit), true),
            None if exponent >= 0 => (self.digits.signum() * limit, self.digits == 0),
            Some(power) => (self.digits.div_euclid(power), self.digits.rem_euclid(power) == 0),
            None => (if self.digits < 0 { -1 } else { 0 }, self.digits == 0),
        }
    }
}
