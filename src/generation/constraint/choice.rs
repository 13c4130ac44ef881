//! One of several texts.

use super::grammar::{Expr, Grammar};
use crate::sort::sort_by;

/// How deep texts that begin alike are nested. Beyond that they are options without an order.
const MAX_DEPTH: usize = 64;

/// One of `texts`, in which what several begin with is written once.
pub fn literals(grammar: &mut Grammar, mut texts: Vec<Vec<u8>>) -> Expr {
    sort_by(&mut texts, Ord::cmp);
    texts.dedup();
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    sorted(grammar, &texts, MAX_DEPTH)
}

fn sorted(grammar: &mut Grammar, texts: &[&[u8]], depth: usize) -> Expr {
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else { return Expr::NOTHING };
    if depth == 0 {
        let options: Vec<Expr> = texts.iter().map(|text| grammar.literal(text)).collect();
        return grammar.choice(&options);
    }
    let common = first.iter().zip(*last).take_while(|(a, b)| a == b).count();
    let prefix = grammar.literal(&first[..common]);
    let rests: Vec<&[u8]> = texts.iter().map(|text| &text[common..]).collect();
    let mut options = Vec::new();
    for group in rests.chunk_by(|a, b| a.first() == b.first()) {
        options.push(match group {
            [only] => grammar.literal(only),
            _ => sorted(grammar, group, depth - 1),
        });
    }
    let rest = grammar.choice(&options);
    grammar.sequence(prefix, rest)
}
