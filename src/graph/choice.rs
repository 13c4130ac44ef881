//! The choice of a token where its logits are, so that a reply on a GPU goes on without waiting for the CPU.

use std::collections::HashMap;

use burn::tensor::TensorData;

use super::data::Data;
use super::gpu::{GpuTensor, GpuWeights};
use super::run::GoOn;
use super::value::Value;
use super::{ComputeCost, Graph, Session, host};
use crate::error::{Error, Result};
use crate::kernels::reduce;

/// The likeliest token of a run.
pub(crate) enum Choice {
    /// Where it was computed: its index, or -1 where no logit is a number, and its log-probability.
    OnGpu(GpuTensor),
    /// In the CPU's memory.
    Host(Option<(u32, f32)>),
}

/// The embedding of a token, on a GPU.
pub(crate) struct Embedded(GpuTensor);

impl Choice {
    /// The embedding of the token, times `factor`, where its output has these weights. `None` where it is in the CPU's memory, or
    /// there is no kernel.
    pub fn embedding(&self, weights: &GpuWeights, factor: f32) -> Option<Embedded> {
        let Self::OnGpu(choice) = self else { return None };
        weights.row(choice, factor).map(Embedded)
    }

    /// The tokens with their log-probabilities, read at once; `None` where no logit was a number.
    ///
    /// # Errors
    /// Device lost.
    pub async fn read(all: &[Self]) -> Result<Vec<Option<(u32, f32)>>> {
        let on_gpu: Vec<&GpuTensor> =
            all.iter().filter_map(|one| if let Self::OnGpu(one) = one { Some(one) } else { None }).collect();
        let numbers = GpuTensor::read_all(&on_gpu).await?;
        let mut pairs = numbers.as_chunks::<2>().0.iter();
        let mut found = Vec::with_capacity(all.len());
        for one in all {
            found.push(match one {
                Self::Host(found) => *found,
                Self::OnGpu(_) => match pairs.next() {
                    Some([index, logprob]) => (*index >= 0.0).then_some((*index as u32, *logprob)),
                    None => return Err(Error::internal("the GPU gave fewer tokens than were chosen")),
                },
            });
        }
        Ok(found)
    }
}

impl Graph {
    /// As [`Self::run_session_while`], for a graph whose first output are the logits of one token, of which the likeliest is
    /// chosen. The input of the name that comes with `embedded` is that, and no other input.
    pub(crate) async fn choose_while(
        &self,
        session: &mut Session,
        inputs: Vec<(String, TensorData)>,
        embedded: Option<(&str, Embedded)>,
        go_on: &GoOn<'_>,
    ) -> Result<Option<(Choice, ComputeCost)>> {
        let mut texts = self.texts.clone();
        let inputs = inputs.into_iter().map(|(name, tensor)| (name, Data::Tensor(tensor))).collect();
        let mut given: HashMap<String, Value> = self.given(inputs, session, &mut texts)?;
        if let Some((name, Embedded(tensor))) = embedded {
            given.insert(name.to_string(), tensor.into());
        }
        let outcome = self.choose(session, given, texts, go_on).await;
        // The GPU computes while the next run is recorded.
        self.device.flush();
        outcome
    }

    async fn choose(
        &self,
        session: &mut Session,
        given: HashMap<String, Value>,
        texts: super::Texts,
        go_on: &GoOn<'_>,
    ) -> Result<Option<(Choice, ComputeCost)>> {
        let Some(computed) = self.compute(session, given, texts, Some(go_on)).await? else { return Ok(None) };
        let logits = computed.outputs.into_iter().next().map(|(_, logits)| logits);
        let choice = match logits {
            Some(Value::Gpu(logits)) => match logits.likeliest() {
                Some(choice) => Choice::OnGpu(choice),
                None => on_host(Value::Gpu(logits)).await?,
            },
            Some(logits) => on_host(logits).await?,
            None => return Err(Error::internal("the graph gave no logits")),
        };
        Ok(Some((choice, computed.cost)))
    }
}

async fn on_host(logits: Value) -> Result<Choice> {
    let logits = host::to_f32s(logits.into_host().await?);
    let chosen = reduce::first_largest(&logits, |_| true);
    Ok(Choice::Host(chosen.map(|id| (id, logits[id as usize] - reduce::log_sum_exp(&logits)))))
}
