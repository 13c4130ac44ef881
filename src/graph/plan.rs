//! Planning: nodes become steps with prepared kernels, and each value is freed after its last use.

use super::control::{self, Control};
use super::cost::Counter;
use super::gpu::GpuKernel;
use super::ops::{self, Kernel, named};
use super::program::{Block, Node, Operator, Program, Slot};
use crate::device::Device;
use crate::error::{Error, Result};

/// The steps of a block, in order.
pub struct Plan {
    pub steps: Vec<Step>,
    pub inputs: Vec<Slot>,
    pub outputs: Vec<Slot>,
    /// Every slot that the block defines, to be cleared before it runs again.
    pub own: Vec<Slot>,
}

/// One step.
pub struct Step {
    /// Its name and operator, for errors.
    pub description: String,
    pub action: Action,
    /// How its operations are counted; `None` where they are too few to matter.
    pub counter: Option<Counter>,
    pub inputs: Vec<Option<Slot>>,
    pub outputs: Vec<Option<Slot>>,
    /// The slots that are not used after it.
    pub frees: Vec<Slot>,
}

/// The action of a step.
pub enum Action {
    /// An operator, on the CPU and, where it can be, on the GPU.
    Compute(Kernel, Option<GpuKernel>),
    /// Runs subgraphs, or takes or gives other values than tensors.
    Control(Control),
    /// Gives its input, whatever that is.
    Identity,
}

/// Plans a program for a device.
///
/// # Errors
/// Internal: an operator that could be prepared before cannot any more.
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

/// Finds the last step that uses each slot of this block. Slots of an outer block are freed there.
fn free(block: &Block, own: &[Slot], steps: &mut [Step]) {
    let mut mine: std::collections::HashSet<Slot> = own.iter().copied().collect();
    // Outputs are taken at the end of the block.
    block.outputs.iter().for_each(|slot| {
        mine.remove(slot);
    });
    for (node, step) in block.nodes.iter().zip(steps).rev() {
        let mut last = |slot: Slot| {
            if mine.remove(&slot) {
                step.frees.push(slot);
            }
        };
        // A value that is never read is freed at once.
        node.outputs.iter().flatten().for_each(|slot| last(*slot));
        node.reads(&mut last);
    }
}

fn step(node: &Node, program: &Program, device: &Device) -> Result<Step> {
    let internal = |reason: &str| Error::internal(format!("{}: {reason}", node.description()));
    let action = match node.operator {
        Operator::Control(op) => {
            let plans = node.blocks.iter().map(|(name, block)| Ok((name.clone(), plan_block(block, program, device)?)));
            Action::Control(control::prepare(op, node, program, plans.collect::<Result<_>>()?)?)
        }
        Operator::Known(op) if op.is(named::IDENTITY) => Action::Identity,
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
        description: node.description(),
        action,
        counter: node.op().and_then(|op| op.cost).map(|rule| Counter::new(rule, &node.attributes)),
        inputs: node.inputs.clone(),
        outputs: node.outputs.clone(),
        frees: Vec::new(),
    })
}
