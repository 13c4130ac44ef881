//! The shortest text of each language: what closes a reply, and how long it is.
//!
//! Of several shortest texts it is the first in the order of bytes. So it depends on the language alone, and after a part of it
//! was written, what is left of it is the shortest text that may follow.

use super::grammar::{Expr, Grammar, Node};

/// What the shortest text of a language is like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Its length in bytes, [`Measure::NONE`] without one.
    pub bytes: u32,
    /// How many more brackets it closes than it opens.
    pub closes: i32,
    /// How many brackets are open at most, counted from those that are open at its end.
    pub nesting: i32,
    /// The option that it is a text of, for a choice.
    option: Expr,
}

impl Measure {
    /// The length where there is no text.
    pub const NONE: u32 = u32::MAX;

    fn new(bytes: u32, closes: i32, nesting: i32) -> Self {
        Self { bytes, closes, nesting, option: Expr::NOTHING }
    }
}

/// The longest shortest text that is ever made, in bytes.
pub const LONGEST: u32 = 1 << 20;

impl Grammar {
    pub fn shortest_bytes(&self, expr: Expr) -> u32 {
        self.measures[expr.index()].bytes
    }

    /// How deep the shortest text is nested.
    pub fn nesting(&self, expr: Expr) -> i32 {
        self.measures[expr.index()].nesting
    }

    /// Appends the shortest text.
    pub fn shortest(&self, expr: Expr, text: &mut Vec<u8>) {
        let mut left = vec![(expr, 1)];
        while let Some((expr, times)) = left.pop() {
            if times > 1 {
                left.push((expr, times - 1));
            }
            match self.nodes[expr.index()] {
                Node::Nothing | Node::End => {}
                Node::Bytes(set) => text.extend(self.sets[set as usize].iter().next()),
                Node::Bracket(byte) => text.push(byte),
                Node::Literal(start, end) => text.extend(&self.text[start as usize..end as usize]),
                Node::Sequence(first, second) => left.extend([(second, 1), (first, 1)]),
                Node::Choice(..) => left.push((self.measures[expr.index()].option, 1)),
                Node::Repeat(_, 0, _) => {}
                Node::Repeat(item, min, _) => left.push((item, min)),
                Node::Rule(number) => left.push((self.bodies[number as usize], 1)),
            }
        }
    }

    /// Finds the shortest texts, once all rules are defined. Returns the rules that have none: every text of theirs would
    /// contain another, without end.
    pub fn measure_rules(&mut self) -> Vec<Expr> {
        let mut changed = true;
        while changed {
            changed = false;
            for at in 0..self.nodes.len() {
                let bytes = self.length(self.nodes[at]);
                changed |= bytes != self.measures[at].bytes;
                self.measures[at].bytes = bytes;
            }
        }
        let is_rule = |at: &usize| matches!(self.nodes[*at], Node::Rule(_));
        let empty = (0..self.nodes.len()).filter(is_rule).filter(|&at| self.measures[at].bytes == Measure::NONE);
        let empty: Vec<Expr> = empty.map(|at| Expr(at as u32)).collect();

        // Nodes are measured after those that their shortest text is made of. A rule's body has a higher number.
        let is_short = |measure: &Measure| measure.bytes <= LONGEST;
        let mut left: Vec<usize> = (0..self.nodes.len()).filter(|&at| is_short(&self.measures[at])).collect();
        let mut done: Vec<bool> = self.measures.iter().map(|measure| !is_short(measure)).collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|&at| {
                if !self.short_parts(self.nodes[at]).all(|part| done[part.index()]) {
                    return true;
                }
                self.measures[at] = self.measure(self.nodes[at]);
                done[at] = true;
                false
            });
            if left.len() == before {
                break;
            }
        }
        empty
    }

    /// A rule whose body begins with the rule itself.
    pub fn rule_without_beginning(&self) -> Option<Expr> {
        let is_rule = |expr: &Expr| matches!(self.nodes[expr.index()], Node::Rule(_));
        let rules: Vec<Expr> = (0..self.nodes.len() as u32).map(Expr).filter(is_rule).collect();
        let next = |rule: Expr| -> Vec<Expr> {
            let Node::Rule(number) = self.nodes[rule.index()] else { return Vec::new() };
            let body = self.bodies[number as usize];
            match self.nodes[body.index()] {
                Node::Choice(start, end) => {
                    self.lists[start as usize..end as usize].iter().copied().filter(is_rule).collect()
                }
                _ => Some(body).filter(is_rule).into_iter().collect(),
            }
        };
        // Rules are taken away once all that they begin with are, until none is left or those of a circle are.
        let mut left: Vec<(Expr, Vec<Expr>)> = rules.iter().map(|&rule| (rule, next(rule))).collect();
        let mut gone = vec![false; self.nodes.len()];
        loop {
            let before = left.len();
            left.retain(|(rule, next)| {
                let is_gone = next.iter().all(|next| gone[next.index()]);
                if is_gone {
                    gone[rule.index()] = true;
                }
                !is_gone
            });
            if left.len() == before {
                return left.first().map(|left| left.0);
            }
        }
    }

    /// The measure of a node whose parts have theirs.
    pub(super) fn measure(&self, node: Node) -> Measure {
        let of = |expr: Expr| self.measures[expr.index()];
        let bytes = self.length(node);
        match node {
            _ if bytes > LONGEST => Measure::new(bytes, 0, 0),
            Node::Bracket(b'{' | b'[') => Measure::new(bytes, -1, 0),
            Node::Bracket(_) => Measure::new(bytes, 1, 1),
            Node::Sequence(first, second) => {
                let (first, second) = (of(first), of(second));
                let nesting = second.nesting.max(first.nesting + second.closes);
                Measure::new(bytes, first.closes + second.closes, nesting)
            }
            Node::Choice(..) => {
                let option = self.short_parts(node).reduce(|a, b| if self.is_before(b, a) { b } else { a });
                let option = option.unwrap_or(Expr::NOTHING);
                Measure { option, bytes, ..of(option) }
            }
            Node::Repeat(item, min, _) if min > 0 => Measure { bytes, ..of(item) },
            Node::Rule(number) => Measure { bytes, ..of(self.bodies[number as usize]) },
            _ => Measure::new(bytes, 0, 0),
        }
    }

    fn length(&self, node: Node) -> u32 {
        let of = |expr: Expr| self.measures[expr.index()].bytes;
        match node {
            Node::Nothing => Measure::NONE,
            Node::End => 0,
            Node::Bytes(_) | Node::Bracket(_) => 1,
            Node::Literal(start, end) => end - start,
            Node::Sequence(first, second) => of(first).saturating_add(of(second)),
            Node::Choice(start, end) => {
                let options = &self.lists[start as usize..end as usize];
                options.iter().map(|&option| of(option)).min().unwrap_or(Measure::NONE)
            }
            Node::Repeat(_, 0, _) => 0,
            Node::Repeat(item, min, _) => of(item).saturating_mul(min),
            Node::Rule(number) => of(self.bodies[number as usize]),
        }
    }

    /// The nodes that the shortest text of a node is made of, or may be made of.
    fn short_parts(&self, node: Node) -> impl Iterator<Item = Expr> {
        let (pair, options) = match node {
            Node::Sequence(first, second) => ([Some(first), Some(second)], 0..0),
            Node::Repeat(item, min, _) if min > 0 => ([Some(item), None], 0..0),
            Node::Rule(number) => ([Some(self.bodies[number as usize]), None], 0..0),
            Node::Choice(start, end) => ([None, None], start as usize..end as usize),
            _ => ([None, None], 0..0),
        };
        let bytes = self.length(node);
        let options = self.lists[options].iter().copied().filter(move |&option| self.shortest_bytes(option) == bytes);
        pair.into_iter().flatten().chain(options)
    }

    /// Whether of two shortest texts of the same length the one of `a` is the first in the order of bytes.
    fn is_before(&self, a: Expr, b: Expr) -> bool {
        let text = |expr| {
            let mut text = Vec::new();
            self.shortest(expr, &mut text);
            text
        };
        text(a) < text(b)
    }
}
