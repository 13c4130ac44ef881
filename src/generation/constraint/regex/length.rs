//! A pattern whose texts have a bounded number of characters.

use std::rc::Rc;

use super::{Regex, language};
use crate::error::{Error, Result};
use crate::generation::constraint::grammar::{Expr, Grammar, UNBOUNDED};
use crate::generation::constraint::utf8::{self, Encoding, Ranges};

/// How many pairs of a position in the pattern and a number of characters there are at most.
const MAX_STATES: usize = 20_000;

/// The texts of `regex` with `min` to `max` characters.
///
/// What may follow after a character is a finite number of regular expressions, the partial derivatives. For each of them and
/// each number of characters that are written there is a node, made from the last character to the first.
///
/// # Errors
/// If that are too many nodes.
///
/// # Source
/// V. Antimirov, Partial derivatives of regular expressions and finite automaton constructions, 1996.
pub fn with_length(grammar: &mut Grammar, regex: &Regex, min: u32, max: u32, encoding: Encoding) -> Result<Expr> {
    let last = if max == UNBOUNDED { min } else { max };
    let too_many = || {
        Error::unsupported(format!(
            "expected a pattern and a length of which the product is at most {MAX_STATES}, got more"
        ))
    };
    // The regular expressions that can be left, and which character leads from which to which.
    let mut states = vec![Rc::new(regex.clone())];
    let mut steps: Vec<Vec<(Expr, usize)>> = Vec::new();
    while let Some(state) = states.get(steps.len()).cloned() {
        let mut from_here = Vec::new();
        for (class, next) in partial_derivatives(&state) {
            let known = states.iter().position(|state| *state == next);
            let number = known.unwrap_or(states.len());
            if known.is_none() {
                states.push(next);
            }
            from_here.push((utf8::character(grammar, &class, encoding), number));
        }
        steps.push(from_here);
        if states.len().saturating_mul(last as usize + 1) > MAX_STATES {
            return Err(too_many());
        }
    }
    let mut layer: Vec<Expr> = Vec::new();
    for state in &states {
        layer.push(match max {
            UNBOUNDED => language(grammar, state, encoding),
            _ if state.is_nullable() && min <= max => Expr::END,
            _ => Expr::NOTHING,
        });
    }
    for written in (0..last).rev() {
        let mut before = Vec::new();
        for (state, steps) in states.iter().zip(&steps) {
            let mut options: Vec<Expr> =
                steps.iter().map(|&(class, next)| grammar.sequence(class, layer[next])).collect();
            if state.is_nullable() && written >= min {
                options.push(Expr::END);
            }
            before.push(grammar.choice(&options));
        }
        layer = before;
    }
    Ok(layer[0])
}

/// The characters that a text may begin with, each with what may follow.
fn partial_derivatives(regex: &Regex) -> Vec<(Ranges, Rc<Regex>)> {
    match regex {
        Regex::Class(ranges) => vec![(ranges.clone(), Rc::new(Regex::empty()))],
        Regex::Alternation(options) => options.iter().flat_map(|option| partial_derivatives(option)).collect(),
        Regex::Sequence(parts) => {
            let mut found = Vec::new();
            for (at, part) in parts.iter().enumerate() {
                found.extend(followed_by(partial_derivatives(part), &parts[at + 1..]));
                if !part.is_nullable() {
                    break;
                }
            }
            found
        }
        Regex::Repeat(item, min, max) => {
            let max = if *max == UNBOUNDED { *max } else { max.saturating_sub(1) };
            let rest = Rc::new(Regex::Repeat(item.clone(), min.saturating_sub(1), max));
            followed_by(partial_derivatives(item), if max == 0 { &[] } else { std::slice::from_ref(&rest) })
        }
    }
}

fn followed_by(derivatives: Vec<(Ranges, Rc<Regex>)>, rest: &[Rc<Regex>]) -> Vec<(Ranges, Rc<Regex>)> {
    let joined = |(ranges, next): (Ranges, Rc<Regex>)| {
        let mut parts = match &*next {
            Regex::Sequence(parts) => parts.clone(),
            _ => vec![next],
        };
        parts.extend(rest.iter().cloned());
        (ranges, Rc::new(Regex::Sequence(parts)))
    };
    derivatives.into_iter().map(joined).collect()
}
