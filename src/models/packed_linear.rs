//! A linear layer with the blockwise 4- and 8-bit weights of a GGUF file. It has no caller in this crate yet: it is for
//! decoders that are loaded from GGUF, which are to come.

use crate::error::{Error, Result};
use crate::formats::gguf::{BLOCK, Encoding, Tensor};
use crate::kernels::block_quant::Bits;
use crate::kernels::qlinear::BlockLinear;

/// `x · Wᵀ` with the weights of a GGUF file. The weights are multiplied as integers, and `x` is quantised to 8 bits, row by
/// row.
pub struct PackedLinear(BlockLinear);

impl PackedLinear {
    /// A layer with the weights `tensor`, `[outputs, inputs]`.
    ///
    /// # Errors
    /// Invalid artefact: the tensor is not a matrix of whole blocks, or is empty. Unsupported: it is of floats, or of other
    /// blocks.
    pub fn new(tensor: &Tensor<'_>) -> Result<Self> {
        let bits = match tensor.encoding {
            Encoding::Q4_0 | Encoding::Q4_1 => Bits::Four,
            Encoding::Q8_0 => Bits::Eight,
            other => return Err(Error::unsupported(format!("the tensor {} is in {other:?}", tensor.name))),
        };
        let wrong = || {
            Error::invalid_artefact(format!(
                "{} must be a matrix of whole blocks, got the shape {:?}",
                tensor.name, tensor.shape
            ))
        };
        let &[outputs, inputs] = &tensor.shape[..] else { return Err(wrong()) };
        let last = (inputs / BLOCK).checked_mul(outputs).and_then(|blocks| blocks.checked_sub(1));
        if !inputs.is_multiple_of(BLOCK) || last.and_then(|last| tensor.block(last)).is_none() {
            return Err(wrong());
        }
        let blocks = BlockLinear::new((inputs, outputs), BLOCK, bits, |output, at, numbers| {
            let Some(block) = tensor.block(output * (inputs / BLOCK) + at) else { return (0.0, 0.0) };
            numbers.copy_from_slice(&block.numbers);
            (block.scale, block.offset)
        });
        blocks.map(Self).ok_or_else(wrong)
    }

    /// The numbers of inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        self.0.shape()
    }

    /// The outputs for the rows `x`.
    ///
    /// # Shapes
    /// `[rows, inputs]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// Invalid input: `x` does not have whole rows.
    pub fn forward(&self, x: &[f32]) -> Result<Vec<f32>> {
        let (inputs, outputs) = self.shape();
        if !x.len().is_multiple_of(inputs) {
            return Err(Error::invalid_input(format!(
                "the input must have rows of {inputs} numbers, got {} numbers",
                x.len()
            )));
        }
        let mut out = vec![0.0; x.len() / inputs * outputs];
        self.0.linear().write(x, &[], None, &mut out);
        Ok(out)
    }
}
