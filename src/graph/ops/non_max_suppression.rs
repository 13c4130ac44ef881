//! NonMaxSuppression.

use super::{Accepts, INDICES, NodeSpec, Op, Prepared, one, wrong};
use crate::graph::host;
use crate::sort::sort_by;

pub static OPS: &[Op] = &[Op::new("NonMaxSuppression", Accepts::Floats, INDICES, non_max_suppression)];

/// A box: its top, left, bottom and right side.
type Sides = [f32; 4];

fn non_max_suppression(node: &NodeSpec<'_>) -> Prepared {
    let centred = match node.attributes.int("center_point_box", 0)? {
        0 => false,
        1 => true,
        other => return Err(format!("the attribute center_point_box is {other}, which is not supported")),
    };
    Ok(Box::new(move |inputs| {
        let (boxes, scores) = (inputs.floats(0)?, inputs.floats(1)?);
        let most = inputs.optional_ints(2).and_then(|most| most.first().copied()).unwrap_or(0);
        let mut threshold = |index| inputs.optional(index).and_then(|t| host::to_f32s(t).first().copied());
        let (overlap_threshold, score_threshold) = (threshold(3).unwrap_or(0.0), threshold(4));
        let ([batch, count, 4], [batch_too, classes, count_too]) = (host::shape(&boxes), host::shape(&scores)) else {
            return wrong("boxes must be [batch, count, 4], and scores [batch, classes, count]");
        };
        if batch != batch_too || count != count_too {
            return wrong("the numbers of scores and boxes differ");
        }
        let sides = |numbers: &[f32]| -> Sides {
            let [a, b, c, d] = [numbers[0], numbers[1], numbers[2], numbers[3]];
            if centred {
                [b - d / 2.0, a - c / 2.0, b + d / 2.0, a + c / 2.0]
            } else {
                [a.min(c), b.min(d), a.max(c), b.max(d)]
            }
        };
        let boxes: Vec<Sides> = host::slice::<f32>(&boxes).chunks_exact(4).map(sides).collect();
        let mut chosen: Vec<i64> = Vec::new();
        for (class, scores) in host::slice::<f32>(&scores).chunks_exact((*count).max(1)).enumerate() {
            let image = class / classes;
            let boxes = &boxes[image * count..][..*count];
            let high = |at: &usize| score_threshold.is_none_or(|least| scores[*at] > least);
            let mut order: Vec<usize> = (0..*count).filter(high).collect();
            sort_by(&mut order, |a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
            let mut kept: Vec<usize> = Vec::new();
            for at in order {
                if kept.len() as i64 >= most {
                    break;
                }
                if !kept.iter().any(|other| overlap(boxes[at], boxes[*other]) > overlap_threshold) {
                    kept.push(at);
                    chosen.extend([image as i64, (class % classes) as i64, at as i64]);
                }
            }
        }
        one(host::tensor(&[chosen.len() / 3, 3], chosen))
    }))
}

/// The intersection over union of two boxes.
fn overlap(a: Sides, b: Sides) -> f32 {
    let height = a[2].min(b[2]) - a[0].max(b[0]);
    let width = a[3].min(b[3]) - a[1].max(b[1]);
    let area = |sides: Sides| (sides[2] - sides[0]) * (sides[3] - sides[1]);
    let union = area(a) + area(b) - height * width;
    if height <= 0.0 || width <= 0.0 || area(a) <= 0.0 || area(b) <= 0.0 || union <= 0.0 {
        return f32::NEG_INFINITY;
    }
    height * width / union
}
