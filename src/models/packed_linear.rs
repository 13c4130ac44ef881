//! A linear layer whose weights stay in the few bits that a file has them in.

use crate::error::{Error, Result};
use crate::formats::gguf::{BLOCK, Encoding, Tensor};
use crate::kernels::block_quant::Bits;
use crate::kernels::qlinear::BlockLinear;

/// `x · Wᵀ` with the weights of a GGUF file. They are multiplied as the integers that they are, and `x` is quantised to 8
/// bits, row by row.
pub struct PackedLinear(BlockLinear);

impl PackedLinear {
    /// Of a matrix with a row for each output.
    ///
    /// # Errors
    /// Invalid artefact: the tensor is no matrix, or is empty. Unsupported: it is of floats, or of other blocks.
    pub fn new(tensor: &Tensor<'_>) -> Result<Self> {
        let bits = match tensor.encoding {
            Encoding::Q4_0 | Encoding::Q4_1 => Bits::Four,
            Encoding::Q8_0 => Bits::Eight,
            other => return Err(Error::unsupported(format!("the tensor {} is in {other:?}", tensor.name))),
        };
        let wrong = || Error::invalid_artefact(format!("{} is no matrix: {:?}", tensor.name, tensor.shape));
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

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        self.0.shape()
    }

    /// What becomes of the rows `x`.
    ///
    /// # Shapes
    /// `[rows, inputs]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// Invalid input: `x` is not of whole rows.
    pub fn forward(&self, x: &[f32]) -> Result<Vec<f32>> {
        let (inputs, outputs) = self.shape();
        if !x.len().is_multiple_of(inputs) {
            return Err(Error::invalid_input(format!("{} numbers are no rows of {inputs}", x.len())));
        }
        let mut out = vec![0.0; x.len() / inputs * outputs];
        self.0.linear().write(x, &[], None, &mut out);
        Ok(out)
    }
}
