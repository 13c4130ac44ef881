//! What the architectures of decoders share when they build their graphs.

use burn::tensor::DType;

use super::{Decoder, DecoderSizes, DecoderWeights, Embeddings, Form, Layers, Matrix, Name, Rope, new_state, state};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{AttentionSettings, Builder, CachedInputs, GraphOptions, LinearEpilogue, Operand};
use crate::kernels::Activation;
use crate::kernels::qlinear::Precision;

/// A graph that is being built, and the weights that it is built of.
pub struct Build<'w, 'f> {
    /// The sizes.
    pub sizes: DecoderSizes,
    /// The graph so far.
    pub graph: Builder,
    weights: &'w mut DecoderWeights<'f>,
    before: Operand,
    /// Cosines and sines of each position embedding.
    tables: Vec<[Operand; 2]>,
    /// The states after a pass, with the names of their outputs.
    states: Vec<(String, Operand)>,
}

/// The tensors of an attention layer.
pub struct AttentionNames {
    /// Queries.
    pub q: Name,
    /// Keys.
    pub k: Name,
    /// Values.
    pub v: Name,
    /// The output.
    pub output: Name,
    /// The normalisation of queries and keys, where there is one.
    pub norms: Option<[Name; 2]>,
}

/// A linear layer.
struct Layer {
    matrix: Matrix,
    /// Inputs and outputs.
    sizes: [usize; 2],
    bias: Option<Vec<f32>>,
}

impl Layer {
    /// Layers of the same inputs as one, whose outputs lie side by side: their input is quantised once, and their weights are
    /// read in one pass. Gives them back where their weights are not packed alike.
    fn concat(layers: Vec<Self>) -> std::result::Result<Self, Vec<Self>> {
        let sizes: Vec<_> = layers.iter().map(|layer| layer.sizes).collect();
        let (mut matrices, mut biases) = (Vec::new(), Vec::new());
        for layer in layers {
            matrices.push(layer.matrix);
            biases.push(layer.bias);
        }
        match Matrix::concat(matrices) {
            Ok(matrix) => {
                let outputs = sizes.iter().map(|[_, outputs]| outputs).sum();
                let bias = biases.iter().any(Option::is_some).then(|| {
                    let zeros = |outputs: usize| vec![0.0; outputs];
                    let each = biases.into_iter().zip(&sizes);
                    each.flat_map(|(bias, [_, outputs])| bias.unwrap_or_else(|| zeros(*outputs))).collect()
                });
                Ok(Self { matrix, sizes: [sizes.first().map_or(0, |[inputs, _]| *inputs), outputs], bias })
            }
            Err(matrices) => {
                let each = matrices.into_iter().zip(sizes).zip(biases);
                Err(each.map(|((matrix, sizes), bias)| Self { matrix, sizes, bias }).collect())
            }
        }
    }
}

impl<'w, 'f> Build<'w, 'f> {
    /// Begins a graph with `ropes` position embeddings. Gives it with the embeddings of the tokens, `[1, tokens, hidden]`.
    pub fn new(sizes: DecoderSizes, ropes: usize, weights: &'w mut DecoderWeights<'f>) -> (Self, Operand) {
        let mut graph = Builder::default();
        let x = graph.input("x", DType::F32);
        let before = graph.input("before", DType::I64);
        let tables = (0..ropes)
            .map(|index| ["cos", "sin"].map(|name| graph.input(&format!("{name}.{index}"), DType::F32)))
            .collect();
        (Self { sizes, graph, weights, before, tables, states: Vec::new() }, x)
    }

    /// The name of a layer's tensor.
    fn name(&self, layer: Option<usize>, name: Name) -> String {
        match (layer, self.weights.is_gguf()) {
            (Some(layer), true) => format!("blk.{layer}.{}", name.gguf),
            (Some(layer), false) => format!("model.layers.{layer}.{}", name.checkpoint),
            (None, true) => name.gguf.to_string(),
            (None, false) => name.checkpoint.to_string(),
        }
    }

    /// The embeddings, and where they are the weights of the last layer as well, its matrix.
    ///
    /// # Errors
    /// Those of [`DecoderWeights::embeddings`].
    pub(in crate::models) fn embeddings(&mut self, name: Name, tied: bool) -> Result<(Embeddings, Option<Matrix>)> {
        let name = format!("{}.weight", self.name(None, name));
        self.weights.embeddings(&name, [self.sizes.vocabulary, self.sizes.hidden], tied)
    }

    /// A vector of `length` numbers, to each of which `plus` is added.
    ///
    /// # Errors
    /// Those of [`DecoderWeights::vector`].
    pub fn vector(&mut self, layer: Option<usize>, name: Name, length: usize, plus: f32) -> Result<Operand> {
        let name = format!("{}.weight", self.name(layer, name));
        let mut numbers = self.weights.vector(&name, length)?;
        numbers.iter_mut().for_each(|x| *x += plus);
        Ok(self.graph.floats(&[length], numbers))
    }

    /// The linear layer `name` from `inputs` to `outputs` numbers, with its bias if it has one.
    ///
    /// # Errors
    /// Those of [`DecoderWeights::matrix`].
    pub fn linear(&mut self, layer: Option<usize>, name: Name, sizes: [usize; 2], x: Operand) -> Result<Operand> {
        let layer = self.layer(layer, name, sizes)?;
        Ok(self.product(layer, x, LinearEpilogue::default()))
    }

    /// [`Self::linear`], plus `residual`.
    ///
    /// # Errors
    /// Those of [`DecoderWeights::matrix`].
    pub fn linear_plus(
        &mut self,
        layer: Option<usize>,
        name: Name,
        sizes: [usize; 2],
        x: Operand,
        residual: Operand,
    ) -> Result<Operand> {
        let layer = self.layer(layer, name, sizes)?;
        if let Matrix::Floats(_) = layer.matrix {
            let product = self.product(layer, x, LinearEpilogue::default());
            return Ok(self.graph.add(residual, product));
        }
        Ok(self.product(layer, x, LinearEpilogue { residual: Some(residual), ..LinearEpilogue::default() }))
    }

    /// The activation of the layer `gate`, times the layer `up`, both of `sizes`.
    ///
    /// # Errors
    /// Those of [`DecoderWeights::matrix`].
    pub fn gated(
        &mut self,
        layer: Option<usize>,
        names: [Name; 2],
        sizes: [usize; 2],
        activation: Activation,
        x: Operand,
    ) -> Result<Operand> {
        let [gate, up] = names.map(|name| self.layer(layer, name, sizes));
        match Layer::concat(vec![gate?, up?]) {
            Ok(both) if matches!(both.matrix, Matrix::Floats(_)) => {
                let both = self.product(both, x, LinearEpilogue::default());
                Ok(self.graph.gated(both, None, activation))
            }
            Ok(both) => {
                let epilogue = LinearEpilogue { activation: Some(activation), gated: true, residual: None };
                Ok(self.product(both, x, epilogue))
            }
            Err(layers) => {
                let products = layers.into_iter().map(|layer| self.product(layer, x, LinearEpilogue::default()));
                let products: Vec<_> = products.collect();
                let &[gate, up] = &products[..] else { return Err(Error::internal("a gate has two layers")) };
                Ok(self.graph.gated(gate, Some(up), activation))
            }
        }
    }

    /// The weights of the linear layer `name`.
    fn layer(&mut self, layer: Option<usize>, name: Name, sizes @ [_, outputs]: [usize; 2]) -> Result<Layer> {
        let name = self.name(layer, name);
        let bias = format!("{name}.bias");
        let bias = if self.weights.contains(&bias) { Some(self.weights.vector(&bias, outputs)?) } else { None };
        let matrix = self.weights.matrix(&format!("{name}.weight"), sizes)?;
        Ok(Layer { matrix, sizes, bias })
    }

    /// `x` times the matrix of a layer, plus its bias. No epilogue follows floats.
    fn product(&mut self, layer: Layer, x: Operand, epilogue: LinearEpilogue) -> Operand {
        let Layer { matrix, sizes: [inputs, outputs], bias } = layer;
        let bias = bias.map(|bias| self.graph.floats(&[outputs], bias));
        match matrix {
            Matrix::Blocks(blocks) => self.graph.linear_blocks(x, *blocks, bias, epilogue),
            Matrix::Int8(weights) => {
                let bias = bias.unwrap_or_else(|| self.graph.floats(&[outputs], vec![0.0; outputs]));
                self.graph.linear_int8(x, weights, bias, epilogue, Precision::High)
            }
            Matrix::Floats(published) => {
                // Published as [out, in]; the product wants [in, out].
                let mut weight = vec![0.0; inputs * outputs];
                for (output, row) in published.chunks_exact(inputs).enumerate() {
                    row.iter().enumerate().for_each(|(input, number)| weight[input * outputs + output] = *number);
                }
                let weight = self.graph.floats(&[inputs, outputs], weight);
                let bias = bias.unwrap_or_else(|| self.graph.floats(&[outputs], vec![0.0; outputs]));
                self.graph.linear(x, weight, bias, None)
            }
        }
    }

    /// The attention of a layer with the position embedding number `rope`, plus `residual`. `norm_plus` is added to the scales
    /// of its normalisation.
    ///
    /// # Errors
    /// Those of [`Self::linear`].
    #[allow(clippy::too_many_arguments, reason = "each is a part of the layer")]
    pub fn attention(
        &mut self,
        layer: usize,
        names: &AttentionNames,
        settings: &AttentionSettings,
        rope: usize,
        norm_plus: f32,
        x: Operand,
        residual: Option<Operand>,
    ) -> Result<Operand> {
        let DecoderSizes { hidden, groups, head, .. } = self.sizes;
        let (own, shared) = (settings.heads * head, groups * head);
        let at = Some(layer);
        let layers = [(names.q, own), (names.k, shared), (names.v, shared)];
        let layers = layers.map(|(name, width)| self.layer(at, name, [hidden, width]));
        let (q, kv) = match Layer::concat(layers.into_iter().collect::<Result<_>>()?) {
            Ok(all) => (self.product(all, x, LinearEpilogue::default()), None),
            Err(layers) => {
                let products = layers.into_iter().map(|layer| self.product(layer, x, LinearEpilogue::default()));
                let products: Vec<_> = products.collect();
                let &[q, k, v] = &products[..] else { return Err(Error::internal("an attention has three layers")) };
                (q, Some([k, v]))
            }
        };
        let norms = match names.norms {
            Some(norms) => {
                let [q, k] = norms.map(|name| self.vector(at, name, head, norm_plus));
                Some([q?, k?])
            }
            None => None,
        };
        let [keys, values] = ["keys", "values"].map(|name| self.graph.input(&state(name, layer), DType::F32));
        let [cos, sin] = self.tables[rope];
        let inputs = CachedInputs { q, kv, keys, values, before: self.before, cos, sin, norms };
        let [mixed, keys, values] = self.graph.cached_attention(inputs, settings);
        self.states.push((new_state("keys", layer), keys));
        self.states.push((new_state("values", layer), values));
        match residual {
            Some(residual) => self.linear_plus(at, names.output, [own, hidden], mixed, residual),
            None => self.linear(at, names.output, [own, hidden], mixed),
        }
    }

    /// The decoder with the hidden states `x` before its last norm. `head` is the last layer where its weights are its own.
    ///
    /// # Errors
    /// Those of [`Self::linear`].
    #[allow(clippy::too_many_arguments, reason = "each is a part of the decoder")]
    pub fn finish(
        mut self,
        x: Operand,
        norm: impl FnOnce(&mut Self, Operand) -> Result<Operand>,
        (embeddings, tied): (Embeddings, Option<Matrix>),
        head: Name,
        embedding_scale: f32,
        ropes: Vec<Rope>,
        device: &Device,
    ) -> Result<Decoder> {
        let DecoderSizes { hidden, vocabulary, .. } = self.sizes;
        let rows = self.graph.input("rows", DType::I64);
        let x = self.graph.gather(x, rows, 1);
        let x = norm(&mut self, x)?;
        let on_gpu = match &tied {
            Some(Matrix::Blocks(blocks)) => blocks.gpu_weights().cloned(),
            _ => None,
        };
        let logits = match tied {
            Some(matrix) => {
                let layer = Layer { matrix, sizes: [hidden, vocabulary], bias: None };
                self.product(layer, x, LinearEpilogue::default())
            }
            None => self.linear(None, head, [hidden, vocabulary], x)?,
        };
        let Self { sizes, graph, states, .. } = self;
        let mut outputs = vec![("logits", logits)];
        outputs.extend(states.iter().map(|(name, operand)| (name.as_str(), *operand)));
        // A row of a token is small, and yet all layers are for the GPU.
        let graph = graph.finish(&outputs, device, &GraphOptions { gpu_min_elements: 1, ..GraphOptions::default() })?;
        let layers = Layers { sizes, embeddings, embedding_scale, ropes, graph, tied: on_gpu };
        Ok(Decoder(Form::Layers(Box::new(layers))))
    }
}
