//! Decoders whose graphs are built here: the embeddings of tokens, position embeddings, and the layers as a graph.

use burn::tensor::TensorData;

use super::{DecoderSizes, Logits, Pass, Rope, weights};
use crate::error::{Error, Result};
use crate::graph::{Blocks, GoOn, Graph, Session, State};
use crate::models::embedding::Table;

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
        let rows: Vec<i64> = ((count - wanted.count(count)) as i64..count as i64).collect();
        let rows_count = rows.len();
        let mut inputs = vec![
            ("x".to_string(), TensorData::new(x, [1, count, hidden])),
            ("before".to_string(), TensorData::new(vec![before as i64], [1])),
            ("rows".to_string(), TensorData::new(rows, [rows_count])),
        ];
        for (index, rope) in self.ropes.iter().enumerate() {
            let (cos, sin) = rope.tables(before, count);
            let shape = [count, rope.half()];
            inputs.push((format!("cos.{index}"), TensorData::new(cos, shape)));
            inputs.push((format!("sin.{index}"), TensorData::new(sin, shape)));
        }
        Ok(inputs)
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
