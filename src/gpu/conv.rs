//! Convolutions as implicit products, and transposed ones.

use super::elementwise::{FUNCTIONS, word};
use super::kernel::{Kernel, Source, wgsl};
use super::matmul::{Product, Right, Sizes};
use super::queue::{Gpu, spread};
use super::tensor::Tensor;

const PATCHES: Source = wgsl!("matmul_patches");
const SLIDING: Source = wgsl!("window");
const DIRECT: Source = wgsl!("window_conv");
const TRANSPOSED: Source = wgsl!("window_conv_transpose");

/// Outputs of a group from which on a convolution is a product: a tile has at least as many rows.
const ROWS: usize = 4;

/// A window that slides over two dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its height and width.
    pub size: [usize; 2],
    /// The distances between its places.
    pub strides: [usize; 2],
    /// Above and to the left.
    pub pads: [usize; 2],
    /// The distances between its elements.
    pub dilations: [usize; 2],
}

/// A convolution.
pub struct Conv<'a> {
    /// Its window.
    pub window: Window,
    /// The groups that channels are in.
    pub groups: usize,
    /// `[outputs]`.
    pub bias: Option<&'a Tensor>,
    /// An expression of `x`.
    pub activation: &'a str,
    /// The height and width of the output.
    pub sizes: [usize; 2],
}

impl Gpu {
    /// The convolution of `x`, `[batch, channels, height, width]`, with `weights`, `[outputs, channels / groups, ..window]`.
    pub fn conv(&self, x: &Tensor, weights: &Tensor, conv: &Conv<'_>) -> Option<Tensor> {
        let (&[batch, channels, height, width], &[outputs, per_group, _, _]) = (x.shape(), weights.shape()) else {
            return None;
        };
        let groups = conv.groups;
        if groups == 0
            || outputs % groups != 0
            || channels != per_group * groups
            || weights.shape()[2..] != conv.window.size
        {
            return None;
        }
        let rows = outputs / groups;
        if rows < ROWS {
            return self.sliding(x, weights, conv, DIRECT, [outputs, rows, per_group]);
        }
        let (x, weights) = (self.contiguous(x)?, self.contiguous(weights)?);
        let Window { size, strides, pads, dilations } = conv.window;
        let inner = per_group * size[0] * size[1];
        let extra = [
            [height, width, conv.sizes[1], per_group],
            [size[0], size[1], strides[0], strides[1]],
            [pads[0], pads[1], dilations[0], dilations[1]],
            [0; 4],
        ];
        let extra = extra.as_flattened().iter().map(|number| word(*number)).collect::<Option<Vec<_>>>()?;
        let right = Right {
            source: PATCHES,
            prelude: String::new(),
            inputs: vec![("b", &x)],
            strides: [0; 4],
            offset: 0,
            inner_first: false,
            extra: extra.try_into().ok()?,
        };
        let columns = conv.sizes[0] * conv.sizes[1];
        let bias = match conv.bias {
            None => None,
            Some(bias) => Some(self.reshaped(bias, &[1, groups, rows, 1])?),
        };
        let product = Product { bias: bias.as_ref(), activation: conv.activation, ..Product::default() };
        let weights = weights.reshape(&[1, groups, rows, inner])?.expand(&[batch, groups, rows, inner])?;
        let sizes = Sizes { batch: [batch, groups], rows, columns, inner };
        self.product(&weights, &right, &sizes, &product)?.reshape(&[batch, outputs, conv.sizes[0], conv.sizes[1]])
    }

    /// The transposed convolution of `x`, `[batch, channels, height, width]`, with `weights`, `[channels, outputs / groups,
    /// ..window]`.
    pub fn conv_transpose(&self, x: &Tensor, weights: &Tensor, conv: &Conv<'_>) -> Option<Tensor> {
        let (&[_, channels, _, _], &[inputs, per_group, _, _]) = (x.shape(), weights.shape()) else { return None };
        let groups = conv.groups;
        if groups == 0 || channels != inputs || channels % groups != 0 || weights.shape()[2..] != conv.window.size {
            return None;
        }
        self.sliding(x, weights, conv, TRANSPOSED, [per_group * groups, per_group, channels / groups])
    }

    /// A convolution whose elements are computed one by one; the channels of the output, and of a group of it and of the
    /// input.
    fn sliding(
        &self,
        x: &Tensor,
        weights: &Tensor,
        conv: &Conv<'_>,
        element: Source,
        channels: [usize; 3],
    ) -> Option<Tensor> {
        let (x, weights) = (self.contiguous(x)?, self.contiguous(weights)?);
        let bias = match conv.bias {
            None => None,
            Some(bias) if *bias.shape() == [channels[0]] => Some(self.contiguous(bias)?),
            Some(_) => return None,
        };
        let mut inputs = vec![("a", &x), ("b", &weights)];
        inputs.extend(bias.as_ref().map(|bias| ("bias", bias)));
        let constants = format!(
            "fn bias_of(channel: u32) -> f32 {{\n    return {};\n}}\nfn activate(x: f32) -> f32 {{\n    return {};\n}}\n",
            if bias.is_some() { "bias[channel]" } else { "0.0" },
            conv.activation
        );
        self.slide(&inputs, &conv.window, (&[FUNCTIONS, element], constants), channels, conv.sizes)
    }

    /// Computes each element of `[batch, channels[0], ..sizes]` from a window over the first of `inputs`, by the functions and constants
    /// of `element`.
    pub(super) fn slide(
        &self,
        inputs: &[(&'static str, &Tensor)],
        window: &Window,
        (library, constants): (&[Source], String),
        channels: [usize; 3],
        sizes: [usize; 2],
    ) -> Option<Tensor> {
        let &[batch, _, height, width] = inputs.first()?.1.shape() else { return None };
        let out = self.empty(&[batch, channels[0], sizes[0], sizes[1]])?;
        let Window { size, strides, pads, dilations } = window;
        let numbers = [
            [out.count(), channels[0], channels[1], channels[2]],
            [height, width, sizes[0], sizes[1]],
            [size[0], size[1], strides[0], strides[1]],
            [pads[0], pads[1], dilations[0], dilations[1]],
        ];
        let params = numbers.as_flattened().iter().map(|number| word(*number)).collect::<Option<Vec<_>>>()?;
        let workgroups = spread(out.count().div_ceil(256));
        let kernel =
            Kernel { source: SLIDING, library, constants, inputs, params: &params, workgroups, ..Kernel::default() };
        self.dispatch(&kernel, &out)?;
        Some(out)
    }
}
