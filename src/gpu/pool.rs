//! Pooling and interpolation.

use super::conv::Window;
use super::kernel::{Source, wgsl};
use super::queue::Gpu;
use super::tensor::Tensor;

const POOL: Source = wgsl!("window_pool");
const BILINEAR: Source = wgsl!("window_bilinear");

/// What a window over an image becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest number.
    Max,
    /// The mean of those within the image.
    Average,
    /// The mean, with zeros beyond the image.
    AverageWithPads,
}

impl Gpu {
    /// Pools `x`, `[batch, channels, height, width]`, to `[batch, channels, ..sizes]`. Each window has a part of the image.
    pub fn pool(&self, x: &Tensor, window: &Window, pool: Pool, sizes: [usize; 2]) -> Option<Tensor> {
        let &[_, channels, _, _] = x.shape() else { return None };
        let (maximum, counts_pads) = (pool == Pool::Max, pool == Pool::AverageWithPads);
        let constants = format!("const MAXIMUM: bool = {maximum};\nconst COUNTS_PADS: bool = {counts_pads};\n");
        self.slide(&[("a", &self.contiguous(x)?)], window, (&[POOL], constants), [channels; 3], sizes)
    }

    /// Interpolates `x`, `[batch, channels, height, width]`, bilinearly between the centres of pixels.
    pub fn bilinear(&self, x: &Tensor, sizes: [usize; 2]) -> Option<Tensor> {
        let &[_, channels, _, _] = x.shape() else { return None };
        let window = Window { size: [1; 2], strides: [1; 2], pads: [0; 2], dilations: [1; 2] };
        self.slide(&[("a", &self.contiguous(x)?)], &window, (&[BILINEAR], String::new()), [channels; 3], sizes)
    }

    /// Repeats each pixel of `x`, `[batch, channels, height, width]`, by whole factors.
    pub fn repeat(&self, x: &Tensor, factors: [usize; 2]) -> Option<Tensor> {
        let &[batch, channels, height, width] = x.shape() else { return None };
        let pixels = self.reshaped(x, &[batch, channels, height, 1, width, 1])?;
        let repeated = pixels.expand(&[batch, channels, height, factors[0], width, factors[1]])?;
        self.reshaped(&repeated, &[batch, channels, height * factors[0], width * factors[1]])
    }
}
