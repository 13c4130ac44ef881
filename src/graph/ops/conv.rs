//! Convolutions: Conv, FusedConv, ConvInteger and CausalConvWithState.

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::cost::CostRule;
use crate::graph::host::{self, HostTensor};
use crate::kernels::activation::Activation;
use crate::kernels::conv::{Axis, Conv, three};

mod transpose;

pub static OPS: &[Op] = &[
    Op::new("Conv", Accepts::Singles, SAME, conv).costs(CostRule::Conv { weights: 1 }).gpu(on_gpu!(conv::conv)),
    Op::own("Conv", Accepts::Singles, SAME, conv).costs(CostRule::Conv { weights: 1 }).gpu(on_gpu!(conv::conv)),
    Op::contrib("FusedConv", Accepts::Singles, SAME, fused_conv).costs(CostRule::Conv { weights: 1 }),
    Op::new("ConvTranspose", Accepts::Singles, SAME, transpose::conv_transpose)
        .costs(CostRule::ConvTranspose)
        .gpu(on_gpu!(conv::conv_transpose)),
    Op::new("CausalConvWithState", Accepts::Singles, SAME, causal_conv).costs(CostRule::Conv { weights: 1 }),
    Op::new("ConvInteger", Accepts::Integers, &[Gives::Is(DType::I32)], conv_integer)
        .costs(CostRule::Conv { weights: 1 }),
];

/// The attributes of a convolution.
pub struct Window {
    kernel: Option<Vec<usize>>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// The padding before each dimension, then that after each.
    pads: Vec<usize>,
    auto: Auto,
    pub groups: usize,
}

/// The attribute auto_pad.
#[derive(Clone, Copy, PartialEq)]
pub enum Auto {
    /// Explicit padding.
    Not,
    /// Padding for ⌈input / stride⌉ outputs; the odd element is at the end.
    SameUpper,
    /// The same, with the odd element at the beginning.
    SameLower,
    /// No padding.
    Valid,
}

impl Window {
    /// The attributes' defaults.
    const PLAIN: Self =
        Self { kernel: None, strides: Vec::new(), dilations: Vec::new(), pads: Vec::new(), auto: Auto::Not, groups: 1 };

    /// Reads the attributes.
    ///
    /// # Errors
    /// One is invalid.
    pub fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        Self::new_with_weights(node, 1)
    }

    /// Reads the attributes of an operator whose weights are its input at `index`.
    ///
    /// # Errors
    /// One is invalid.
    pub fn new_with_weights(node: &NodeSpec<'_>, index: usize) -> Result<Self, Refusal> {
        let sizes = |name: &str, least: i64| -> Result<Option<Vec<usize>>, Refusal> {
            let Some(values) = node.attributes.ints(name)? else { return Ok(None) };
            if values.len() > 6 || values.iter().any(|value| *value < least) {
                return Err(format!("the attribute {name} is {values:?}, which is out of range"));
            }
            let sizes = values.iter().map(|value| usize::try_from(*value).map_err(|error| error.to_string()));
            sizes.collect::<Result<_, _>>().map(Some)
        };
        let auto = match node.attributes.string("auto_pad", "NOTSET")? {
            "NOTSET" | "" => Auto::Not,
            "SAME_UPPER" => Auto::SameUpper,
            "SAME_LOWER" => Auto::SameLower,
            "VALID" => Auto::Valid,
            other => return Err(format!("the attribute auto_pad is {other}, which is not supported")),
        };
        let groups = node.attributes.int("group", 1)?;
        let window = Self {
            kernel: sizes("kernel_shape", 1)?,
            strides: sizes("strides", 1)?.unwrap_or_default(),
            dilations: sizes("dilations", 1)?.unwrap_or_default(),
            pads: sizes("pads", 0)?.unwrap_or_default(),
            auto,
            groups: usize::try_from(groups)
                .ok()
                .filter(|groups| *groups > 0)
                .ok_or(format!("the attribute group is {groups}, expected a positive number"))?,
        };
        let rank = node.constant(index).map(|weights| host::shape(weights).len().saturating_sub(2));
        match rank.or(window.kernel.as_ref().map(Vec::len)) {
            Some(rank @ (0 | 4..)) => Err(format!("{rank} spatial dimensions are not supported, expected 1 to 3")),
            _ => Ok(window),
        }
    }

    /// The spatial dimensions of a convolution of `input` with a kernel of the sizes `kernel`.
    ///
    /// # Errors
    /// Invalid input: they do not fit each other or the attributes.
    pub fn axes(&self, input: &[usize], kernel: &[usize]) -> Result<Vec<Axis>> {
        self.check(input.len(), kernel)?;
        let axis = |at: usize| -> Option<Axis> {
            let (stride, dilation) = self.step(at);
            let (input, kernel) = (input[at], kernel[at]);
            let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
            let (before, after) = match self.auto {
                Auto::Not => self.pad(at),
                Auto::Valid => (0, 0),
                Auto::SameUpper | Auto::SameLower => {
                    let wanted = input.div_ceil(stride).saturating_sub(1).checked_mul(stride)?.checked_add(reach)?;
                    let whole = wanted.saturating_sub(input);
                    if self.auto == Auto::SameUpper {
                        (whole / 2, whole - whole / 2)
                    } else {
                        (whole - whole / 2, whole / 2)
                    }
                }
            };
            let padded = before.checked_add(input)?.checked_add(after)?;
            let output = padded.checked_sub(reach)? / stride + 1;
            Some(Axis { input, kernel, stride, dilation, before, output })
        };
        (0..input.len()).map(axis).collect::<Option<Vec<_>>>().ok_or_else(|| {
            crate::error::Error::invalid_input(format!(
                "a kernel of the size {kernel:?} does not fit an input of the size {input:?}"
            ))
        })
    }

    /// Whether the attributes are for `rank` spatial dimensions and this kernel.
    fn check(&self, rank: usize, kernel: &[usize]) -> Result<()> {
        let fits = |sizes: &[usize], wanted: usize| sizes.is_empty() || sizes.len() == wanted;
        if !(1..=3).contains(&rank)
            || kernel.len() != rank
            || self.kernel.as_ref().is_some_and(|sizes| sizes != kernel)
            || !(fits(&self.strides, rank) && fits(&self.dilations, rank) && fits(&self.pads, 2 * rank))
        {
            return wrong(format!(
                "the attributes do not fit a kernel of the size {kernel:?} and {rank} spatial dimensions"
            ));
        }
        Ok(())
    }

    fn step(&self, at: usize) -> (usize, usize) {
        let or_one = |sizes: &[usize]| sizes.get(at).copied().unwrap_or(1);
        (or_one(&self.strides), or_one(&self.dilations))
    }

    fn pad(&self, at: usize) -> (usize, usize) {
        let or_none = |at: usize| self.pads.get(at).copied().unwrap_or(0);
        (or_none(at), or_none(at + self.pads.len() / 2))
    }
}

fn conv(node: &NodeSpec<'_>) -> Prepared {
    run_conv(Window::new(node)?, node.attributes.activation()?)
}

/// onnxruntime's FusedConv.
fn fused_conv(node: &NodeSpec<'_>) -> Prepared {
    let parameters = node.attributes.floats("activation_params")?.unwrap_or_default();
    let parameter = |at: usize, default: f32| parameters.get(at).copied().unwrap_or(default);
    let activation = match node.attributes.string("activation", "")? {
        "" => None,
        "Relu" => Some(Activation::Relu),
        "Sigmoid" => Some(Activation::Sigmoid),
        "Tanh" => Some(Activation::Tanh),
        "Clip" => Some(Activation::Clip(parameter(0, f32::NEG_INFINITY), parameter(1, f32::INFINITY))),
        "HardSigmoid" => Some(Activation::HardSigmoid(parameter(0, 0.2), parameter(1, 0.5))),
        other => return Err(format!("the activation '{other}' is not supported")),
    };
    if node.has(3) {
        return Err("the input Z is not supported".to_string());
    }
    run_conv(Window::new(node)?, activation)
}

fn run_conv(window: Window, activation: Option<Activation>) -> Prepared {
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        let x = host::contiguous(host::cast(x, DType::F32));
        let weights = inputs.floats(1)?;
        let bias = inputs.optional(2).map(|bias| host::contiguous(host::cast(bias, DType::F32)));
        one(host::cast(floats(&window, &x, &weights, bias.as_ref(), activation, inputs)?, dtype))
    }))
}

/// The convolution of 32-bit floats.
///
/// # Errors
/// Invalid input: shapes do not fit.
pub fn floats(
    window: &Window,
    x: &HostTensor,
    weights: &HostTensor,
    bias: Option<&HostTensor>,
    activation: Option<Activation>,
    inputs: &Inputs<'_>,
) -> Result<HostTensor> {
    let (shape_x, shape_w) = (host::shape(x), host::shape(weights));
    let ([images, all_channels, input @ ..], [all_features, channels, kernel @ ..]) = (shape_x, shape_w) else {
        return wrong(format!("the shapes {shape_x:?} and {shape_w:?} cannot be convolved"));
    };
    let groups = window.groups;
    if groups == 0 || channels.checked_mul(groups) != Some(*all_channels) || all_features % groups != 0 {
        return wrong(format!(
            "weights of the shape {shape_w:?} in {groups} groups do not fit an input of the shape {shape_x:?}"
        ));
    }
    check_bias(bias, *all_features)?;
    let axes = window.axes(input, kernel)?;
    let mut shape = vec![*images, *all_features];
    shape.extend(axes.iter().map(|axis| axis.output));
    let mut out = vec![0.0; inputs.count(&shape)?];
    if !out.is_empty() {
        let conv =
            Conv { images: *images, groups, channels: *channels, features: all_features / groups, axes: three(&axes) };
        conv.run(host::slice(x), host::slice(weights), bias.map(host::slice::<f32>), activation, &mut out);
    }
    Ok(host::tensor(&shape, out))
}

/// Checks that a bias has one number for each of `count` channels.
///
/// # Errors
/// Invalid input: it has not.
pub fn check_bias(bias: Option<&HostTensor>, count: usize) -> Result<()> {
    match bias {
        Some(bias) if host::shape(bias) != [count] => {
            wrong(format!("the bias has the shape {:?}, expected [{count}]", host::shape(bias)))
        }
        _ => Ok(()),
    }
}

/// A causal depthwise convolution, whose state is the end of its input.
fn causal_conv(node: &NodeSpec<'_>) -> Prepared {
    let activation = match node.attributes.string("activation", "none")? {
        "none" => None,
        "silu" | "swish" => Some(Activation::Swish(1.0)),
        other => return Err(format!("the activation '{other}' is not supported")),
    };
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        let weights = inputs.floats(1)?;
        let mut single = |index| inputs.optional(index).map(|x| host::contiguous(host::cast(x, DType::F32)));
        let (bias, past) = (single(2), single(3));
        let x = host::cast(x, DType::F32);
        let (&[images, count, _], &[_, _, kernel]) = (host::shape(&x), host::shape(&weights)) else {
            return wrong("the input and the weights must have 3 dimensions");
        };
        let before = [images, count, kernel.saturating_sub(1)];
        let zeros = inputs.count(&before)?;
        let past = past.unwrap_or_else(|| host::tensor(&before, vec![0.0f32; zeros]));
        if host::shape(&past) != before {
            return wrong(format!("the state has the shape {:?}, expected {before:?}", host::shape(&past)));
        }
        let whole = super::concat(vec![past, x], 2)?;
        let window = Window { groups: count, ..Window::PLAIN };
        let out = floats(&window, &whole, &weights, bias.as_ref(), activation, inputs)?;
        let last = whole.narrow(2, host::shape(&whole)[2] - before[2], before[2]);
        Ok(vec![host::cast(out, dtype), host::cast(host::contiguous(last), dtype)])
    }))
}

/// ConvInteger, by 32-bit floats: sums are exact up to 2²⁴.
fn conv_integer(node: &NodeSpec<'_>) -> Prepared {
    let window = Window::new(node)?;
    Ok(Box::new(move |inputs| {
        let (x, weights) = (inputs.take(0)?, inputs.take(1)?);
        let (zero_x, zero_w) = (inputs.optional(2), inputs.optional(3));
        let x = super::quantize::centred(x, zero_x, 1)?;
        let weights = super::quantize::centred(weights, zero_w, 0)?;
        one(host::cast(floats(&window, &x, &weights, None, None, inputs)?, DType::I32))
    }))
}
