//! GroupQueryAttention: causal attention with a cache of keys and values, several query heads to each of them.

use burn::tensor::DType;

use super::super::attention::heads::{Heads, Mask, attend};
use super::super::attention::rotary::Tables;
use super::super::{Inputs, NodeSpec, Prepared, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::exp::tanh;

struct Settings {
    heads: usize,
    groups: usize,
    scale: Option<f32>,
    softcap: f32,
    /// The keys that a query sees; `None` for all before it.
    window: Option<usize>,
    rotary: bool,
    interleaved: bool,
}

impl Settings {
    fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let attributes = node.attributes;
        let positive = |name: &str| {
            let value = attributes.int(name, 0)?;
            usize::try_from(value)
                .ok()
                .filter(|value| (1..1 << 16).contains(value))
                .ok_or(format!("the attribute {name} is {value}"))
        };
        let (heads, groups) = (positive("num_heads")?, positive("kv_num_heads")?);
        if attributes.flag("smooth_softmax", false)? || node.has(11) || node.outputs > 3 {
            return Err("smooth softmax, sinks and scores as outputs are not supported".to_string());
        }
        Ok(Self {
            heads,
            groups,
            scale: attributes.optional_float("scale")?.filter(|scale| *scale != 0.0),
            softcap: attributes.float("softcap", 0.0)?,
            window: usize::try_from(attributes.int("local_window_size", -1)?).ok(),
            rotary: attributes.flag("do_rotary", false)?,
            interleaved: attributes.flag("rotary_interleaved", false)?,
        })
    }
}

/// # Source
/// onnxruntime's ContribOperators.md, "com.microsoft.GroupQueryAttention".
pub fn attention(node: &NodeSpec<'_>) -> Prepared {
    let settings = Settings::new(node)?;
    let outputs = node.outputs;
    Ok(Box::new(move |inputs| Ok(settings.run(inputs)?.into_iter().take(outputs).collect())))
}

impl Settings {
    /// The attention, and the keys and values with the past.
    fn run(&self, inputs: &mut Inputs<'_>) -> Result<[HostTensor; 3]> {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        let x = host::cast(x, DType::F32);
        let (k, v) = (inputs.optional(1), inputs.optional(2));
        let &[batch, sequence, width] = host::shape(&x) else {
            return wrong("the query must be [batch, sequence, hidden]");
        };
        let (q, k, v, size) = match (k, v) {
            (Some(k), Some(v)) => (x, k, v, width / self.heads),
            _ => {
                let size = width / (self.heads + 2 * self.groups);
                let (own, shared) = (self.heads * size, self.groups * size);
                if own + 2 * shared != width {
                    return wrong(format!("a width of {width} cannot be split into queries, keys and values"));
                }
                (x.narrow(2, 0, own), x.narrow(2, own, shared), x.narrow(2, own + shared, shared), size)
            }
        };
        let fits = |x: &HostTensor, heads: usize| host::shape(x) == [batch, sequence, heads * size];
        if size == 0 || !fits(&q, self.heads) || !fits(&k, self.groups) || !fits(&v, self.groups) {
            return wrong("the shapes of queries, keys and values do not fit the numbers of heads");
        }
        let past = [inputs.optional(3), inputs.optional(4)];
        let (lengths, total) = (inputs.ints(5)?, inputs.ints(6)?);
        let &[total] = &total[..] else { return wrong("the total sequence length must be one number") };
        let total = super::super::size(total)?;
        if lengths.len() != batch {
            return wrong(format!("there are {} lengths, expected {batch}", lengths.len()));
        }
        // How many keys of each row are before the new ones: none where all of them are new.
        let before = lengths.iter().map(|length| {
            let keys = super::super::size(length.saturating_add(1))?;
            Ok(if total == sequence { 0 } else { keys.saturating_sub(sequence) })
        });
        let before = before.collect::<Result<Vec<usize>>>()?;
        let (mut q, mut k, v) = (host::to_f32s(q), host::to_f32s(k), host::to_f32s(v));
        if self.rotary {
            let (cos, sin) = (inputs.floats(7)?, inputs.floats(8)?);
            let half = host::shape(&cos).last().copied().unwrap_or(0);
            if 2 * half > size {
                return wrong(format!("cos_cache has {half} angles, which do not fit heads of {size}"));
            }
            let positions = inputs.optional_ints(9).unwrap_or_else(|| {
                before.iter().flat_map(|before| (0..sequence).map(move |at| (before + at) as i64)).collect()
            });
            let tables = Tables::new(cos, sin, half)?;
            tables.rotate(&mut q, (self.heads, size), &positions, self.interleaved)?;
            tables.rotate(&mut k, (self.groups, size), &positions, self.interleaved)?;
        }
        let [past_keys, past_values] = past;
        let room = past_keys.as_ref().map_or(0, |past| host::shape(past).get(2).copied().unwrap_or(0)).max(total);
        let cache = Cache { batch, groups: self.groups, room, size, sequence, before: &before };
        inputs.count(&[batch, self.groups, room, size])?;
        let (k, v) = (cache.joined(past_keys, &k)?, cache.joined(past_values, &v)?);
        let q = host::tensor(&[batch, sequence, self.heads, size], q).permute(&[0, 2, 1, 3]);
        let heads = Heads::new(q, k.clone(), v.clone(), self.scale)?;
        let bias = inputs.optional(10).map(|bias| Mask::new(bias, &heads)).transpose()?;
        let mut out = vec![0.0; inputs.count(&heads.shape())?];
        let adjust = |at: (usize, usize, usize), scores: &mut [f32]| {
            if self.softcap > 0.0 {
                scores.iter_mut().for_each(|score| *score = self.softcap * tanh(*score / self.softcap));
            }
            if let Some(bias) = &bias {
                bias.add(at, scores);
            }
            let seen = (before[at.0] + at.2 + 1).min(scores.len());
            scores[seen..].fill(f32::NEG_INFINITY);
            if let Some(window) = self.window {
                scores[..seen.saturating_sub(window)].fill(f32::NEG_INFINITY);
            }
        };
        attend(&heads, &mut out, true, adjust);
        let out = host::tensor(&[batch, sequence, self.heads * size], out);
        Ok([out, k, v].map(|tensor| host::cast(tensor, dtype)))
    }
}

/// The layout of keys or values with the past: `[batch, groups, room, size]`.
struct Cache<'a> {
    batch: usize,
    groups: usize,
    room: usize,
    size: usize,
    /// The new ones, and how many are before them in each row of the batch.
    sequence: usize,
    before: &'a [usize],
}

impl Cache<'_> {
    /// The past with the new ones, `[batch, sequence, groups, size]`, behind it.
    fn joined(&self, past: Option<HostTensor>, new: &[f32]) -> Result<HostTensor> {
        let &Self { batch, groups, room, size, sequence, .. } = self;
        let past = past.map(|past| host::contiguous(host::cast(past, DType::F32)));
        let held = match past.as_ref().map(host::shape) {
            None => 0,
            Some(&[of_batch, heads, held, width]) if (of_batch, heads, width) == (batch, groups, size) => held,
            Some(shape) => {
                return wrong(format!("the past has the shape {shape:?}, expected [{batch}, {groups}, any, {size}]"));
            }
        };
        let past = past.as_ref().map_or(&[][..], |past| host::slice::<f32>(past));
        let mut all = vec![0f32; batch * groups * room * size];
        for (row, before) in self.before.iter().enumerate() {
            if *before > held || before + sequence > room {
                return wrong(format!(
                    "{before} keys and {sequence} new ones do not fit {room}, of which {held} are there"
                ));
            }
            for group in 0..groups {
                let to = &mut all[(row * groups + group) * room * size..][..room * size];
                to[..before * size].copy_from_slice(&past[(row * groups + group) * held * size..][..before * size]);
                for at in 0..sequence {
                    let from = ((row * sequence + at) * groups + group) * size;
                    to[(before + at) * size..][..size].copy_from_slice(&new[from..][..size]);
                }
            }
        }
        Ok(host::tensor(&[batch, groups, room, size], all))
    }
}
