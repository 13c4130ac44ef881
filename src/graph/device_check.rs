//! The check of a GPU: a graph of a fixed transformer layer, whose numbers must be those of the CPU.

use burn::tensor::{DType, TensorData};

use super::{Builder, GraphOptions, Operand};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::kernels::Activation;

/// The sizes of the small encoders that this crate is made for.
const HIDDEN: usize = 384;
const HEADS: usize = 12;
const INTERMEDIATE: usize = 1536;
/// Tokens of the two texts. The shorter one is padded.
const LENGTHS: [usize; 2] = [16, 11];
/// Added to the attention scores of padding: its weight is then zero in 32 bits.
const MASKED: f32 = -1e9;

/// A GPU that has computed the numbers of the CPU for a fixed transformer layer.
///
/// # Errors
/// Backend unavailable: there is no GPU, it lacks a feature, or its numbers differ. Feature disabled: this crate was
/// built without `gpu`.
pub async fn open_webgpu() -> Result<Device> {
    Device::webgpu(layer_output).await
}

/// The hidden states of two texts behind one layer with fixed weights: those of the padding are left out.
async fn layer_output(device: &Device) -> Result<Vec<f32>> {
    let [batch, seq] = [LENGTHS.len(), LENGTHS[0]];
    let mut random = Random(1);
    let mut graph = Builder::default();
    let (x, mask) = (graph.input("x", DType::F32), graph.input("mask", DType::F32));
    let x = norm(&mut graph, &mut random, &[x]);
    let qkv = linear(&mut graph, &mut random, x, [HIDDEN, 3 * HIDDEN], None);
    let (hidden, heads) = (HIDDEN as i64, HEADS as i64);
    let parts = [0, 1, 2].map(|part| {
        let part = graph.slice(qkv, 2, [part * hidden, (part + 1) * hidden]);
        let part = graph.reshape(part, &[0, 0, heads, hidden / heads]);
        graph.transpose(part, &[0, 2, 1, 3])
    });
    let mixed = graph.attention(parts, mask, 1.0 / ((HIDDEN / HEADS) as f32).sqrt());
    let mixed = graph.transpose(mixed, &[0, 2, 1, 3]);
    let mixed = graph.reshape(mixed, &[0, 0, hidden]);
    let mixed = linear(&mut graph, &mut random, mixed, [HIDDEN, HIDDEN], None);
    let x = norm(&mut graph, &mut random, &[mixed, x]);
    let inner = linear(&mut graph, &mut random, x, [HIDDEN, INTERMEDIATE], Some(Activation::Gelu));
    let outer = linear(&mut graph, &mut random, inner, [INTERMEDIATE, HIDDEN], None);
    let y = norm(&mut graph, &mut random, &[outer, x]);
    let graph = graph.finish(&[("y", y)], device, &GraphOptions::default())?;

    let x = TensorData::new(random.floats(batch * seq * HIDDEN), [batch, seq, HIDDEN]);
    let row = |length: usize| (0..seq).map(move |key| if key < length { 0.0 } else { MASKED });
    let mask = TensorData::new(LENGTHS.into_iter().flat_map(row).collect::<Vec<f32>>(), [batch, 1, 1, seq]);
    let outputs = graph.run(vec![("x".to_string(), x), ("mask".to_string(), mask)]).await?;
    let states = outputs.into_iter().next().and_then(|(_, states)| states.try_into_vec::<f32>().ok());
    let states = states.ok_or_else(|| Error::internal("the layer gave no floats"))?;
    let texts = states.chunks_exact(seq * HIDDEN).zip(LENGTHS);
    Ok(texts.flat_map(|(text, length)| &text[..length * HIDDEN]).copied().collect())
}

fn linear(
    graph: &mut Builder,
    random: &mut Random,
    x: Operand,
    [inputs, outputs]: [usize; 2],
    activation: Option<Activation>,
) -> Operand {
    let weight = graph.floats(&[inputs, outputs], random.floats(inputs * outputs));
    let bias = graph.floats(&[outputs], random.floats(outputs));
    graph.linear(x, weight, bias, activation)
}

fn norm(graph: &mut Builder, random: &mut Random, terms: &[Operand]) -> Operand {
    let [scale, bias] = [(); 2].map(|()| graph.floats(&[HIDDEN], random.floats(HIDDEN)));
    graph.layer_norm(terms, scale, bias, 1e-12)
}

/// A linear congruential generator.
///
/// # Source
/// Knuth, The Art of Computer Programming 2, section 3.3.4, line 26 (the constants of MMIX).
struct Random(u64);

impl Random {
    /// Numbers between -0.1 and 0.1.
    fn floats(&mut self, count: usize) -> Vec<f32> {
        let mut draw = || {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5) / 5.0
        };
        (0..count).map(|_| draw()).collect()
    }
}
