//! Matrix products with an epilogue, in tiles that are chosen by shape.

use super::elementwise::{FUNCTIONS, word};
use super::kernel::{Kernel, Source, wgsl};
use super::queue::Gpu;
use super::tensor::Tensor;

const TILES: Source = wgsl!("matmul");
const REGISTERS: Source = wgsl!("matmul_registers");
const PARAMS: Source = wgsl!("matmul_params");
const STRIDED: Source = wgsl!("matmul_strided");
const NIBBLES: Source = wgsl!("matmul_nibbles");

/// What is done to each element of a product: `activation(alpha · product + beta · bias) + residual`.
#[derive(Clone)]
pub struct Product<'a> {
    /// The factor of the product.
    pub alpha: f32,
    /// The factor of the bias.
    pub beta: f32,
    /// Is broadcast to the product.
    pub bias: Option<&'a Tensor>,
    /// An expression of `x`.
    pub activation: &'a str,
    /// As large as the product.
    pub residual: Option<&'a Tensor>,
}

impl Default for Product<'_> {
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0, bias: None, activation: "x", residual: None }
    }
}

/// Weights of 4 bits in blocks, for the columns of a product.
pub struct Nibbles {
    /// `[columns, inner / 8]`: 8 weights in a word, the first one in the lowest bits.
    pub words: Tensor,
    /// `[columns, inner / block]`.
    pub scales: Tensor,
    /// The zero points, as the scales.
    pub zeros: Tensor,
    /// Weights of a block, a multiple of 8.
    pub block: usize,
}

/// Invocations of a workgroup of `REGISTERS`, each with 8 rows and 8 columns.
const LANES: usize = 16;

/// The right operand of a product.
pub(super) struct Right<'a> {
    /// Its function `load_b`, for tiles; `STRIDED` is a matrix of floats.
    pub source: Source,
    /// Constants and functions that it uses.
    pub prelude: String,
    pub inputs: Vec<(&'static str, &'a Tensor)>,
    /// Strides of two batch dimensions, of a row and of a column.
    pub strides: [usize; 4],
    pub offset: usize,
    /// Whether neighbours along the inner dimension are neighbours in memory.
    pub inner_first: bool,
    pub extra: [u32; 16],
}

/// The sizes of a product: two batch dimensions, rows, columns and inner.
pub(super) struct Sizes {
    pub batch: [usize; 2],
    pub rows: usize,
    pub columns: usize,
    pub inner: usize,
}

impl Gpu {
    /// The matrix product of the last two dimensions, `[.., rows, inner]` and `[.., inner, columns]`, with the others
    /// broadcast to each other.
    pub fn matmul(&self, a: &Tensor, b: &Tensor, product: &Product<'_>) -> Option<Tensor> {
        let (&[ref a_batch @ .., rows, inner], &[ref b_batch @ .., b_inner, columns]) = (a.shape(), b.shape()) else {
            return None;
        };
        if inner != b_inner {
            return None;
        }
        let shape = |batch: &[usize]| [batch, &[rows, columns]].concat();
        // One product of many rows is faster than many products.
        if b_batch.iter().all(|size| *size == 1) && b_batch.len() <= a_batch.len() {
            let all = a_batch.iter().product::<usize>() * rows;
            let a = self.reshaped(a, &[1, 1, all, inner])?;
            let b = b.reshape(&[1, 1, inner, columns])?;
            let folded = self.folded(product, &shape(a_batch), &[1, 1, all, columns])?;
            return self.tiled(&a, &b, &folded.product())?.reshape(&shape(a_batch));
        }
        let batch = broadcast(a_batch, b_batch)?;
        // Two batch dimensions: the last one, and all before it.
        let outer = batch.iter().rev().skip(1).product();
        let last = batch.last().copied().unwrap_or(1);
        let four = |tensor: &Tensor, own: [usize; 2]| {
            let whole = tensor.expand(&[&batch[..], &own].concat())?;
            self.reshaped(&whole, &[outer, last, own[0], own[1]])
        };
        let (a, b) = (four(a, [rows, inner])?, four(b, [inner, columns])?);
        let folded = self.folded(product, &shape(&batch), &[outer, last, rows, columns])?;
        self.tiled(&a, &b, &folded.product())?.reshape(&shape(&batch))
    }

    /// `x · weightsᵀ` of `[.., inner]` and weights of 4 bits: `[.., columns]`.
    pub fn matmul_nibbles(&self, x: &Tensor, weights: &Nibbles, product: &Product<'_>) -> Option<Tensor> {
        let (&[ref batch @ .., inner], &[columns, words]) = (x.shape(), weights.words.shape()) else { return None };
        let &[_, blocks] = weights.scales.shape() else { return None };
        if words * 8 != inner || blocks * weights.block != inner || !weights.block.is_multiple_of(8) {
            return None;
        }
        let rows = batch.iter().product();
        let x = self.reshaped(x, &[1, 1, rows, inner])?;
        let shape = [batch, &[columns]].concat();
        let folded = self.folded(product, &shape, &[1, 1, rows, columns])?;
        let mut extra = [0; 16];
        extra[..3].copy_from_slice(&[word(words)?, word(blocks)?, word(weights.block)?]);
        let right = Right {
            source: NIBBLES,
            prelude: String::new(),
            inputs: vec![("b: u32", &weights.words), ("scales", &weights.scales), ("zeros", &weights.zeros)],
            strides: [0; 4],
            offset: 0,
            inner_first: true,
            extra,
        };
        self.product(&x, &right, &Sizes { batch: [1, 1], rows, columns, inner }, &folded.product())?.reshape(&shape)
    }

    /// The product of tensors of four dimensions.
    fn tiled(&self, a: &Tensor, b: &Tensor, product: &Product<'_>) -> Option<Tensor> {
        let (&[outer, last, rows, inner], &[_, _, _, columns]) = (a.shape(), b.shape()) else { return None };
        let right = Right {
            source: STRIDED,
            prelude: String::new(),
            inputs: vec![("b", b)],
            strides: b.strides().try_into().ok()?,
            offset: b.offset(),
            inner_first: b.strides()[2] == 1 && columns > 1,
            extra: [0; 16],
        };
        self.product(a, &right, &Sizes { batch: [outer, last], rows, columns, inner }, product)
    }

    /// The product of `a`, of four dimensions, and a right operand. The bias and the residual have four dimensions.
    pub(super) fn product(
        &self,
        a: &Tensor,
        right: &Right<'_>,
        sizes: &Sizes,
        product: &Product<'_>,
    ) -> Option<Tensor> {
        let Sizes { batch: [outer, last], rows, columns, inner } = *sizes;
        let shape = [outer, last, rows, columns];
        let out = self.empty(&shape)?;
        let four = |strides: &[usize]| strides.iter().map(|stride| word(*stride)).collect::<Option<Vec<_>>>();
        let in_registers = self.is_software() && by_fours(a, right, sizes);
        let mut inputs = vec![(if in_registers { "a: vec4<f32>" } else { "a" }, a)];
        match in_registers {
            true => inputs.extend(right.inputs.iter().map(|(_, tensor)| ("b: vec4<f32>", *tensor))),
            false => inputs.extend(right.inputs.iter().copied()),
        }
        let (mut bias_strides, mut bias_offset) = ([0; 4].to_vec(), 0);
        let bias = product.bias.map(|bias| bias.expand(&shape));
        let mut linear = "p.alpha * product";
        if let Some(bias) = &bias {
            let bias = bias.as_ref()?;
            (bias_strides, bias_offset) = (bias.strides().to_vec(), bias.offset());
            inputs.push(("bias", bias));
            linear = "p.alpha * product + p.beta * bias[bias_at]";
        }
        let residual = product.residual.map(|residual| self.contiguous(residual)).transpose_none()?;
        let mut sum = "";
        if let Some(residual) = &residual {
            inputs.push(("residual", residual));
            sum = " + residual[to]";
        }
        let mut params = vec![word(rows)?, word(columns)?, word(inner)?, word(last)?];
        params.extend(four(a.strides())?);
        params.extend(four(&right.strides)?);
        params.extend(four(&bias_strides)?);
        params.extend(four(&[a.offset(), right.offset, bias_offset, 0])?);
        params.extend([product.alpha.to_bits(), product.beta.to_bits(), 0, 0]);
        params.extend(right.extra);
        let mut constants = format!(
            "const B_INNER_FIRST: bool = {};\n\
             fn epilogue(product: f32, to: u32, bias_at: u32) -> f32 {{\n    let x = {linear};\n    return {}{sum};\n}}\n",
            right.inner_first, product.activation
        );
        let all = [FUNCTIONS, PARAMS, right.source];
        let (source, library, workgroups) = if in_registers {
            constants += &format!("const LANES: u32 = {LANES}u;\n");
            (REGISTERS, &all[..2], [columns.div_ceil(8 * LANES), rows.div_ceil(8), outer * last])
        } else {
            let tile = tile(sizes);
            constants += &format!(
                "const BM: u32 = {}u;\nconst BN: u32 = {}u;\nconst BK: u32 = {}u;\nconst TM: u32 = {}u;\n\
                 const A_INNER_FIRST: bool = {};\n{}",
                tile.rows,
                tile.columns,
                tile.inner,
                tile.own_rows,
                a.strides()[3] == 1,
                right.prelude,
            );
            (TILES, &all[..], [columns.div_ceil(tile.columns), rows.div_ceil(tile.rows), outer * last])
        };
        let inputs = &inputs[..];
        let kernel = Kernel { source, library, constants, inputs, params: &params, workgroups, ..Kernel::default() };
        self.dispatch(&kernel, &out)?;
        Some(out)
    }

    /// `product` for a result in another shape.
    fn folded(&self, product: &Product<'_>, from: &[usize], to: &[usize]) -> Option<Folded> {
        let reshape = |tensor: &Tensor, whole: bool| {
            // A vector is one for every row, in any shape.
            if !whole && tensor.shape().len() == 1 {
                return Some(tensor.clone());
            }
            self.reshaped(&tensor.expand(from)?, to)
        };
        let bias = product.bias.map(|bias| reshape(bias, false)).transpose_none()?;
        let residual = product.residual.map(|residual| reshape(residual, true)).transpose_none()?;
        Some(Folded { alpha: product.alpha, beta: product.beta, bias, activation: product.activation.into(), residual })
    }
}

/// A [`Product`] that owns its tensors.
struct Folded {
    alpha: f32,
    beta: f32,
    bias: Option<Tensor>,
    activation: String,
    residual: Option<Tensor>,
}

impl Folded {
    fn product(&self) -> Product<'_> {
        let Self { alpha, beta, bias, activation, residual } = self;
        let (bias, residual) = (bias.as_ref(), residual.as_ref());
        Product { alpha: *alpha, beta: *beta, bias, activation, residual }
    }
}

/// Whether both operands can be read by four neighbours.
fn by_fours(a: &Tensor, right: &Right<'_>, sizes: &Sizes) -> bool {
    let [b_outer, b_last, b_inner, b_column] = right.strides;
    let (&[a_outer, a_last, a_row, a_inner], true) = (a.strides(), right.source == STRIDED) else { return false };
    let (neighbours, other) = if right.inner_first { (b_inner, b_column) } else { (b_column, b_inner) };
    let fours = [a_outer, a_last, a_row, a.offset(), b_outer, b_last, other, right.offset, sizes.columns, sizes.inner];
    a_inner == 1 && neighbours == 1 && fours.iter().all(|number| number.is_multiple_of(4))
}

/// What a workgroup computes: rows and columns, so many inner ones at a time, and rows of an invocation.
struct Tile {
    rows: usize,
    columns: usize,
    inner: usize,
    own_rows: usize,
}

/// The tile for a product. A workgroup has at most 128 invocations and 12 KB.
fn tile(sizes: &Sizes) -> Tile {
    let Sizes { batch, rows, columns, .. } = *sizes;
    let of = |rows, columns, own_rows| Tile { rows, columns, inner: 16, own_rows };
    let groups = |tile: &Tile| batch[0] * batch[1] * rows.div_ceil(tile.rows) * columns.div_ceil(tile.columns);
    let large = match rows {
        0..=4 => return of(4, 64, 4),
        5..=16 => of(16, 64, 8),
        17..=32 => of(32, 64, 8),
        _ => of(64, 64, 8),
    };
    // A small product is spread over more workgroups.
    if groups(&large) >= 32 { large } else { of(large.rows.min(16), 32, 4) }
}

/// The shape that both broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(own) => shape[own],
        None => 1,
    };
    let both = |axis| match (size(a, axis), size(b, axis)) {
        (a, b) if a == b => Some(a),
        (1, b) => Some(b),
        (a, 1) => Some(a),
        _ => None,
    };
    (0..rank).map(both).collect()
}

/// An option that may be missing, of something that may fail.
pub(super) trait TransposeNone<T> {
    /// `None` where it is there and failed.
    #[expect(clippy::option_option, reason = "missing, and failed, are two things")]
    fn transpose_none(self) -> Option<Option<T>>;
}

impl<T> TransposeNone<T> for Option<Option<T>> {
    fn transpose_none(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(inner) => inner.map(Some),
        }
    }
}
