//! A language without the bytes that a vocabulary cannot write.

use super::bytes::ByteSet;
use super::grammar::{Expr, Grammar, Node};

/// The grammar's languages without texts that have other bytes than `bytes`, and what became of some of them.
pub fn restrict<const N: usize>(grammar: &Grammar, kept: [Expr; N], bytes: &ByteSet) -> (Grammar, [Expr; N]) {
    let mut empty: Vec<bool> = vec![false; grammar.bodies.len()];
    loop {
        let mut restricted = Grammar::new();
        let rules: Vec<Expr> = grammar.bodies.iter().map(|_| restricted.declare()).collect();
        let mut renamed: Vec<Expr> = Vec::new();
        for &node in &grammar.nodes {
            let parts: Vec<Expr> = grammar.parts(node).iter().map(|part| renamed[part.index()]).collect();
            renamed.push(match node {
                Node::Nothing => Expr::NOTHING,
                Node::End => Expr::END,
                Node::Bytes(set) => restricted.bytes(grammar.sets[set as usize].intersection(bytes)),
                Node::Bracket(byte) if bytes.contains(byte) => restricted.bracket(byte),
                Node::Literal(start, end) => {
                    let text = &grammar.text[start as usize..end as usize];
                    if text.iter().all(|&byte| bytes.contains(byte)) { restricted.literal(text) } else { Expr::NOTHING }
                }
                Node::Rule(number) if !empty[number as usize] => rules[number as usize],
                Node::Bracket(_) | Node::Rule(_) => Expr::NOTHING,
                Node::Sequence(..) | Node::Choice(..) | Node::Repeat(..) => restricted.rebuilt(node, &parts),
            });
        }
        for (rule, body) in rules.iter().zip(&grammar.bodies) {
            restricted.define(*rule, renamed[body.index()]);
        }
        // A rule of which nothing is left leaves nothing of what needs it.
        let mut is_done = true;
        for rule in restricted.measure_rules() {
            if let Some(number) = rules.iter().position(|known| *known == rule).filter(|&number| !empty[number]) {
                empty[number] = true;
                is_done = false;
            }
        }
        if is_done {
            restricted.classify_bytes();
            return (restricted, kept.map(|expr| renamed[expr.index()]));
        }
    }
}
