//! Regular expressions over bytes with named rules, as shared nodes.
//!
//! A language is a node; equal nodes are stored once, so that a node's number stands for its language. What may follow after a
//! byte is a node again, the derivative ([`Grammar::after`]), so that the state of a reply is one number, and the nodes that were
//! met are a deterministic automaton that is built as far as it is needed. What is left of the objects and arrays around a
//! value is the second part of a sequence; no other stack is needed.
//!
//! # Source
//! J. A. Brzozowski, Derivatives of regular expressions, 1964; S. Owens et al., Regular-expression derivatives re-examined, 2009.

use hashbrown::HashTable;

use super::bytes::ByteSet;
use super::derivative::NO_ROW;
use super::shortest::Measure;

/// A language: the number of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expr(pub(super) u32);

impl Expr {
    /// No text at all.
    pub const NOTHING: Self = Self(0);
    /// The empty text alone.
    pub const END: Self = Self(1);

    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// `max` of a repetition without a bound.
pub const UNBOUNDED: u32 = u32::MAX;

/// What a node is. Ranges are of `lists` and `text`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Nothing,
    End,
    /// One byte of the set with this number.
    Bytes(u32),
    /// A bracket that opens or closes an object or an array. It is apart from other bytes, since nesting is bounded.
    Bracket(u8),
    Literal(u32, u32),
    Sequence(Expr, Expr),
    Choice(u32, u32),
    Repeat(Expr, u32, u32),
    /// The body of the rule with this number.
    Rule(u32),
}

/// Nodes, what they refer to, and the derivatives that are known.
#[derive(Clone)]
pub struct Grammar {
    pub(super) nodes: Vec<Node>,
    /// For each node, what its shortest text is like.
    pub(super) measures: Vec<Measure>,
    /// For each node, the node that its texts begin with.
    pub(super) heads: Vec<Expr>,
    pub(super) sets: Vec<ByteSet>,
    pub(super) lists: Vec<Expr>,
    pub(super) text: Vec<u8>,
    pub(super) bodies: Vec<Expr>,
    /// Languages that all options of a choice are part of where they are an option themselves: any text, of a pattern's
    /// characters.
    everything: Vec<Expr>,
    pub(super) table: HashTable<u32>,
    /// For each byte the number of its class: the bytes of a class are in the same sets and literals.
    pub(super) classes: Box<[u8; 256]>,
    /// A byte of each class.
    pub(super) representatives: Vec<u8>,
    /// For each node where its row of derivatives begins, one for each class; [`NO_ROW`] without one.
    pub(super) row_of: Vec<u32>,
    pub(super) rows: Vec<Expr>,
    /// How many nodes and list entries there were before the first derivative.
    pub(super) base: (usize, usize),
}

impl Grammar {
    pub fn new() -> Self {
        let mut grammar = Self {
            nodes: Vec::new(),
            measures: Vec::new(),
            heads: Vec::new(),
            sets: Vec::new(),
            lists: Vec::new(),
            text: Vec::new(),
            bodies: Vec::new(),
            everything: Vec::new(),
            table: HashTable::new(),
            classes: Box::new([0; 256]),
            representatives: Vec::new(),
            row_of: Vec::new(),
            rows: Vec::new(),
            base: (0, 0),
        };
        grammar.node(Node::Nothing);
        grammar.node(Node::End);
        grammar
    }

    /// One byte of `set`.
    pub fn bytes(&mut self, set: ByteSet) -> Expr {
        if set == ByteSet::default() {
            return Expr::NOTHING;
        }
        let number = self.sets.iter().position(|known| *known == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        self.node(Node::Bytes(number as u32))
    }

    /// One byte from `low` to `high`, both included.
    pub fn byte_range(&mut self, low: u8, high: u8) -> Expr {
        self.bytes(ByteSet::range(low, high))
    }

    pub fn literal(&mut self, bytes: impl AsRef<[u8]>) -> Expr {
        let start = self.text.len() as u32;
        self.text.extend(bytes.as_ref());
        self.literal_at(start, self.text.len() as u32)
    }

    pub fn bracket(&mut self, byte: u8) -> Expr {
        self.node(Node::Bracket(byte))
    }

    pub fn sequence(&mut self, first: Expr, second: Expr) -> Expr {
        match (first, second) {
            (Expr::NOTHING, _) | (_, Expr::NOTHING) => Expr::NOTHING,
            (Expr::END, other) | (other, Expr::END) => other,
            _ => self.node(Node::Sequence(first, second)),
        }
    }

    /// All of `parts`, one after the other. A balanced tree, so that its depth is the logarithm of their number.
    pub fn sequence_of(&mut self, parts: &[Expr]) -> Expr {
        match parts {
            [] => Expr::END,
            [only] => *only,
            _ => {
                let (first, second) = parts.split_at(parts.len() / 2);
                let first = self.sequence_of(first);
                let second = self.sequence_of(second);
                self.sequence(first, second)
            }
        }
    }

    /// One of `options`.
    pub fn choice(&mut self, options: &[Expr]) -> Expr {
        let start = self.lists.len();
        for &option in options {
            match self.nodes[option.index()] {
                Node::Nothing => {}
                Node::Choice(from, to) => self.lists.extend_from_within(from as usize..to as usize),
                _ => self.lists.push(option),
            }
        }
        let mut set = ByteSet::default();
        let mut end = start;
        for at in start..self.lists.len() {
            let option = self.lists[at];
            if let Node::Bytes(number) = self.nodes[option.index()] {
                set = set.union(&self.sets[number as usize]);
            } else {
                self.lists[end] = option;
                end += 1;
            }
        }
        self.lists.truncate(end);
        let bytes = self.bytes(set);
        if bytes != Expr::NOTHING {
            self.lists.push(bytes);
        }
        if let Some(&all) = self.everything.iter().find(|all| self.lists[start..].contains(all)) {
            self.lists.truncate(start);
            return all;
        }
        self.lists[start..].sort_unstable();
        let mut length = start;
        for at in start..self.lists.len() {
            if at == start || self.lists[at] != self.lists[length - 1] {
                self.lists[length] = self.lists[at];
                length += 1;
            }
        }
        self.lists.truncate(length);
        match length - start {
            0 => Expr::NOTHING,
            1 => {
                let only = self.lists[start];
                self.lists.truncate(start);
                only
            }
            _ => {
                let known = self.nodes.len();
                let expr = self.node(Node::Choice(start as u32, length as u32));
                if expr.index() < known {
                    self.lists.truncate(start);
                }
                expr
            }
        }
    }

    pub fn optional(&mut self, item: Expr) -> Expr {
        self.choice(&[Expr::END, item])
    }

    /// From `min` to `max` times `item`.
    pub fn repeat(&mut self, item: Expr, min: u32, max: u32) -> Expr {
        let min = if self.is_nullable(item) { 0 } else { min };
        match (item, min, max) {
            (_, _, 0) | (Expr::END, ..) | (Expr::NOTHING, 0, _) => Expr::END,
            (Expr::NOTHING, ..) | (_, 1, 1) => item,
            _ => self.node(Node::Repeat(item, min, max)),
        }
    }

    /// Any number of characters of a pattern. What else a pattern allows at the same place is part of it.
    pub fn any_text(&mut self, character: Expr) -> Expr {
        let all = self.repeat(character, 0, UNBOUNDED);
        if !self.everything.contains(&all) {
            self.everything.push(all);
        }
        all
    }

    /// A rule whose body is told later, with [`Self::define`], so that it can refer to itself.
    pub fn declare(&mut self) -> Expr {
        self.bodies.push(Expr::NOTHING);
        self.node(Node::Rule(self.bodies.len() as u32 - 1))
    }

    pub fn define(&mut self, rule: Expr, body: Expr) {
        if let Node::Rule(number) = self.nodes[rule.index()] {
            self.bodies[number as usize] = body;
        }
    }

    /// Whether the empty text is one of the language's.
    pub fn is_nullable(&self, expr: Expr) -> bool {
        self.measures[expr.index()].bytes == 0
    }

    /// The nodes that a node consists of.
    pub(super) fn parts(&self, node: Node) -> Vec<Expr> {
        match node {
            Node::Sequence(first, second) => vec![first, second],
            Node::Choice(start, end) => self.lists[start as usize..end as usize].to_vec(),
            Node::Repeat(item, ..) => vec![item],
            _ => Vec::new(),
        }
    }

    /// A node with other parts.
    pub(super) fn rebuilt(&mut self, node: Node, parts: &[Expr]) -> Expr {
        match (node, parts) {
            (Node::Sequence(..), &[first, second]) => self.sequence(first, second),
            (Node::Choice(..), _) => self.choice(parts),
            (Node::Repeat(_, min, max), &[item]) => self.repeat(item, min, max),
            _ => self.node(node),
        }
    }

    pub(super) fn literal_at(&mut self, start: u32, end: u32) -> Expr {
        if start == end { Expr::END } else { self.node(Node::Literal(start, end)) }
    }

    /// The number of `node`, which is stored if it is new.
    fn node(&mut self, node: Node) -> Expr {
        let hash = self.hash(node);
        let equal = |&known: &u32| self.equal(self.nodes[known as usize], node);
        if let Some(&known) = self.table.find(hash, equal) {
            return Expr(known);
        }
        let number = self.nodes.len() as u32;
        let head = if let Node::Sequence(first, _) = node { self.heads[first.index()] } else { Expr(number) };
        self.nodes.push(node);
        self.heads.push(head);
        self.row_of.push(NO_ROW);
        let measure = self.measure(node);
        self.measures.push(measure);
        let mut table = std::mem::take(&mut self.table);
        table.insert_unique(hash, number, |&known| self.hash(self.nodes[known as usize]));
        self.table = table;
        Expr(number)
    }

    fn equal(&self, a: Node, b: Node) -> bool {
        match (a, b) {
            (Node::Choice(start, end), Node::Choice(other_start, other_end)) => {
                self.lists[start as usize..end as usize] == self.lists[other_start as usize..other_end as usize]
            }
            _ => a == b,
        }
    }

    fn hash(&self, node: Node) -> u64 {
        match node {
            Node::Nothing => hash(&[0]),
            Node::End => hash(&[1]),
            Node::Bytes(set) => hash(&[2, set]),
            Node::Bracket(byte) => hash(&[3, u32::from(byte)]),
            Node::Literal(start, end) => hash(&[4, start, end]),
            Node::Sequence(first, second) => hash(&[5, first.0, second.0]),
            Node::Choice(start, end) => {
                let options = &self.lists[start as usize..end as usize];
                options.iter().fold(hash(&[6]), |seed, option| mix(seed, option.0))
            }
            Node::Repeat(item, min, max) => hash(&[7, item.0, min, max]),
            Node::Rule(number) => hash(&[8, number]),
        }
    }
}

fn hash(words: &[u32]) -> u64 {
    words.iter().fold(0, |seed, &word| mix(seed, word))
}

/// A multiplication whose high bits reach the low ones, which the table looks at.
fn mix(seed: u64, word: u32) -> u64 {
    let product = (seed ^ u64::from(word)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xff51_afd7_ed55_8ccd);
    product ^ (product >> 32)
}
