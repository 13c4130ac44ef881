//! GroupQueryAttention: causal attention with a cache of keys and values, several query heads to each of them.

use burn::backend::flex::Layout;
use burn::tensor::{DType, Shape};

use super::super::attention::heads::{Heads, Mask, attend};
use super::super::attention::rotary::Tables;
use super::super::{Inputs, NodeSpec, Prepared, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::decoding;
use crate::kernels::exp::tanh;
use crate::kernels::norm;

/// Keys and values for this many tokens are allocated at once.
const STEP: usize = 256;

struct Settings {
    heads: usize,
    groups: usize,
    scale: Option<f32>,
    softcap: f32,
    /// The keys that a query sees; `None` for all before it.
    window: Option<usize>,
    rotary: bool,
    interleaved: bool,
    /// Added to the mean square of a head by its normalisation, where there is one.
    epsilon: f32,
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
        if heads % groups != 0 {
            return Err(format!("{heads} heads cannot share {groups} heads of keys"));
        }
        if attributes.flag("smooth_softmax", false)? || node.has(11) || node.outputs > 3 {
            return Err("smooth softmax, sinks and scores as outputs are not supported".to_string());
        }
        if node.has(12) || node.has(13) {
            return Err("quantised keys and values are not supported".to_string());
        }
        Ok(Self {
            heads,
            groups,
            scale: attributes.optional_float("scale")?.filter(|scale| *scale != 0.0),
            softcap: attributes.float("softcap", 0.0)?,
            window: usize::try_from(attributes.int("local_window_size", -1)?).ok().filter(|window| *window > 0),
            rotary: attributes.flag("do_rotary", false)?,
            interleaved: attributes.flag("rotary_interleaved", false)?,
            epsilon: attributes.float("qk_norm_epsilon", 1e-6)?,
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
        for (index, numbers) in [(14, &mut q), (15, &mut k)] {
            let Some(scale) = inputs.optional(index).map(host::to_f32s) else { continue };
            if scale.len() != size {
                return wrong(format!("the scales of heads have the length {}, expected {size}", scale.len()));
            }
            norm::root_mean_square(numbers, &scale, self.epsilon);
        }
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
        let bias = inputs.optional(10);
        if let [before] = before[..]
            && self.softcap == 0.0
            && bias.is_none()
        {
            let out = self.one_sequence(inputs, [&q, &k, &v], size, past, (before, total))?;
            return Ok(out.map(|tensor| host::cast(tensor, dtype)));
        }
        let [past_keys, past_values] = past;
        let room = past_keys.as_ref().map_or(0, |past| host::shape(past).get(2).copied().unwrap_or(0)).max(total);
        let cache = Cache { batch, groups: self.groups, room, size, sequence, before: &before };
        inputs.count(&[batch, self.groups, room, size])?;
        let (k, v) = (cache.joined(past_keys, &k)?, cache.joined(past_values, &v)?);
        let q = host::tensor(&[batch, sequence, self.heads, size], q).permute(&[0, 2, 1, 3]);
        let heads = Heads::new(q, k.clone(), v.clone(), self.scale)?;
        let bias = bias.map(|bias| Mask::new(bias, &heads)).transpose()?;
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

    /// The attention of a batch of one, whose keys and values are written behind the first `before` of the past: in place,
    /// where nothing else uses it and it has room, as an earlier run leaves it.
    fn one_sequence(
        &self,
        inputs: &Inputs<'_>,
        [q, k, v]: [&[f32]; 3],
        size: usize,
        past: [Option<HostTensor>; 2],
        (before, total): (usize, usize),
    ) -> Result<[HostTensor; 3]> {
        let &Self { heads, groups, scale, window, .. } = self;
        let sequence = q.len() / (heads * size);
        let [past_keys, past_values] = past;
        let ((mut keys, held), (mut values, of_values)) =
            (memory(past_keys, groups, size)?, memory(past_values, groups, size)?);
        // A past that is longer than what it holds is a buffer with room for the new ones.
        let length = held.max(total);
        if held != of_values || before > held || before.saturating_add(sequence) > length {
            return wrong(format!(
                "{before} keys and {sequence} new ones do not fit {length}, of which {held} keys and {of_values} values \
                 are there"
            ));
        }
        inputs.count(&[groups, length, size])?;
        let room = length.next_multiple_of(STEP);
        for (cache, new) in [(&mut keys, k), (&mut values, v)] {
            cache.grow(held, if length > cache.room { room } else { cache.room })?;
            cache.append(before, new);
        }
        let mut out = vec![0.0; inputs.count(&[sequence, heads * size])?];
        let scale = scale.unwrap_or(1.0 / (size as f32).sqrt());
        let settings = decoding::Settings { heads, groups, size, scale, window };
        decoding::attend(&settings, q, &keys, &values, before, &mut out);
        let out = host::tensor(&[1, sequence, heads * size], out);
        let [keys, values] = [keys, values].map(|cache| {
            let stride = cache.room * size;
            let strides = vec![(groups * stride) as isize, stride as isize, size as isize, 1];
            let layout = Layout::new(Shape::from(vec![1, groups, length, size]), strides, 0);
            host::tensor(&[groups, cache.room, size], cache.numbers).with_layout(layout)
        });
        Ok([out, keys, values])
    }
}

/// The memory of the keys or values of a past, `[1, groups, held, size]`, and how many there are. It is not copied where
/// nothing else uses it and no gaps are in it but behind the tokens of each head.
fn memory(past: Option<HostTensor>, groups: usize, size: usize) -> Result<(decoding::Cache, usize)> {
    let Some(past) = past.map(|past| host::cast(past, DType::F32)) else {
        return Ok((decoding::Cache { groups, size, room: 0, numbers: Vec::new() }, 0));
    };
    let held = match *host::shape(&past) {
        [1, of, held, width] if (of, width) == (groups, size) => held,
        ref shape => return wrong(format!("the past has the shape {shape:?}, expected [1, {groups}, any, {size}]")),
    };
    let (layout, numbers) = (past.layout(), past.bytes().len() / size_of::<f32>());
    let room = numbers / (groups * size);
    let strides = [(room * size) as isize, size as isize, 1];
    let whole = layout.start_offset() == 0 && layout.strides()[1..] == strides && numbers == groups * room * size;
    let (room, past) = match whole {
        true => (room, past.with_layout(Layout::contiguous(Shape::from(vec![groups, room, size])))),
        false => (held, host::contiguous(past)),
    };
    Ok((decoding::Cache { groups, size, room, numbers: host::into_vec(past) }, held))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_copied_only_where_something_else_uses_it() {
        // Two heads of four numbers, with three tokens and room for five.
        let whole = || {
            let layout = Layout::new(Shape::from(vec![1, 2, 3, 4]), vec![40, 20, 4, 1], 0);
            host::tensor(&[2, 5, 4], (0..40u8).map(f32::from).collect()).with_layout(layout)
        };
        let address = |tensor: &HostTensor| tensor.bytes().as_ptr();
        let (alone, cut, shared) = (whole(), whole().narrow(2, 0, 1), whole());
        let (addresses, other) = ([&alone, &cut, &shared].map(address), shared.clone());
        let memories = [alone, cut, shared].map(|past| memory(Some(past), 2, 4).expect("a past"));
        for (at, ((memory, held), of)) in memories.iter().zip(addresses).enumerate() {
            assert_eq!((memory.room, *held), (5, if at == 1 { 1 } else { 3 }));
            assert_eq!(memory.numbers[20], 20.0);
            assert_eq!(memory.numbers.as_ptr().cast::<u8>() == of, at < 2, "{at}");
        }
        assert_eq!(host::shape(&other), [1, 2, 3, 4]);
        // One that begins elsewhere has no room.
        let (memory, held) = memory(Some(whole().narrow(2, 1, 2)), 2, 4).expect("a past");
        assert_eq!((memory.room, held, memory.numbers.len(), memory.numbers[8]), (2, 2, 16, 24.0));
    }
}
