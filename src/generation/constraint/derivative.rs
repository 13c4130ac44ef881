//! What may follow in the texts of a language after a byte: Brzozowski derivatives, which are computed once.

use super::grammar::{Expr, Grammar, Node, UNBOUNDED};
use super::shortest::Measure;

/// A node whose derivatives were not asked for.
pub const NO_ROW: u32 = u32::MAX;
/// A derivative that is not known yet.
const UNKNOWN: Expr = Expr(u32::MAX);

impl Grammar {
    /// The node that the language's texts begin with, and what it is.
    pub fn head(&self, expr: Expr) -> (Expr, Node) {
        let head = self.heads[expr.index()];
        (head, self.nodes[head.index()])
    }

    /// The language with another beginning than [`Self::head`].
    pub fn with_head(&mut self, expr: Expr, head: Expr) -> Expr {
        match self.nodes[expr.index()] {
            Node::Sequence(first, second) => {
                let first = self.with_head(first, head);
                self.sequence(first, second)
            }
            _ => head,
        }
    }

    /// What may follow after `count` of the items of the repetition that `expr` begins with.
    pub fn without_items(&mut self, expr: Expr, item: Expr, min: u32, max: u32, count: u32) -> Expr {
        let left = if max == UNBOUNDED { max } else { max.saturating_sub(count) };
        let rest = self.repeat(item, min.saturating_sub(count), left);
        self.with_head(expr, rest)
    }

    /// What may follow in texts of `expr` after `byte`: [`Expr::NOTHING`] if none begins with it.
    ///
    /// It recurses into sequences and choices, whose depth is bounded: a text's nesting and a pattern's groups are.
    pub fn after(&mut self, expr: Expr, byte: u8) -> Expr {
        match self.nodes[expr.index()] {
            Node::Nothing | Node::End => return Expr::NOTHING,
            Node::Bytes(set) => return if self.sets[set as usize].contains(byte) { Expr::END } else { Expr::NOTHING },
            Node::Bracket(bracket) => return if bracket == byte { Expr::END } else { Expr::NOTHING },
            Node::Literal(start, end) if self.text[start as usize] == byte => return self.literal_at(start + 1, end),
            Node::Literal(..) => return Expr::NOTHING,
            // Without a row, since only one byte leads on.
            Node::Sequence(..) => match self.head(expr).1 {
                Node::Literal(start, _) if self.text[start as usize] != byte => return Expr::NOTHING,
                Node::Bracket(bracket) if bracket != byte => return Expr::NOTHING,
                Node::Literal(..) | Node::Bracket(_) => return self.derivative(expr, byte),
                _ => {}
            },
            _ => {}
        }
        if self.row_of[expr.index()] == NO_ROW {
            self.row_of[expr.index()] = self.rows.len() as u32;
            self.rows.resize(self.rows.len() + self.representatives.len(), UNKNOWN);
        }
        let at = self.row_of[expr.index()] as usize + usize::from(self.classes[usize::from(byte)]);
        if self.rows[at] == UNKNOWN {
            self.rows[at] = self.derivative(expr, byte);
        }
        self.rows[at]
    }

    /// Makes a row of derivatives for each node that is met from now on: the sets and literals are complete.
    pub fn classify_bytes(&mut self) {
        let mut signatures: Vec<Vec<usize>> = vec![Vec::new(); 256];
        for (number, set) in self.sets.iter().enumerate() {
            set.iter().for_each(|byte| signatures[usize::from(byte)].push(number));
        }
        let brackets =
            self.nodes.iter().filter_map(|node| if let Node::Bracket(byte) = node { Some(*byte) } else { None });
        for byte in self.text.iter().copied().chain(brackets) {
            signatures[usize::from(byte)] = vec![self.sets.len() + usize::from(byte)];
        }
        self.representatives.clear();
        for byte in 0..=u8::MAX {
            let same = |&known: &u8| signatures[usize::from(known)] == signatures[usize::from(byte)];
            let class = self.representatives.iter().position(same).unwrap_or_else(|| {
                self.representatives.push(byte);
                self.representatives.len() - 1
            });
            self.classes[usize::from(byte)] = class as u8;
        }
        self.base = (self.nodes.len(), self.lists.len());
    }

    /// Forgets all derivatives but `keep`. Returns its new number.
    pub fn forget_derivatives(&mut self, keep: Expr) -> Expr {
        let (nodes, lists) = self.base;
        // What `keep` is made of, in the order in which it was made.
        let mut is_needed = vec![false; self.nodes.len()];
        let mut left = vec![keep];
        while let Some(expr) = left.pop() {
            if expr.index() >= nodes && !std::mem::replace(&mut is_needed[expr.index()], true) {
                left.extend(self.parts(self.nodes[expr.index()]));
            }
        }
        let needed = (nodes..self.nodes.len()).filter(|&at| is_needed[at]);
        let needed: Vec<(usize, Node, Vec<Expr>)> =
            needed.map(|at| (at, self.nodes[at], self.parts(self.nodes[at]))).collect();
        let mut renamed: Vec<Expr> = (0..self.nodes.len() as u32).map(Expr).collect();
        self.nodes.truncate(nodes);
        self.measures.truncate(nodes);
        self.heads.truncate(nodes);
        self.lists.truncate(lists);
        self.table.retain(|&mut number| (number as usize) < nodes);
        self.rows.clear();
        self.row_of = vec![NO_ROW; nodes];
        for (at, node, mut parts) in needed {
            parts.iter_mut().for_each(|part| *part = renamed[part.index()]);
            renamed[at] = self.rebuilt(node, &parts);
        }
        renamed[keep.index()]
    }

    /// The memory of all nodes and derivatives, in bytes.
    pub fn memory(&self) -> usize {
        let node = size_of::<Node>() + size_of::<Measure>() + 4 * size_of::<Expr>();
        self.nodes.len() * node + (self.lists.len() + self.rows.len()) * size_of::<Expr>() + self.text.len()
    }

    fn derivative(&mut self, expr: Expr, byte: u8) -> Expr {
        match self.nodes[expr.index()] {
            Node::Sequence(first, second) => {
                let after_first = self.after(first, byte);
                let both = self.sequence(after_first, second);
                if !self.is_nullable(first) {
                    return both;
                }
                let after_second = self.after(second, byte);
                self.choice(&[both, after_second])
            }
            Node::Choice(start, end) => {
                let options: Vec<Expr> = (start..end).map(|at| self.after(self.lists[at as usize], byte)).collect();
                self.choice(&options)
            }
            Node::Repeat(item, min, max) => {
                let after_item = self.after(item, byte);
                let max = if max == UNBOUNDED { max } else { max - 1 };
                let rest = self.repeat(item, min.saturating_sub(1), max);
                self.sequence(after_item, rest)
            }
            Node::Rule(number) => self.after(self.bodies[number as usize], byte),
            _ => Expr::NOTHING,
        }
    }
}
