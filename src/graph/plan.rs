//! What is done step by step, and when each value is needed for the last time.

use super::control::{self, Control};
use super::cost::Counter;
use super::gpu::GpuKernel;
use super::ops::{self, Kernel};
use super::program::{Block, Node, Operator, Program, Slot};
use crate::device::Device;
use crate::error::{Error, Result};

/// Steps in the order in which they are taken.
pub struct Plan {
    pub steps: Vec<Step>,
    pub inputs: Vec<Slot>,
    pub outputs: Vec<Slot>,
    /// Every slot that is given here, to be emptied before the steps are taken again.
    pub own: Vec<Slot>,
}

/// One operation.
pub struct Step {
    /// Its name and operator, for errors.
    pub words: String,
    pub action: Action,
    /// How its operations are counted, where they matter.
    pub counter: Option<Counter>,
    pub inputs: Vec<Option<Slot>>,
    pub outputs: Vec<Option<Slot>>,
    /// What nobody needs after it.
    pub frees: Vec<Slot>,
}

/// What a step does.
pub enum Action {
    /// An operator, on the CPU and, where it can be, on the GPU.
    Compute(Kernel, Option<GpuKernel>),
    /// Runs graphs within the graph.
    Control(Control),
}

/// Plans a program.
///
/// # Errors
/// Internal: an operator that was known before no longer is.
pub fn plan(program: &Program, device: &Device) -> Result<Plan> {
    plan_block(&program.block, program, device)
}

fn plan_block(block: &Block, program: &Program, device: &Device) -> Result<Plan> {
    let mut steps = block.nodes.iter().map(|node| step(node, program, device)).collect::<Result<Vec<_>>>()?;
    let mut own = block.inputs.clone();
    own.extend(block.nodes.iter().flat_map(|node| node.outputs.iter().flatten()));
    free(block, &own, &mut steps);
    Ok(Plan { steps, inputs: block.inputs.clone(), outputs: block.outputs.clone(), own })
}

/// Finds for each slot of this block the last step that needs it. What an outer block gave is freed there.
fn free(block: &Block, own: &[Slot], steps: &mut [Step]) {
    let mut mine: std::collections::HashSet<Slot> = own.iter().copied().collect();
    // Outputs are taken out by whoever runs the block.
    block.outputs.iter().for_each(|slot| {
        mine.remove(slot);
    });
    for (node, step) in block.nodes.iter().zip(steps).rev() {
        let mut last = |slot: Slot| {
            if mine.remove(&slot) {
                step.frees.push(slot);
            }
        };
        // What nobody reads is freed at once.
        node.outputs.iter().flatten().for_each(|slot| last(*slot));
        node.reads(&mut last);
    }
}

fn step(node: &Node, program: &Program, device: &Device) -> Result<Step> {
    let internal = |reason: &str| Error::internal(format!("{}: {reason}", node.words()));
    let action = match node.operator {
        Operator::Control(op) => {
            let plans = node.blocks.iter().map(|(name, block)| Ok((name.clone(), plan_block(block, program, device)?)));
            Action::Control(control::prepare(op, node, program, plans.collect::<Result<_>>()?)?)
        }
        Operator::Known(op) => {
            let inputs = program.input_specs(node);
            let spec = node.spec(op, &inputs);
            let gpu = GpuKernel::prepare(&spec, device);
            let (kernel, _) = ops::prepare(&spec).map_err(|reason| internal(&reason))?;
            Action::Compute(kernel, gpu)
        }
        Operator::Unknown { .. } => return Err(internal("the operator is not known")),
    };
    Ok(Step {
        words: node.words(),
        action,
        counter: node.op().and_then(|op| op.cost).map(|rule| Counter::new(rule, &node.attributes)),
        inputs: node.inputs.clone(),
        outputs: node.outputs.clone(),
        frees: Vec::new(),
    })
}
