//! Constant folding: evaluates every node whose inputs are all constants. On the way every operator is prepared, and
//! all that cannot be run are refused in one error.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::control;
use crate::graph::host;
use crate::graph::ops::{self, Inputs};
use crate::graph::options::Limits;
use crate::graph::program::{Block, Node, Operator, Program};

/// A result larger than this and than the inputs is left for the run: packed weights stay packed.
const LARGE_BYTES: usize = 1 << 16;

/// Replaces the nodes whose inputs are all constants by their results, and finds the types of all slots.
///
/// # Errors
/// Unsupported: all nodes that cannot be run, each with its reason. Invalid artefact: a constant
/// cannot be computed.
pub fn fold(program: &mut Program, limits: &Limits) -> Result<()> {
    let mut refused = Refused::default();
    let mut block = std::mem::take(&mut program.block);
    let result = fold_block(&mut block, program, limits, &mut refused);
    program.block = block;
    result?;
    if refused.0.is_empty() { Ok(()) } else { Err(refused.error()) }
}

/// The nodes that cannot be run, by operator and reason.
#[derive(Default)]
struct Refused(BTreeMap<String, Vec<String>>);

impl Refused {
    fn push(&mut self, node: &Node, reason: &str) {
        self.0.entry(format!("{}: {reason}", node.operator())).or_default().push(node.name.clone());
    }

    fn error(&self) -> Error {
        let words = |(what, nodes): (&String, &Vec<String>)| {
            let named: Vec<_> = nodes.iter().take(3).map(|name| format!("'{name}'")).collect();
            let more = nodes.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{what} (node {}{more})", named.join(", "))
        };
        let count: usize = self.0.values().map(Vec::len).sum();
        let all: Vec<_> = self.0.iter().map(words).collect();
        Error::unsupported(format!("{count} of the file's nodes cannot be run: {}", all.join("; ")))
    }
}

fn fold_block(block: &mut Block, program: &mut Program, limits: &Limits, refused: &mut Refused) -> Result<()> {
    let mut kept = Vec::with_capacity(block.nodes.len());
    for mut node in std::mem::take(&mut block.nodes) {
        let op = match node.operator {
            Operator::Known(op) => op,
            Operator::Control(op) => {
                if let Err(reason) = control::check(op, &mut node, program) {
                    refused.push(&node, &reason);
                }
                for (_, inner) in &mut node.blocks {
                    fold_block(inner, program, limits, refused)?;
                }
                control::give_types(op, &node, program);
                kept.push(node);
                continue;
            }
            Operator::Unknown { .. } => {
                refused.push(&node, "the operator is not known");
                continue;
            }
        };
        let inputs = program.input_specs(&node);
        let (kernel, types) = match ops::prepare(&node.spec(op, &inputs)) {
            Ok(prepared) => prepared,
            Err(reason) => {
                refused.push(&node, &reason);
                continue;
            }
        };
        for (slot, given) in node.outputs.iter().zip(types) {
            if let Some(slot) = slot {
                program.set_type(*slot, given);
            }
        }
        let constants: Option<Vec<_>> = inputs
            .into_iter()
            .map(|input| input.map(|spec| spec.constant).map_or(Some(None), |constant| constant.map(Some)))
            .collect();
        let constants = constants.filter(|_| !op.random && refused.0.is_empty());
        if let Some(constants) = constants {
            let most = constants.iter().flatten().map(bytes).sum::<usize>().max(LARGE_BYTES);
            // An error is left to the run: the node may be in a branch that is never taken.
            let mut inputs = Inputs::new(constants, limits, std::mem::take(&mut program.texts));
            let outputs = kernel(&mut inputs);
            program.texts = inputs.texts;
            if let Ok(outputs) = outputs
                && outputs.iter().map(bytes).sum::<usize>() <= most
            {
                keep(&node, outputs, program)?;
                continue;
            }
        }
        kept.push(node);
    }
    block.nodes = kept;
    Ok(())
}

fn bytes(tensor: &host::HostTensor) -> usize {
    tensor.layout().num_elements() * host::size_of(tensor.dtype())
}

fn keep(node: &Node, outputs: Vec<host::HostTensor>, program: &mut Program) -> Result<()> {
    if outputs.len() < node.outputs.len() {
        return Err(Error::new(ErrorKind::InvalidArtefact, format!("{} has too many outputs", node.description())));
    }
    for (slot, tensor) in node.outputs.iter().zip(outputs) {
        if let Some(slot) = slot {
            program.types[*slot] = Some(tensor.dtype());
            program.constants.insert(*slot, host::contiguous(tensor));
        }
    }
    Ok(())
}
