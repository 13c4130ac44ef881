//! The interpreter: runs the steps of a plan.

use std::future::Future;
use std::pin::Pin;

use burn::tensor::DType;

use super::cost::Sizes;
use super::host::HostTensor;
use super::ops::Inputs;
use super::options::GraphOptions;
use super::plan::{Action, Plan, Step};
use super::program::Slot;
use super::texts::Texts;
use super::value::Value;
use crate::error::{Error, Result};
use crate::graph::ComputeCost;

/// Is asked from time to time, while a run takes long, whether to go on.
pub type GoOn<'a> = dyn Fn() -> Pin<Box<dyn Future<Output = bool> + 'a>> + 'a;

/// Operations from one question to the next: some milliseconds. A question may let other work of the thread come first,
/// which takes a hundredth of that.
const UNASKED: u64 = 100_000_000;

/// One run of a graph.
pub struct Run<'a> {
    constants: &'a [Option<Value>],
    options: &'a GraphOptions,
    /// Whether inputs may go to a GPU.
    on_gpu: bool,
    values: Vec<Option<Value>>,
    /// The sizes of the named dimensions of the graph's inputs.
    pub sizes: Vec<(&'a str, usize)>,
    /// The strings of all values.
    pub texts: Texts,
    /// The cost of the steps so far.
    pub cost: ComputeCost,
}

impl<'a> Run<'a> {
    pub fn new(
        constants: &'a [Option<Value>],
        options: &'a GraphOptions,
        on_gpu: bool,
        sizes: Vec<(&'a str, usize)>,
        texts: Texts,
    ) -> Self {
        let values = vec![None; constants.len()];
        Self { constants, options, on_gpu, values, sizes, texts, cost: ComputeCost::default() }
    }

    /// Runs a block on `inputs`, and returns its outputs.
    // Boxed because subgraphs run through here again, and a future cannot contain itself.
    pub fn block<'b>(
        &'b mut self,
        plan: &'b Plan,
        inputs: Vec<Option<Value>>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Value>>> + 'b>> {
        Box::pin(async move {
            self.steps(plan, inputs, None).await?;
            let outputs = self.outputs(plan);
            plan.own.iter().for_each(|slot| self.values[*slot] = None);
            outputs
        })
    }

    /// The outputs of a block whose steps have been run.
    pub fn outputs(&self, plan: &Plan) -> Result<Vec<Value>> {
        let output =
            |slot: &Slot| self.value(*slot).ok_or_else(|| Error::invalid_artefact("an output was not computed"));
        plan.outputs.iter().map(output).collect()
    }

    /// Runs the steps of a block on `inputs`. `false` where `go_on` ended it: each value that is still there is one that the
    /// block was given, or that it has computed.
    pub async fn steps(&mut self, plan: &Plan, inputs: Vec<Option<Value>>, go_on: Option<&GoOn<'_>>) -> Result<bool> {
        plan.own.iter().for_each(|slot| self.values[*slot] = None);
        for (slot, value) in plan.inputs.iter().zip(inputs) {
            self.values[*slot] = value;
        }
        let mut asked = self.cost.operations;
        for step in &plan.steps {
            if let Some(go_on) = go_on
                && self.cost.operations - asked >= UNASKED
            {
                asked = self.cost.operations;
                if !go_on().await {
                    return Ok(false);
                }
            }
            let outputs = self
                .step(step)
                .await
                .map_err(|error| Error::new(error.kind(), format!("{}: {error}", step.description)))?;
            let wanted = step.outputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            if outputs.len() < wanted {
                return Err(Error::invalid_artefact(format!(
                    "{} has {} outputs, expected {wanted}",
                    step.description,
                    outputs.len()
                )));
            }
            for (slot, value) in step.outputs.iter().zip(outputs) {
                if let Some(slot) = slot {
                    self.values[*slot] = Some(value);
                }
            }
            step.frees.iter().for_each(|slot| self.values[*slot] = None);
        }
        Ok(true)
    }

    async fn step(&mut self, step: &Step) -> Result<Vec<Value>> {
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for (index, slot) in step.inputs.iter().enumerate() {
            let Some(slot) = *slot else {
                inputs.push(None);
                continue;
            };
            // A kernel may write to an input that it uses last.
            let last = step.frees.contains(&slot) && !step.inputs[index + 1..].contains(&Some(slot));
            let value =
                if last && let Action::Compute(..) = step.action { self.values[slot].take() } else { self.value(slot) };
            inputs.push(Some(value.ok_or_else(|| Error::invalid_artefact("an input was not computed"))?));
        }
        let Some(counter) = step.counter else { return self.act(&step.action, inputs).await };
        let sizes: Vec<_> = inputs.iter().map(|input| input.as_ref().map(Sizes::of)).collect();
        let outputs = self.act(&step.action, inputs).await?;
        self.cost += counter.count(&sizes, outputs.first().map(Sizes::of).as_ref());
        Ok(outputs)
    }

    async fn act(&mut self, action: &Action, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        match action {
            Action::Control(control) => control.run(self, inputs).await,
            Action::Identity => match inputs.into_iter().next().flatten() {
                Some(value) => Ok(vec![value]),
                None => Err(Error::invalid_artefact("the input 0 is missing")),
            },
            Action::Compute(kernel, gpu) => {
                if let Some(gpu) = gpu
                    && inputs.iter().flatten().any(|value| self.belongs_on_gpu(value))
                    && let Some(outputs) = gpu.run(&inputs, &self.options.limits)?
                {
                    return Ok(outputs);
                }
                let mut host = Vec::with_capacity(inputs.len());
                for input in inputs {
                    host.push(match input {
                        None => None,
                        Some(value) => Some(value.into_host().await?),
                    });
                }
                let mut inputs = Inputs::new(host, &self.options.limits, std::mem::take(&mut self.texts));
                let outputs = kernel(&mut inputs)?;
                self.texts = inputs.texts;
                Ok(outputs.into_iter().map(Value::from).collect())
            }
        }
    }

    /// The value of a slot, where there is one.
    pub fn value(&self, slot: Slot) -> Option<Value> {
        self.values[slot].clone().or_else(|| self.constants[slot].clone())
    }

    /// Checks that a tensor of this shape is within the limits.
    pub fn check_shape(&self, shape: &[usize]) -> Result<()> {
        super::host::count(shape, self.options.limits.max_elements).map(|_| ())
    }

    /// Checks that `count` tensors of the size of `one` are within the limits.
    pub fn check_count(&self, count: usize, one: Option<&HostTensor>) -> Result<()> {
        let numbers = one.map_or(0, |one| one.layout().num_elements());
        self.check_shape(&[count, numbers.max(1)])
    }

    /// Whether this input is reason enough to run a step on the GPU, where it can.
    fn belongs_on_gpu(&self, value: &Value) -> bool {
        match value {
            // Where the CPU computes a run, these are states that an earlier run left there.
            Value::Gpu(_) => self.on_gpu,
            Value::Sequence(_) | Value::Map(_) | Value::Nothing => false,
            Value::Host(tensor, uploaded) => {
                let many = tensor.layout().num_elements() >= self.options.gpu_min_elements;
                let constant = uploaded.as_ref().is_some_and(|uploaded| uploaded.constant);
                self.on_gpu && !constant && tensor.dtype() == DType::F32 && many
            }
        }
    }
}
