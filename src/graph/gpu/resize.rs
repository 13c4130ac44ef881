//! Resize.

use super::{Run, Value};
use crate::graph::host;
use crate::graph::ops::NodeSpec;

/// Nearest neighbour by whole factors, and bilinear interpolation between the centres of pixels.
pub fn resize(node: &NodeSpec<'_>) -> Option<Run> {
    let attributes = node.attributes;
    let string = |name, default| attributes.string(name, default).ok();
    let mode = string("mode", "nearest")?;
    let coordinates = string("coordinate_transformation_mode", "half_pixel")?;
    let rounding = string("nearest_mode", "round_prefer_floor")?;
    let bilinear = match (mode, coordinates, rounding) {
        ("nearest", "asymmetric", "floor") => false,
        ("linear", "half_pixel", _) => true,
        _ => return None,
    };
    if attributes.has("axes") || attributes.flag("antialias", false).ok()? || node.opset < 11 {
        return None;
    }
    let aspect = string("keep_aspect_ratio_policy", "stretch")?;
    if aspect != "stretch" {
        return None;
    }
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let &[batch, channels, height, width] = x.shape() else { return None };
        let given = |index: usize| call.value(index).filter(|value| value.shape() == [4]);
        let scales = match given(2)? {
            Value::Host(tensor, _) => host::to_f64s(tensor),
            _ => return None,
        };
        let whole = |scale: f64| ((1.0..65536.0).contains(&scale) && scale.fract() == 0.0).then_some(scale as usize);
        if call.value(3).is_some() || scales[..2] != [1.0, 1.0] {
            return None;
        }
        let factors = [whole(scales[2])?, whole(scales[3])?];
        let sizes = [height.checked_mul(factors[0])?, width.checked_mul(factors[1])?];
        if !call.fits(&[batch, channels, sizes[0], sizes[1]]) {
            return None;
        }
        if bilinear { call.gpu.bilinear(&x, sizes) } else { call.gpu.repeat(&x, factors) }
    }))
}
