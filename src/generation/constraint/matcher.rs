//! The state of one reply: which tokens it may go on with.

use std::sync::Arc;

use super::Constraint;
use super::budget::Costs;
use super::grammar::{Expr, Grammar, Node};
use super::path::Path;
use super::restrict::restrict;
use super::room::Rooms;
use super::trie::{MAX_PLAIN, TokenMask, TokenTrie, Tree};
use crate::error::{Error, Result};

/// How much memory derivatives take before they are forgotten, in bytes.
const MAX_DERIVATIVES: usize = 8 << 20;
/// How much memory they take before the search for allowed tokens is given up: the pattern was made for it.
const MAX_SEARCH: usize = 64 << 20;
/// How many sets of allowed tokens are kept.
const MAX_MASKS: usize = 32;
/// How many tokens must begin alike before it is found out whether all of them are allowed, as nodes of the tree.
const MIN_SUBTREE: usize = 128;
/// The longest text that is forced at once, in bytes.
const MAX_FORCED: usize = 4096;

/// A reply under a [`Constraint`], as far as it is written.
///
/// A budget is how many tokens the reply may still have. It counts down by one with each token; a caller that starts with
/// [`Constraint::minimum_budget`] or more, and only takes tokens that are allowed, ends with a complete reply. A token for the end
/// of the reply is not counted.
pub struct Matcher {
    grammar: Grammar,
    /// The memory of the grammar without derivatives.
    base: usize,
    trie: Arc<TokenTrie>,
    /// What may follow.
    state: Expr,
    /// A character of a JSON string.
    character: Expr,
    /// A character that is not special.
    plain: Expr,
    rooms: Rooms,
    /// Where the reply's end is, if it is JSON.
    path: Option<Path>,
    costs: Costs,
    /// Allowed tokens by state, each with the largest number of bytes that a reply needs after one of them.
    masks: Vec<(Expr, TokenMask, u32)>,
    /// The last tokens that a budget did not allow all of.
    mask: TokenMask,
    /// The budget at which tokens were not allowed because of it.
    short: Option<usize>,
    closed: Vec<String>,
}

impl Matcher {
    /// An empty reply of at most `budget` tokens.
    ///
    /// # Errors
    /// If the shortest reply needs more tokens than that, or the vocabulary lacks a byte that every reply needs.
    pub fn new(constraint: &Constraint, trie: &Arc<TokenTrie>, budget: usize) -> Result<Self> {
        let mut matcher = Self::unbounded(constraint, trie)?;
        let needed = matcher.costs.tokens(&matcher.grammar, trie, matcher.state);
        if needed > budget {
            return Err(Error::invalid_input(format!(
                "the shortest reply needs {needed} tokens, and the budget is {budget}"
            )));
        }
        Ok(matcher)
    }

    /// An empty reply.
    pub(super) fn unbounded(constraint: &Constraint, trie: &Arc<TokenTrie>) -> Result<Self> {
        let character = constraint.character.unwrap_or(Expr::NOTHING);
        let kept = [constraint.root, character, constraint.plain];
        let (grammar, [state, character, plain]) = if constraint.bytes().all(|byte| trie.bytes().contains(byte)) {
            (constraint.grammar.clone(), kept)
        } else {
            restrict(&constraint.grammar, kept, trie.bytes())
        };
        if state == Expr::NOTHING {
            return Err(Error::unsupported("every reply needs a byte that is no token of the vocabulary"));
        }
        Ok(Self {
            base: grammar.memory(),
            grammar,
            trie: trie.clone(),
            state,
            character,
            plain,
            rooms: Rooms::default(),
            path: constraint.character.map(|_| Path::default()),
            costs: Costs::default(),
            masks: Vec::new(),
            mask: TokenMask::default(),
            short: None,
            closed: Vec::new(),
        })
    }

    /// How many tokens the reply needs to end, from here.
    pub fn minimum_budget(&mut self) -> usize {
        self.costs.tokens(&self.grammar, &self.trie, self.state)
    }

    /// The tokens after which the reply can be completed within `budget` tokens, of which they are the first. The number of
    /// tokens that a completion needs is that of the shortest text, cut into the longest tokens.
    pub fn allowed(&mut self, budget: usize) -> &TokenMask {
        self.short = (budget <= 1).then_some(budget);
        let left = budget.saturating_sub(1);
        let known = self.masks.iter().position(|(state, _, needed)| *state == self.state && *needed as usize <= left);
        if let Some(known) = known.filter(|_| budget > 0) {
            return &self.masks[known].1;
        }
        if self.grammar.memory() > self.base + MAX_DERIVATIVES {
            self.forget();
        }
        let trie = self.trie.clone();
        let mut search = Search { matcher: self, left, mask: trie.empty_mask(), needed: 0, is_short: false };
        if budget > 0 {
            search.run(&trie);
        }
        let Search { mut mask, needed, is_short, .. } = search;
        trie.add_duplicates(&mut mask);
        if is_short || budget == 0 {
            self.short = Some(budget);
            self.mask = mask;
            return &self.mask;
        }
        if self.masks.len() >= MAX_MASKS {
            self.masks.clear();
        }
        self.masks.push((self.state, mask, needed));
        &self.masks[self.masks.len() - 1].1
    }

    /// The tokens that the reply must go on with, at most `budget`: those of the text that is the only one possible, as long as
    /// no longer token could be meant. The model need not be asked for them.
    pub fn forced(&mut self, budget: usize) -> Vec<u32> {
        let (mut text, mut state) = (Vec::new(), self.state);
        while let Some(byte) = self.only_byte(state).filter(|_| text.len() < MAX_FORCED) {
            text.push(byte);
            state = self.grammar.after(state, byte);
        }
        let trie = self.trie.clone();
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < text.len() && tokens.len() < budget {
            // The text ends within a token.
            let mut longer = trie.next_bytes(&text[at..]).into_iter();
            if longer.any(|byte| self.grammar.after(state, byte) != Expr::NOTHING) {
                break;
            }
            let Some((token, length)) = trie.longest_prefix(&text[at..]) else { break };
            tokens.push(token);
            at += length;
        }
        tokens
    }

    /// Appends a token to the reply.
    ///
    /// # Errors
    /// If it is empty or the constraint does not allow it. The reply is what it was.
    pub fn accept(&mut self, token: &[u8]) -> Result<()> {
        let mut state = self.state;
        for (at, &byte) in token.iter().enumerate() {
            state = self.grammar.after(state, byte);
            if state == Expr::NOTHING {
                return Err(Error::invalid_input(format!("byte {at} of the token is not allowed by the constraint")));
            }
        }
        if token.is_empty() {
            return Err(Error::invalid_input("expected a token of at least one byte, got an empty one"));
        }
        if let Some(budget) = self.short.take() {
            self.note_closed(token, budget);
        }
        if let Some(path) = &mut self.path {
            token.iter().for_each(|&byte| path.push(byte));
        }
        self.state = state;
        Ok(())
    }

    /// Whether the reply may end here.
    pub fn is_complete(&self) -> bool {
        self.grammar.is_nullable(self.state)
    }

    /// Whether nothing can follow.
    pub fn must_stop(&self) -> bool {
        self.state == Expr::END
    }

    /// The JSON pointers of the values that could have gone on, or been others, if the budget had been larger. The pointer of a
    /// reply that is not JSON is empty.
    pub fn closed_by_budget(&self) -> &[String] {
        &self.closed
    }

    /// Finds which values the budget cut off at the bytes of `token`: those that another byte would have gone on with.
    fn note_closed(&mut self, token: &[u8], budget: usize) {
        let mut state = self.state;
        let mut path = self.path.clone();
        for at in 0..=token.len() {
            let byte = token.get(at).copied();
            // A token that was taken up to here has one of the budget, and so has one that another byte is in.
            let left = budget.saturating_sub(1);
            if byte.is_none() && left > 0 {
                break;
            }
            // A character that is written in several bytes costs more than a plain one, which is not worth a note.
            let is_free = matches!(self.grammar.head(state).1, Node::Repeat(item, ..) if item == self.character);
            let others = if is_free { b' '..=b' ' } else { 0..=u8::MAX };
            for other in others.filter(|&other| byte != Some(other)) {
                let next = self.grammar.after(state, other);
                let is_cut = byte.is_none() || !self.costs.fits(&self.grammar, &self.trie, next, left);
                if next != Expr::NOTHING && is_cut {
                    let pointer = path.as_ref().map_or(String::new(), |path| path.pointer(other));
                    if !self.closed.contains(&pointer) {
                        self.closed.push(pointer);
                    }
                }
            }
            if let Some(byte) = byte {
                state = self.grammar.after(state, byte);
                path.iter_mut().for_each(|path| path.push(byte));
            }
        }
    }

    /// The only byte that can follow, where the reply cannot end.
    fn only_byte(&mut self, state: Expr) -> Option<u8> {
        if self.grammar.is_nullable(state) {
            return None;
        }
        let mut found = (0..=u8::MAX).filter(|&byte| self.grammar.after(state, byte) != Expr::NOTHING);
        let first = found.next()?;
        if found.next().is_none() { Some(first) } else { None }
    }

    /// Forgets what was found out about states, so that its memory can be used again.
    pub(super) fn forget(&mut self) {
        self.state = self.grammar.forget_derivatives(self.state);
        self.costs.clear();
        self.rooms.clear();
        self.masks.clear();
    }
}

/// The search for the tokens that are allowed.
struct Search<'a> {
    matcher: &'a mut Matcher,
    /// How many tokens are left after the next.
    left: usize,
    mask: TokenMask,
    /// The most bytes that a reply needs after a token that is allowed.
    needed: u32,
    /// Whether the budget does not allow all tokens that the constraint does.
    is_short: bool,
}

impl Search<'_> {
    fn run(&mut self, trie: &TokenTrie) {
        let state = self.matcher.state;
        self.walk(trie, &trie.other, state);
        match self.matcher.grammar.head(state).1 {
            // Within a string of any characters, tokens are known by how many characters they have.
            Node::Repeat(item, min, max) if item == self.matcher.character || item == self.matcher.plain => {
                for length in 1..=(MAX_PLAIN as u32).min(max) {
                    let next = self.matcher.grammar.without_items(state, item, min, max, length);
                    if self.fits(trie, next) {
                        self.mask.extend(&trie.by_length[length as usize - 1]);
                    }
                }
            }
            _ if self.is_open(trie, state) => trie.by_length.iter().for_each(|mask| self.mask.extend(mask)),
            _ => self.walk(trie, &trie.plain, state),
        }
        if self.is_too_large() {
            // What the search did not reach is not allowed, but for the way to the end.
            self.is_short = true;
            let mut text = Vec::new();
            self.matcher.grammar.shortest(state, &mut text);
            trie.longest_prefix(&text).into_iter().for_each(|(token, _)| self.mask.insert(token));
        }
    }

    fn walk(&mut self, trie: &TokenTrie, tree: &Tree, state: Expr) {
        let is_plain = std::ptr::eq(tree, &trie.plain);
        tree.walk(state, |state, node, below| {
            let next = self.matcher.grammar.after(state, node.byte());
            if next == Expr::NOTHING || self.is_too_large() {
                return None;
            }
            // Where every plain text may follow, the tokens need not be looked at one by one.
            let is_open = is_plain && below.len() >= MIN_SUBTREE && node.byte().is_ascii() && self.is_open(trie, next);
            if is_open && node.token().is_none_or(|_| self.fits(trie, next)) {
                below.iter().filter_map(|node| node.token()).for_each(|token| self.mask.insert(token));
                return None;
            }
            if let Some(token) = node.token().filter(|_| self.fits(trie, next)) {
                self.mask.insert(token);
            }
            Some(next)
        });
    }

    /// Whether every text of plain characters that is as long as a token may follow and fits.
    fn is_open(&mut self, trie: &TokenTrie, state: Expr) -> bool {
        let Matcher { grammar, costs, rooms, character, plain, .. } = &mut *self.matcher;
        let Some(states) = rooms.after_plain(grammar, state, *character, *plain) else { return false };
        let is_open = states.iter().all(|&next| costs.fits(grammar, trie, next, self.left));
        if is_open {
            let bytes = states.iter().map(|&next| grammar.shortest_bytes(next)).max();
            self.needed = self.needed.max(bytes.unwrap_or(0));
        }
        is_open
    }

    fn is_too_large(&self) -> bool {
        self.matcher.grammar.memory() > self.matcher.base + MAX_SEARCH
    }

    fn fits(&mut self, trie: &TokenTrie, next: Expr) -> bool {
        let matcher = &mut *self.matcher;
        let fits = matcher.costs.fits(&matcher.grammar, trie, next, self.left);
        if fits {
            self.needed = self.needed.max(matcher.grammar.shortest_bytes(next));
        } else {
            self.is_short = true;
        }
        fits
    }
}
