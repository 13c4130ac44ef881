//! Decision trees.

use crate::graph::attributes::Refusal;

/// How a node compares its feature with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
    /// Whether the feature is one of some values.
    Member,
}

impl Mode {
    const ALL: [Self; 7] = [Self::Leq, Self::Lt, Self::Gte, Self::Gt, Self::Eq, Self::Neq, Self::Member];

    /// That of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let names = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
        names.iter().position(|known| *known == name).map(|at| Self::ALL[at])
    }

    /// That of this number in the operator TreeEnsemble.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// A node of a tree.
pub enum Node {
    /// Goes on at one of two nodes.
    Branch(Branch),
    /// Ends with some weights: the range of them.
    Leaf(std::ops::Range<usize>),
}

/// An inner node.
pub struct Branch {
    pub feature: usize,
    pub mode: Mode,
    pub value: f64,
    /// The values of [`Mode::Member`].
    pub members: Vec<f64>,
    /// Whether NaN is taken for true.
    pub missing_is_true: bool,
    /// The nodes for true and for false.
    pub next: [usize; 2],
}

impl Branch {
    fn holds(&self, x: f64) -> bool {
        if x.is_nan() && self.missing_is_true {
            return true;
        }
        match self.mode {
            Mode::Leq => x <= self.value,
            Mode::Lt => x < self.value,
            Mode::Gte => x >= self.value,
            Mode::Gt => x > self.value,
            Mode::Eq => x == self.value,
            Mode::Neq => x != self.value,
            Mode::Member => self.members.contains(&x),
        }
    }
}

/// Trees over the same features, whose leaves add to the scores of targets.
pub struct Trees {
    pub nodes: Vec<Node>,
    pub roots: Vec<usize>,
    /// The target and the weight of each entry of a leaf.
    pub weights: Vec<(usize, f64)>,
}

impl Trees {
    /// Checks what evaluation relies on: all indices are in range, targets are below `targets`, and no path meets a node
    /// twice. Inner nodes that no path meets are in a cycle.
    pub fn check(&self, targets: usize) -> Result<(), Refusal> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open = self.roots.clone();
        while let Some(at) = open.pop() {
            match self.nodes.get(at) {
                None => return Err(format!("a tree refers to the node {at} of {}", self.nodes.len())),
                Some(_) if std::mem::replace(&mut seen[at], true) => {
                    return Err("a node has two parents, or a tree has a cycle".to_string());
                }
                Some(Node::Branch(branch)) => open.extend(branch.next),
                Some(Node::Leaf(_)) => {}
            }
        }
        let in_cycle = |(node, seen): (&Node, &bool)| matches!(node, Node::Branch(_)) && !seen;
        if self.nodes.iter().zip(&seen).any(in_cycle) {
            return Err("a tree has a cycle, or no root".to_string());
        }
        match self.weights.iter().find(|(target, _)| *target >= targets) {
            Some((target, _)) => Err(format!("a leaf has the target {target}, expected fewer than {targets}")),
            None => Ok(()),
        }
    }

    /// The number of features that are used.
    pub fn width(&self) -> usize {
        let feature = |node: &Node| if let Node::Branch(branch) = node { branch.feature + 1 } else { 0 };
        self.nodes.iter().map(feature).max().unwrap_or(0)
    }

    /// The weights of the leaf of each tree for a row of features.
    pub fn leaves<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = &'a [(usize, f64)]> {
        self.roots.iter().map(|root| {
            let mut at = *root;
            loop {
                match &self.nodes[at] {
                    Node::Leaf(range) => return &self.weights[range.clone()],
                    Node::Branch(branch) => at = branch.next[usize::from(!branch.holds(row[branch.feature]))],
                }
            }
        })
    }
}

/// How the weights of a target become its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

impl Aggregate {
    /// The scores of `targets` targets; `None` for one without a weight.
    pub fn scores(self, trees: &Trees, row: &[f64], targets: usize) -> Vec<Option<f64>> {
        let mut scores: Vec<Option<f64>> = vec![None; targets];
        for (target, weight) in trees.leaves(row).flatten() {
            let score = &mut scores[*target];
            *score = Some(match (self, *score) {
                (_, None) => *weight,
                (Self::Sum | Self::Average, Some(score)) => score + weight,
                (Self::Min, Some(score)) => score.min(*weight),
                (Self::Max, Some(score)) => score.max(*weight),
            });
        }
        if self == Self::Average {
            let trees = trees.roots.len() as f64;
            scores.iter_mut().flatten().for_each(|score| *score /= trees);
        }
        scores
    }
}
