//! The attention of a decoder, with keys and values that stay on the GPU.

use super::attention::Attention;
use super::elementwise::word;
use super::kernel::{Kernel, Source, wgsl};
use super::queue::Gpu;
use super::tensor::Tensor;

const ROTARY: Source = wgsl!("rotary");
const ATTENTION: Source = wgsl!("attention_few");

/// The most queries for which each has a workgroup of its own.
const FEW: usize = 4;
/// Keys that a workgroup scores at once.
const LANES: usize = 128;
/// The largest size of a head: its numbers are in the memory of a workgroup.
const LARGEST: usize = 512;

/// Heads of a decoder.
#[derive(Clone, Copy)]
pub struct Heads {
    /// Of queries.
    pub heads: usize,
    /// Of keys and values, each for as many of queries.
    pub groups: usize,
    /// Their size.
    pub size: usize,
}

/// What is done to queries and keys before an attention.
pub struct Rotary<'a> {
    /// Cosines and sines of the tokens, `[tokens, angles]`.
    pub tables: [&'a Tensor; 2],
    /// Whether pairs of neighbours are rotated, and not the halves of a head.
    pub interleaved: bool,
    /// The scales of the normalisation of queries and keys, `[size]`, and what is added to the variance.
    pub norms: Option<([&'a Tensor; 2], f32)>,
}

/// The keys and values of the tokens so far, `[groups, room, size]` each.
#[derive(Clone)]
pub struct Cache {
    /// The keys.
    pub keys: Tensor,
    /// The values.
    pub values: Tensor,
}

impl Gpu {
    /// Takes queries, keys and values out of the rows of `x`, `[tokens, (heads + 2 · groups) · size]`; writes keys and values
    /// behind the first `before` tokens of `cache`, and gives the queries, `[tokens, heads, size]`.
    pub fn rotate_and_append(
        &self,
        x: &Tensor,
        heads: Heads,
        rotary: &Rotary<'_>,
        cache: &Cache,
        before: usize,
    ) -> Option<Tensor> {
        let (Heads { heads, groups, size }, x) = (heads, self.contiguous(x)?);
        let (&[tokens, width], &[_, room, _]) = (x.shape(), cache.keys.shape()) else { return None };
        let [cos, sin] = [self.contiguous(rotary.tables[0])?, self.contiguous(rotary.tables[1])?];
        let &[of_cos, angles] = cos.shape() else { return None };
        let fits = [&cache.keys, &cache.values].iter().all(|state| *state.shape() == [groups, room, size])
            && width == (heads + 2 * groups) * size
            && (of_cos, sin.shape()) == (tokens, cos.shape())
            && 2 * angles <= size
            && before + tokens <= room;
        if !fits || size > LARGEST {
            return None;
        }
        let mut inputs = vec![("x", &x), ("cos_of", &cos), ("sin_of", &sin)];
        let (scale, epsilon) = match rotary.norms {
            Some(([q, k], epsilon)) if [q, k].iter().all(|scale| *scale.shape() == [size] && scale.is_contiguous()) => {
                inputs.extend([("scale_of_q", q), ("scale_of_k", k)]);
                ("select(scale_of_q[i], scale_of_k[i], of_keys)", epsilon)
            }
            None => ("1.0", 0.0),
            Some(_) => return None,
        };
        let (norms, interleaved) = (rotary.norms.is_some(), rotary.interleaved);
        let lanes = size.next_power_of_two().clamp(16, 128);
        let constants = format!(
            "const LANES: u32 = {lanes}u;\nconst SIZE: u32 = {size}u;\nconst INTERLEAVED: bool = {interleaved};\n\
             const NORMS: bool = {norms};\nfn scale(of_keys: bool, i: u32) -> f32 {{\n    return {scale};\n}}\n"
        );
        let sizes = [heads, groups, angles, before, room];
        let mut params = sizes.into_iter().map(word).collect::<Option<Vec<_>>>()?;
        params.extend([epsilon.to_bits(), 0, 0]);
        let out = self.empty(&[tokens, heads, size])?;
        let kernel = Kernel {
            source: ROTARY,
            constants,
            inputs: &inputs,
            writes: &[("keys", &cache.keys), ("values", &cache.values)],
            params: &params,
            workgroups: [heads + 2 * groups, tokens, 1],
            ..Kernel::default()
        };
        self.dispatch(&kernel, &out)?;
        Some(out)
    }

    /// The attention of the queries `q`, `[tokens, heads, size]`, which are those of the tokens behind `attention.past` in
    /// `cache`: of the same shape.
    pub fn cached_attention(&self, q: &Tensor, cache: &Cache, attention: &Attention) -> Option<Tensor> {
        let (&[tokens, heads, size], &[groups, room, _]) = (q.shape(), cache.keys.shape()) else { return None };
        let total = attention.past + tokens;
        if groups == 0 || heads % groups != 0 || total > room {
            return None;
        }
        if tokens > FEW || size % 4 != 0 || size > LARGEST {
            let q = q.permute(&[1, 0, 2])?.reshape(&[1, heads, tokens, size])?;
            let used = |state: &Tensor| state.narrow(1, 0, total)?.reshape(&[1, groups, total, size]);
            let (k, v) = (used(&cache.keys)?, used(&cache.values)?);
            let out = self.attention([&q, &k, &v], None, &Attention { causal: true, ..*attention })?;
            return self.reshaped(&out.permute(&[0, 2, 1, 3])?, &[tokens, heads, size]);
        }
        let constants = format!("const LANES: u32 = {LANES}u;\nconst D: u32 = {size}u;\n");
        let sizes = [heads / groups, room, attention.past, attention.window.unwrap_or(0)];
        let mut params = sizes.into_iter().map(word).collect::<Option<Vec<_>>>()?;
        params.push(attention.scale.to_bits());
        let out = self.empty(&[tokens, heads, size])?;
        let q = self.contiguous(q)?;
        let kernel = Kernel {
            source: ATTENTION,
            constants,
            inputs: &[("q: vec4<f32>", &q), ("keys: vec4<f32>", &cache.keys), ("values", &cache.values)],
            params: &params,
            workgroups: [heads, tokens, 1],
            ..Kernel::default()
        };
        self.dispatch(&kernel, &out)?;
        Some(out)
    }
}
