//! Where every plain text may follow, such as within a string: there nearly all tokens of a vocabulary are allowed.

use std::collections::HashMap;

use super::grammar::{Expr, Grammar, Node};
use super::trie::MAX_PLAIN;

/// How many states plain texts may lead to before the search is given up.
const MAX_STATES: usize = 64;

/// What is known of states.
#[derive(Default)]
pub struct Rooms(HashMap<Expr, Option<Vec<Expr>>>);

impl Rooms {
    /// The states after texts of 1 to [`MAX_PLAIN`] plain characters; none if one of the texts is not possible.
    pub fn after_plain(&mut self, grammar: &mut Grammar, state: Expr, character: Expr, plain: Expr) -> Option<&[Expr]> {
        let known = self.0.entry(state).or_insert_with(|| match grammar.head(state).1 {
            Node::Repeat(item, min, max) if item == character || item == plain => {
                (max >= MAX_PLAIN as u32).then(|| {
                    let after = |length| grammar.without_items(state, item, min, max, length);
                    let mut states: Vec<Expr> = (1..=MAX_PLAIN as u32).map(after).collect();
                    states.dedup();
                    states
                })
            }
            _ => search(grammar, state, plain),
        });
        known.as_deref()
    }

    /// Forgets all, since nodes have got other numbers.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn search(grammar: &mut Grammar, state: Expr, plain: Expr) -> Option<Vec<Expr>> {
    let mut found: Vec<Expr> = Vec::new();
    let mut frontier = vec![state];
    for _ in 0..MAX_PLAIN {
        let known = found.len();
        // Pairs of what may follow and what is left of a character.
        let mut left: Vec<(Expr, Expr)> = frontier.into_iter().map(|state| (state, plain)).collect();
        let mut seen: Vec<(Expr, Expr)> = Vec::new();
        while let Some((state, rest)) = left.pop() {
            for at in 0..grammar.representatives.len() {
                let byte = grammar.representatives[at];
                let rest = grammar.after(rest, byte);
                if rest == Expr::NOTHING {
                    continue;
                }
                let next = grammar.after(state, byte);
                if next == Expr::NOTHING {
                    return None;
                }
                if rest != Expr::END {
                    if !seen.contains(&(next, rest)) {
                        seen.push((next, rest));
                        left.push((next, rest));
                    }
                } else if !found.contains(&next) {
                    found.push(next);
                }
            }
        }
        if found.len() > MAX_STATES {
            return None;
        }
        frontier = found[known..].to_vec();
    }
    Some(found)
}
