//! How many tokens a reply needs to end.

use super::grammar::{Expr, Grammar};
use super::shortest::LONGEST;
use super::trie::TokenTrie;

/// How deep a reply is nested at most. Many readers of JSON refuse more than 128 levels.
pub const MAX_NESTING: i32 = 64;

/// The number of tokens of the shortest text of each language, as far as it is known.
///
/// The text is cut into the longest tokens from its beginning. After the first of them, what is left is the shortest text that
/// may follow, cut in the same way, so that it needs one token less: who keeps to a budget once can do so to the end.
#[derive(Clone, Default)]
pub struct Costs {
    /// For each node, 0 if it is not known.
    tokens: Vec<u32>,
    text: Vec<u8>,
}

impl Costs {
    /// Whether a reply of which `expr` is left can end within `budget` tokens.
    pub fn fits(&mut self, grammar: &Grammar, trie: &TokenTrie, expr: Expr, budget: usize) -> bool {
        // There is a token for each byte.
        let bytes = grammar.shortest_bytes(expr) as usize;
        grammar.nesting(expr) <= MAX_NESTING
            && (bytes <= budget
                || bytes <= budget.saturating_mul(trie.longest_token()) && self.tokens(grammar, trie, expr) <= budget)
    }

    /// How many tokens `expr` needs.
    pub fn tokens(&mut self, grammar: &Grammar, trie: &TokenTrie, expr: Expr) -> usize {
        if grammar.shortest_bytes(expr) > LONGEST {
            return usize::MAX;
        }
        if self.tokens.len() <= expr.index() {
            self.tokens.resize(expr.index() + 64, 0);
        }
        if self.tokens[expr.index()] == 0 {
            self.text.clear();
            grammar.shortest(expr, &mut self.text);
            self.tokens[expr.index()] = cut(trie, &self.text) as u32;
        }
        self.tokens[expr.index()] as usize
    }

    /// Forgets all, since nodes have got other numbers.
    pub fn clear(&mut self) {
        self.tokens.clear();
    }
}

/// How many tokens `text` is cut into.
fn cut(trie: &TokenTrie, text: &[u8]) -> usize {
    let (mut at, mut tokens) = (0, 0);
    while at < text.len() {
        at += trie.longest_prefix(&text[at..]).map_or(1, |(_, length)| length);
        tokens += 1;
    }
    tokens
}
