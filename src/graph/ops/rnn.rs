//! Recurrent networks: RNN, GRU and LSTM.

use burn::tensor::DType;

use super::{Accepts, NodeSpec, Op, Prepared, SAME, wrong};
use crate::error::Result;
use crate::graph::cost::CostRule;
use crate::graph::host::{self, HostTensor};
use cell::{Cell, Kind};

mod activation;
mod cell;

pub static OPS: &[Op] = &[
    Op::new("LSTM", Accepts::Singles, SAME, |node| {
        let coupled = node.attributes.flag("input_forget", false)?;
        network(node, Kind::Lstm { coupled }, &["Sigmoid", "Tanh", "Tanh"])
    })
    .costs(CostRule::Rnn),
    Op::new("GRU", Accepts::Singles, SAME, |node| {
        let linear_before_reset = node.attributes.flag("linear_before_reset", false)?;
        network(node, Kind::Gru { linear_before_reset }, &["Sigmoid", "Tanh"])
    })
    .costs(CostRule::Rnn),
    Op::new("RNN", Accepts::Singles, SAME, |node| network(node, Kind::Rnn, &["Tanh"])).costs(CostRule::Rnn),
];

fn network(node: &NodeSpec<'_>, kind: Kind, default: &[&str]) -> Prepared {
    let (directions, backwards) = match node.attributes.string("direction", "forward")? {
        "forward" => (1, false),
        "reverse" => (1, true),
        "bidirectional" => (2, false),
        other => return Err(format!("the attribute direction is '{other}', which is not supported")),
    };
    let activations = activation::read(node, default, directions)?;
    let clip = node.attributes.float("clip", 0.0)?;
    let hidden_size = node.attributes.optional_int("hidden_size")?;
    let batch_first = node.attributes.flag("layout", false)?;
    // An attribute of the first opsets; outputs that are not used are not computed anyway.
    node.attributes.get("output_sequence");
    if clip < 0.0 || clip.is_nan() {
        return Err(format!("the attribute clip is {clip}, which is not supported"));
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        // In that layout the batch comes first: it is transposed.
        let turn = |x: HostTensor| if batch_first { swap(x) } else { Ok(x) };
        let x = host::contiguous(host::cast(turn(x)?, DType::F32));
        let (w, r) = (inputs.floats(1)?, inputs.floats(2)?);
        let (&[steps, batch, input], &[_, wide, hidden]) = (host::shape(&x), host::shape(&r)) else {
            return wrong("the inputs X, W and R must have 3 dimensions");
        };
        let gates = kind.gates();
        if hidden == 0
            || Some(wide) != hidden.checked_mul(gates)
            || host::shape(&r)[0] != directions
            || host::shape(&w) != [directions, wide, input]
            || hidden_size.is_some_and(|size| usize::try_from(size) != Ok(hidden))
        {
            let shapes = (host::shape(&x), host::shape(&w), host::shape(&r));
            return wrong(format!("the inputs have the shapes {shapes:?}, which do not fit"));
        }
        inputs.count(&[steps, batch, wide])?;
        let mut part = |index: usize, shape: &[usize], batched: bool| -> Result<Option<HostTensor>> {
            let Some(part) = inputs.optional(index) else { return Ok(None) };
            let part = host::contiguous(host::cast(if batched { turn(part)? } else { part }, DType::F32));
            if host::shape(&part) != shape {
                return wrong(format!("the input {index} has the shape {:?}, expected {shape:?}", host::shape(&part)));
            }
            Ok(Some(part))
        };
        let bias = part(3, &[directions, 2 * wide], false)?;
        let states = [directions, batch, hidden];
        let (h, c) = (part(5, &states, true)?, part(6, &states, true)?);
        let peepholes = part(7, &[directions, 3 * hidden], false)?;
        let lengths = inputs.optional_ints(4).unwrap_or_else(|| vec![steps as i64; batch]);
        let lengths: Vec<usize> = lengths.iter().map(|length| usize::try_from(*length).unwrap_or(0)).collect();
        if lengths.len() != batch || lengths.iter().any(|length| *length > steps) {
            return wrong(format!("the sequence lengths are {lengths:?}, expected {batch} of at most {steps}"));
        }
        let size = inputs.count(&states)?;
        let all = |state: Option<HostTensor>| state.map_or_else(|| vec![0.0; size], host::to_f32s);
        let (mut h, mut c) = (all(h), all(c));
        let mut y = vec![0.0; inputs.count(&[steps, directions, batch, hidden])?];
        for direction in 0..directions {
            let of = |tensor: &HostTensor| -> std::ops::Range<usize> {
                let size = tensor.layout().num_elements() / directions;
                direction * size..(direction + 1) * size
            };
            let cell = Cell {
                kind,
                hidden,
                batch,
                w: &host::slice(&w)[of(&w)],
                r: &host::slice(&r)[of(&r)],
                bias: bias.as_ref().map(|bias| &host::slice(bias)[of(bias)]),
                peepholes: peepholes.as_ref().map(|peepholes| &host::slice(peepholes)[of(peepholes)]),
                activations: &activations[direction * activations.len() / directions..],
                clip,
            };
            let state = direction * batch * hidden..(direction + 1) * batch * hidden;
            let states = (&mut h[state.clone()], &mut c[state]);
            cell.run(host::slice(&x), steps, backwards || direction == 1, &lengths, states, |step, row, h| {
                y[((step * directions + direction) * batch + row) * hidden..][..hidden].copy_from_slice(h);
            });
        }
        let y = host::tensor(&[steps, directions, batch, hidden], y);
        let y = if batch_first { y.permute(&[2, 0, 1, 3]) } else { y };
        let state = |state: Vec<f32>| Ok(host::cast(turn(host::tensor(&states, state))?, dtype));
        let mut outputs = vec![host::cast(y, dtype), state(h)?];
        if gates == 4 {
            outputs.push(state(c)?);
        }
        Ok(outputs)
    }))
}

/// The tensor with its first two dimensions exchanged.
fn swap(x: HostTensor) -> Result<HostTensor> {
    match host::shape(&x).len() {
        3 => Ok(x.permute(&[1, 0, 2])),
        rank => wrong(format!("a tensor has {rank} dimensions, expected 3")),
    }
}
