//! ConvTranspose.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, one, wrong};
use super::{Auto, Window, check_bias};
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::host;
use crate::kernels::conv::{Axis, Conv, three, transpose};

/// The attributes that a convolution does not have.
struct Output {
    padding: Vec<i64>,
    shape: Option<Vec<i64>>,
}

impl Output {
    fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let shape = node.attributes.ints("output_shape")?;
        Ok(Self { padding: node.attributes.ints("output_padding")?.unwrap_or_default(), shape })
    }

    /// The spatial dimensions of the convolution that this is the transpose of: its outputs are `input`.
    ///
    /// # Source
    /// The ONNX specification of ConvTranspose, "total_padding" and "output_shape".
    fn axes(&self, window: &Window, input: &[usize], kernel: &[usize]) -> Result<Vec<Axis>> {
        window.check(input.len(), kernel)?;
        let rank = input.len();
        let shape = self.shape.as_ref().map(|shape| &shape[shape.len().saturating_sub(rank)..]);
        if shape.is_some_and(|shape| shape.len() != rank) || ![0, rank].contains(&self.padding.len()) {
            return wrong(format!("the attributes do not fit {rank} spatial dimensions"));
        }
        let axis = |at: usize| -> Option<Axis> {
            let (stride, dilation) = window.step(at);
            let reach = kernel[at].checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
            let extra = usize::try_from(self.padding.get(at).copied().unwrap_or(0)).ok()?;
            let whole = stride.checked_mul(input[at].checked_sub(1)?)?.checked_add(extra)?.checked_add(reach)?;
            let same = matches!(window.auto, Auto::SameUpper | Auto::SameLower);
            let wanted = match shape {
                Some(shape) => Some(usize::try_from(shape[at]).ok()?),
                None if same => Some(input[at].checked_mul(stride)?),
                None => None,
            };
            let (before, after) = match wanted {
                // Missing outputs are empty, at the end.
                Some(wanted) => {
                    let cut = whole.saturating_sub(wanted);
                    if window.auto == Auto::SameUpper { (cut / 2, cut - cut / 2) } else { (cut - cut / 2, cut / 2) }
                }
                None if window.auto == Auto::Not => window.pad(at),
                None => (0, 0),
            };
            let output = wanted.or_else(|| whole.checked_sub(before)?.checked_sub(after))?;
            Some(Axis { input: output, kernel: kernel[at], stride, dilation, before, output: input[at] })
        };
        let axes = (0..rank).map(axis).collect::<Option<Vec<_>>>();
        axes.ok_or_else(|| Error::invalid_input(format!("a kernel of {kernel:?} does not fit an input of {input:?}")))
    }
}

pub fn conv_transpose(node: &NodeSpec<'_>) -> Prepared {
    let (window, output) = (Window::new(node)?, Output::new(node)?);
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        let x = host::contiguous(host::cast(x, DType::F32));
        let weights = inputs.floats(1)?;
        let bias = inputs.optional(2).map(|bias| host::contiguous(host::cast(bias, DType::F32)));
        let (shape_x, shape_w) = (host::shape(&x), host::shape(&weights));
        let ([images, features, input @ ..], [rows, channels, kernel @ ..]) = (shape_x, shape_w) else {
            return wrong(format!("the shapes {shape_x:?} and {shape_w:?} cannot be convolved"));
        };
        let groups = window.groups;
        let all_channels = channels.checked_mul(groups);
        let (Some(all_channels), true) = (all_channels, features == rows && features % groups == 0) else {
            return wrong(format!(
                "weights of the shape {shape_w:?} in {groups} groups do not fit an input of the shape {shape_x:?}"
            ));
        };
        check_bias(bias.as_ref(), all_channels)?;
        let axes = output.axes(&window, input, kernel)?;
        let mut shape = vec![*images, all_channels];
        shape.extend(axes.iter().map(|axis| axis.input));
        let mut out = vec![0.0; inputs.count(&shape)?];
        let conv =
            Conv { images: *images, groups, channels: *channels, features: features / groups, axes: three(&axes) };
        transpose(&conv, host::slice(&x), host::slice(&weights), bias.as_ref().map(host::slice::<f32>), &mut out);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}
