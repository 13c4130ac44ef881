//! The operators of the domain `ai.onnx.ml`: what exporters of scikit-learn write.
//!
//! # Source
//! ONNX's `docs/Operators-ml.md`; where that is vague (two classes and one score), onnxruntime.

use burn::tensor::DType;

use super::{Accepts, Given, Gives, Inputs, NodeSpec, Op, Prepared, SAME, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::encoding::Encoding;
use crate::graph::host::{self, HostTensor};

mod encoders;
mod label_encoder;
mod linear;
mod post_transform;
mod preprocessing;
mod tree;
mod tree_attributes;
mod tree_ensemble;

/// The domain.
pub const DOMAIN: &str = "ai.onnx.ml";

const fn op(
    name: &'static str,
    accepts: Accepts,
    gives: &'static [Gives],
    prepare: fn(&NodeSpec<'_>) -> Prepared,
) -> Op {
    Op { domain: DOMAIN, ..Op::new(name, accepts, gives, prepare) }
}

const FLOAT: &[Gives] = &[Gives::Is(DType::F32)];
/// A label and the scores of all labels.
const LABEL_AND_SCORES: &[Gives] = &[Gives::By(label_type), Gives::Is(DType::F32)];
const TEXT: Given = (Some(Encoding::Text.storage()), Some(Encoding::Text));
const INTS: Given = (Some(DType::I64), None);

/// The labels' type: strings where the file has strings.
fn label_type(node: &NodeSpec<'_>) -> Given {
    let strings = node.attributes.strings("classlabels_strings").unwrap_or_default();
    if strings.is_empty() { INTS } else { TEXT }
}

/// Strings become integers, and the other way around.
fn mapped_type(node: &NodeSpec<'_>) -> Given {
    if node.is_text(0) { INTS } else { TEXT }
}

pub static OPS: &[Op] = &[
    op("ArrayFeatureExtractor", Accepts::Any, SAME, preprocessing::array_feature_extractor).encoded(),
    op("Binarizer", Accepts::Numbers, SAME, preprocessing::binarizer),
    op("CategoryMapper", Accepts::Any, &[Gives::By(mapped_type)], encoders::category_mapper).encoded(),
    op("FeatureVectorizer", Accepts::Numbers, FLOAT, preprocessing::feature_vectorizer),
    op("Imputer", Accepts::Numbers, SAME, preprocessing::imputer),
    op("LabelEncoder", Accepts::Any, &[Gives::By(label_encoder::gives)], label_encoder::label_encoder).encoded(),
    op("LinearClassifier", Accepts::Numbers, LABEL_AND_SCORES, linear::classifier),
    op("LinearRegressor", Accepts::Numbers, FLOAT, linear::regressor),
    op("Normalizer", Accepts::Numbers, FLOAT, preprocessing::normalizer),
    op("OneHotEncoder", Accepts::Any, FLOAT, encoders::one_hot_encoder).encoded(),
    op("Scaler", Accepts::Numbers, FLOAT, preprocessing::scaler),
    op("TreeEnsemble", Accepts::Floats, SAME, tree_ensemble::ensemble),
    op("TreeEnsembleClassifier", Accepts::Numbers, LABEL_AND_SCORES, tree_ensemble::classifier),
    op("TreeEnsembleRegressor", Accepts::Numbers, FLOAT, tree_ensemble::regressor),
];

/// Rows of features, as 32-bit floats.
struct Rows {
    numbers: Vec<f32>,
    count: usize,
    width: usize,
}

impl Rows {
    /// The input at `index`: `[rows, features]`, or `[features]` for one row.
    fn take(inputs: &mut Inputs<'_>, index: usize) -> Result<Self> {
        let x = inputs.take(index)?;
        let (count, width) = match *host::shape(&x) {
            [width] => (1, width),
            [count, width] => (count, width),
            ref shape => return wrong(format!("the features have the shape {shape:?}, expected rows of features")),
        };
        Ok(Self { numbers: host::to_f32s(x), count, width })
    }

    fn iter(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.count).map(|row| &self.numbers[row * self.width..][..self.width])
    }
}

/// The labels of a classifier.
#[derive(Clone)]
enum Labels {
    Ints(Vec<i64>),
    Strings(Vec<String>),
}

impl Labels {
    /// Those of the attributes `ints` and `strings`, of which a file has one.
    fn of(node: &NodeSpec<'_>, ints: &str, strings: &str) -> Result<Self, Refusal> {
        let (ints, strings) = (node.attributes.ints(ints)?, node.attributes.strings(strings)?);
        Ok(if strings.is_empty() { Self::Ints(ints.unwrap_or_default()) } else { Self::Strings(strings) })
    }

    fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Strings(labels) => labels.len(),
        }
    }

    /// A tensor of the labels at `indices`. One beyond the labels is its own index.
    fn tensor(&self, inputs: &mut Inputs<'_>, indices: &[usize]) -> HostTensor {
        match self {
            Self::Ints(labels) => {
                let label = |index: &usize| labels.get(*index).copied().unwrap_or(*index as i64);
                host::tensor(&[indices.len()], indices.iter().map(label).collect())
            }
            Self::Strings(labels) => {
                let label = |index: &usize| labels.get(*index).cloned().unwrap_or_else(|| index.to_string());
                let texts: Vec<String> = indices.iter().map(label).collect();
                inputs.text_tensor(&[indices.len()], texts.iter().map(String::as_str))
            }
        }
    }
}

/// The index of the largest score, the first of equal ones.
fn largest(scores: &[f32]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}
