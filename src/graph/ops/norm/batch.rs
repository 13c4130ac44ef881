//! BatchNormalization, with given statistics or with those of the batch.

use super::super::{NodeSpec, Prepared, one};
use super::{channels, each, numbers, result};
use crate::graph::host;
use crate::kernels::reduce;

pub fn batch(node: &NodeSpec<'_>) -> Prepared {
    let epsilon = node.attributes.float("epsilon", 1e-5)?;
    let momentum = node.attributes.float("momentum", 0.9)?;
    let training = if node.opset >= 14 { node.attributes.flag("training_mode", false)? } else { node.outputs > 1 };
    if !node.attributes.flag("spatial", true)? {
        return Err("statistics for each pixel are not supported".to_string());
    }
    if training && node.opset < 14 {
        return Err("training mode before opset 14 is not supported".to_string());
    }
    let types = [3, 4].map(|index| node.dtype(index));
    Ok(Box::new(move |inputs| {
        let (dtype, shape, mut x) = numbers(inputs, 0)?;
        let (count, plane) = channels(&shape).or_else(|error| match &shape[..] {
            // A batch of scalars has one channel.
            [_] => Ok((1, 1)),
            _ => Err(error),
        })?;
        let (scale, bias) = (each(inputs, 1, count)?, each(inputs, 2, count)?);
        let (mut means, mut variances) = (each(inputs, 3, count)?, each(inputs, 4, count)?);
        let (known_means, known_variances) = (means.clone(), variances.clone());
        if training {
            let pixels = (x.len() / count.max(1)) as f32;
            let of_channel = |channel: usize| x.chunks_exact(plane.max(1)).skip(channel).step_by(count.max(1));
            for channel in 0..count {
                let mean = of_channel(channel).map(reduce::sum).sum::<f32>() / pixels;
                means[channel] = mean;
                variances[channel] = of_channel(channel).map(|x| reduce::squares(x, mean)).sum::<f32>() / pixels;
            }
        }
        for (at, x) in x.chunks_exact_mut(plane.max(1)).enumerate() {
            let channel = at % count;
            let by = scale[channel] / (variances[channel] + epsilon).sqrt();
            let shift = bias[channel] - means[channel] * by;
            x.iter_mut().for_each(|x| *x = *x * by + shift);
        }
        let y = result(dtype, &shape, x);
        if !training {
            return one(y);
        }
        let blend = |known: Vec<f32>, new: Vec<f32>, index: usize| {
            let blended = known.iter().zip(new).map(|(known, new)| known * momentum + new * (1.0 - momentum)).collect();
            host::cast(host::tensor::<f32>(&[count], blended), types[index].unwrap_or(dtype))
        };
        Ok(vec![y, blend(known_means, means, 0), blend(known_variances, variances, 1)])
    }))
}
