//! Decoders whose graphs are built here: the embeddings of tokens, position embeddings, and the layers as a graph.

use std::sync::Arc;

use burn::tensor::TensorData;

use super::{Chosen, DecoderSizes, Logits, Pass, Rope, weights};
use crate::error::{Error, Result};
use crate::graph::{Blocks, Choice, ComputeCost, GoOn, GpuWeights, Graph, Session, State};
use crate::models::embedding::Table;

/// Bytes of weights that a GPU may read before somebody who aborts is heard: 20 ms at 100 GB/s, which a slow one has.
const READ_AT_ONCE: usize = 2 << 30;
/// The same where the CPU is the GPU.
const READ_AT_ONCE_BY_SOFTWARE: usize = 256 << 20;
/// The most tokens that are chosen at once: what is computed behind the end of a text is dropped.
const MOST_AT_ONCE: usize = 8;

/// The layers of a decoder, with what is in front of them.
pub(in crate::models) struct Layers {
    pub sizes: DecoderSizes,
    pub embeddings: Embeddings,
    /// The factor of embeddings.
    pub embedding_scale: f32,
    /// The position embeddings of its layers. The graph has the inputs `cos.0`, `sin.0` and so on for them.
    pub ropes: Vec<Rope>,
    /// From embeddings to the logits of the rows that are asked for.
    pub graph: Graph,
    /// The weights of the last layer, where they are the embeddings as well and on a GPU alone.
    pub tied: Option<Arc<GpuWeights>>,
}

/// The embeddings of tokens, `[vocabulary, hidden]`.
pub(in crate::models) enum Embeddings {
    /// A table.
    Table(Table),
    /// The weights of the last layer, which are the embeddings as well.
    Tied(Box<Blocks>),
    /// Rows of a GGUF file's tensor, as they are there.
    Packed(weights::PackedRows),
}

impl Layers {
    /// The bytes of the keys and values of a token.
    pub fn token_bytes(&self) -> usize {
        let DecoderSizes { layers, groups, head, .. } = self.sizes;
        2 * layers * groups * head * size_of::<f32>()
    }

    /// The keys and values of no tokens.
    ///
    /// # Errors
    /// Internal: the graph does not have the states of its layers.
    pub fn session(&self) -> Result<Session> {
        let DecoderSizes { layers, groups, head, .. } = self.sizes;
        let names: Vec<_> = (0..layers)
            .flat_map(|layer| ["keys", "values"].map(|name| (state(name, layer), new_state(name, layer))))
            .collect();
        let states = names.iter().map(|(input, output)| State {
            input,
            output,
            initial: TensorData::new(Vec::<f32>::new(), [groups, 0, head]),
        });
        self.graph.session(states.collect())
    }

    /// Reads `ids` at the positions from `before` on. A run that was stopped leaves some layers with keys and values of the
    /// new tokens, which the next one overwrites.
    ///
    /// # Errors
    /// Those of [`Graph::run_session`]. Invalid input: a token has no embedding.
    pub async fn run(
        &self,
        session: &mut Session,
        before: usize,
        ids: &[u32],
        wanted: Logits,
        go_on: &GoOn<'_>,
    ) -> Result<Option<Pass>> {
        let inputs = self.inputs(before, ids, wanted)?;
        let Some((outputs, cost)) = self.graph.run_session_while(session, inputs, go_on).await? else {
            return Ok(None);
        };
        let logits = outputs.into_iter().next().and_then(|(_, logits)| logits.try_into_vec::<f32>().ok());
        let logits = logits.ok_or_else(|| Error::internal("the layers gave no floats"))?;
        Ok(Some((logits, cost)))
    }

    /// How many tokens [`Self::choose`] is best asked for; none where it is not faster than reading logits.
    pub fn tokens_at_once(&self) -> usize {
        let bytes = self.graph.gpu_only_bytes();
        if bytes == 0 {
            return 0;
        }
        let most = if self.graph.device().is_software() { READ_AT_ONCE_BY_SOFTWARE } else { READ_AT_ONCE };
        let most = if self.tied.is_some() { MOST_AT_ONCE.min(most / bytes) } else { 1 };
        most.max(1)
    }

    /// Reads `ids` at the positions from `before` on, and chooses the likeliest token behind them, then the likeliest behind that
    /// one, and so on: at most `count`, which are read back at once. Fewer where the embeddings are not on the GPU.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub async fn choose(
        &self,
        session: &mut Session,
        before: usize,
        ids: &[u32],
        count: usize,
        go_on: &GoOn<'_>,
    ) -> Result<Option<(Vec<Chosen>, ComputeCost)>> {
        let mut inputs = self.inputs(before, ids, Logits::Last(1))?;
        let (mut embedded, mut choices, mut cost) = (None, Vec::with_capacity(count), ComputeCost::default());
        loop {
            let embedded_input = embedded.take().map(|embedded| ("x", embedded));
            let chosen = self.graph.choose_while(session, inputs, embedded_input, go_on).await?;
            let Some((choice, own)) = chosen else { return Ok(None) };
            cost += own;
            let tied = self.tied.as_ref().filter(|_| choices.len() + 1 < count);
            embedded = tied.and_then(|weights| choice.embedding(weights, self.embedding_scale));
            choices.push(choice);
            if embedded.is_none() {
                return Ok(Some((Choice::read(&choices).await?, cost)));
            }
            inputs = self.positions(before + ids.len() + choices.len() - 1, 1, Logits::Last(1));
        }
    }

    /// The inputs of the graph for `ids` at the positions from `before` on.
    fn inputs(&self, before: usize, ids: &[u32], wanted: Logits) -> Result<Vec<(String, TensorData)>> {
        let DecoderSizes { hidden, vocabulary, .. } = self.sizes;
        let count = ids.len();
        let mut x = vec![0.0; count * hidden];
        for (id, row) in ids.iter().zip(x.chunks_exact_mut(hidden)) {
            self.embeddings.read(*id as usize, row).ok_or_else(|| super::unknown_token(*id, vocabulary))?;
            if self.embedding_scale != 1.0 {
                row.iter_mut().for_each(|x| *x *= self.embedding_scale);
            }
        }
        let mut inputs = self.positions(before, count, wanted);
        inputs.push(("x".to_string(), TensorData::new(x, [1, count, hidden])));
        Ok(inputs)
    }

    /// The inputs of the graph for `count` tokens at the positions from `before` on, but for their embeddings.
    fn positions(&self, before: usize, count: usize, wanted: Logits) -> Vec<(String, TensorData)> {
        let rows: Vec<i64> = ((count - wanted.count(count)) as i64..count as i64).collect();
        let rows_count = rows.len();
        let mut inputs = vec![
            ("before".to_string(), TensorData::new(vec![before as i64], [1])),
            ("rows".to_string(), TensorData::new(rows, [rows_count])),
        ];
        for (index, rope) in self.ropes.iter().enumerate() {
            let (cos, sin) = rope.tables(before, count);
            let shape = [count, rope.half()];
            inputs.push((format!("cos.{index}"), TensorData::new(cos, shape)));
            inputs.push((format!("sin.{index}"), TensorData::new(sin, shape)));
        }
        inputs
    }
}

impl Embeddings {
    /// Reads the embedding of a token into `row`; `None` where it does not exist.
    fn read(&self, id: usize, row: &mut [f32]) -> Option<()> {
        match self {
            Self::Table(table) => table.read(id, row),
            Self::Tied(blocks) => blocks.read_output(id, row),
            Self::Packed(rows) => rows.read(id, row),
        }
    }
}

/// The name of a state of a layer, as an input of the graph.
pub(super) fn state(name: &str, layer: usize) -> String {
    format!("{name}.{layer}")
}

/// The name of the output that becomes that input.
pub(super) fn new_state(name: &str, layer: usize) -> String {
    format!("new_{name}.{layer}")
}
