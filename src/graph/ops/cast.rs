//! Cast, CastLike and BitCast.

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, one, wrong};
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::encoding::{Encoding, Format, Round};
use crate::graph::host::{self, BOOL, HostTensor};
use crate::graph::import;

pub static OPS: &[Op] = &[
    Op::new("BitCast", Accepts::Any, &[Gives::Says("to", DType::F32)], bit_cast),
    Op::new("Cast", Accepts::Any, &[Gives::Says("to", DType::F32)], cast).encoded(),
    Op::new("CastLike", Accepts::Any, &[Gives::As(1)], cast_like).encoded(),
];

fn target(node: &NodeSpec<'_>) -> Result<i64, Refusal> {
    Ok(node.attributes.optional_int("to")?.ok_or("the attribute to is missing")?)
}

/// The type of a cast, and how small floats are rounded.
#[derive(Clone, Copy)]
struct Casting {
    from: Option<Encoding>,
    to: Option<Encoding>,
    saturate: bool,
    round: Round,
}

impl Casting {
    fn new(node: &NodeSpec<'_>, to: Option<Encoding>) -> Result<Self, Refusal> {
        let saturate = node.attributes.flag("saturate", true)?;
        // For floats that are powers of two alone.
        let round = match node.attributes.string("round_mode", "up")? {
            _ if to != Some(Encoding::Float(Format::E8M0)) => Round::Nearest,
            "up" => Round::Up,
            "down" => Round::Down,
            "nearest" => Round::Nearest,
            other => return Err(format!("the attribute round_mode is '{other}', which is not supported")),
        };
        Ok(Self { from: node.encoding(0), to, saturate, round })
    }

    /// The input 0 as elements of the type `dtype`, or of the encoding.
    fn cast(self, inputs: &mut Inputs<'_>, dtype: DType) -> Result<Vec<HostTensor>> {
        one(match (self.from, self.to) {
            (Some(Encoding::Text), Some(Encoding::Text)) => inputs.take(0)?,
            (Some(Encoding::Text), to) => {
                let number = parsed(inputs, dtype)?;
                to.map_or(number.clone(), |to| to.encode(number, self.saturate, self.round))
            }
            (from, to) => {
                let x = inputs.take(0)?;
                let x = from.map_or(x.clone(), |from| from.decode(x));
                match to {
                    Some(Encoding::Text) => {
                        let texts = texts(&x);
                        inputs.text_tensor(host::shape(&x), texts.iter().map(String::as_str))
                    }
                    Some(to) => to.encode(x, self.saturate, self.round),
                    None => host::cast(x, dtype),
                }
            }
        })
    }
}

/// The numbers that strings say.
fn parsed(inputs: &mut Inputs<'_>, dtype: DType) -> Result<HostTensor> {
    let (shape, texts) = inputs.texts(0)?;
    let wrong = || Error::invalid_input("a string that is cast to a number does not say one");
    if host::is_float(dtype) {
        let numbers = texts.iter().map(|text| text.trim().parse::<f64>().map_err(|_| wrong()));
        return Ok(host::from_f64s(dtype, &shape, &numbers.collect::<Result<Vec<_>>>()?));
    }
    let integer = |text: &str| text.parse::<i64>().ok().or_else(|| Some(text.parse::<f64>().ok()? as i64));
    let numbers = texts.iter().map(|text| integer(text.trim()).ok_or_else(wrong));
    Ok(host::from_i64s(dtype, &shape, &numbers.collect::<Result<Vec<_>>>()?))
}

/// Numbers as strings, with the digits that onnxruntime gives.
fn texts(x: &HostTensor) -> Vec<String> {
    match x.dtype() {
        DType::F64 => host::to_f64s(x).into_iter().map(|x| general(x, 17)).collect(),
        dtype if host::is_float(dtype) => host::to_f64s(x).into_iter().map(|x| general(x, 8)).collect(),
        DType::U64 => host::to_i64s(x).into_iter().map(|x| x.cast_unsigned().to_string()).collect(),
        _ => host::to_i64s(x).into_iter().map(|x| x.to_string()).collect(),
    }
}

/// A number with this many significant digits, as C's `%g` writes it.
fn general(x: f64, digits: usize) -> String {
    if x.is_nan() {
        return "NaN".to_string();
    }
    if x.is_infinite() {
        return if x > 0.0 { "INF" } else { "-INF" }.to_string();
    }
    let trimmed = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text.to_string() }
    };
    let scientific = format!("{x:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>().unwrap_or(0) {
        exponent if exponent < -4 || exponent >= digits as i32 => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
        }
        exponent => trimmed(&format!("{x:.*}", (digits as i32 - 1 - exponent) as usize)),
    }
}

fn cast(node: &NodeSpec<'_>) -> Prepared {
    let number = target(node)?;
    let dtype = import::dtype(number).map_err(|error| error.to_string())?;
    let casting = Casting::new(node, Encoding::of_number(number))?;
    Ok(Box::new(move |inputs| casting.cast(inputs, dtype)))
}

fn cast_like(node: &NodeSpec<'_>) -> Prepared {
    let casting = Casting::new(node, node.encoding(1))?;
    Ok(Box::new(move |inputs| {
        let dtype = inputs.take(1)?.dtype();
        casting.cast(inputs, dtype)
    }))
}

fn bit_cast(node: &NodeSpec<'_>) -> Prepared {
    let dtype = import::dtype(target(node)?).map_err(|error| error.to_string())?;
    let fits = move |from: DType| host::size_of(from) == host::size_of(dtype) && (dtype != BOOL || from == BOOL);
    if let Some(from) = node.dtype(0).filter(|from| !fits(*from)) {
        return Err(format!("{from:?} cannot be bit-cast to {dtype:?}: their sizes differ"));
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.contiguous(0)?;
        if !fits(x.dtype()) {
            return wrong(format!("{:?} cannot be bit-cast to {dtype:?}: their sizes differ", x.dtype()));
        }
        let layout = x.layout().clone();
        one(HostTensor::new(host::into_bytes(x), layout, dtype))
    }))
}
