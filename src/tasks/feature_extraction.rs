//! `feature-extraction`: embeddings of texts.

use serde::{Deserialize, Serialize};

use super::pooling::to_unit_length;
use super::{Pooling, Source, TaskDefinition, TextModel};
use crate::error::Result;
use crate::models::OutputKind;
use crate::tokenizer::Encoding;

/// `feature-extraction`: texts into vectors.
///
/// ```
/// use pilot_light::{Device, LoadOptions, folder};
/// use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Pooling, Task};
///
/// let path = "tests/golden/tiny-bert-seq".as_ref();
/// let model = folder::load(path, Task::FeatureExtraction, &Device::cpu(), LoadOptions::default())?;
/// let texts = ["one".to_string(), "two words".to_string()];
/// let options = FeatureExtractionOptions { pooling: Pooling::Mean, normalize: true, ..Default::default() };
/// let features = pollster::block_on(model.run::<FeatureExtraction>(&texts, &options))?;
/// assert_eq!(features.dims, [2, 16]);
/// # Ok::<(), pilot_light::Error>(())
/// ```
pub struct FeatureExtraction;

/// Options of `feature-extraction`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct FeatureExtractionOptions {
    /// How the vectors of a text's tokens become one; `none` by default, as in transformers.js.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub pooling: Pooling,
    /// Whether vectors are scaled to length 1.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub normalize: bool,
    /// What is put before each text, such as `query: `. Without it and `prompt_name` it is the default prompt of the folder
    /// (`config_sentence_transformers.json`), as in sentence-transformers; `""` leaves it out.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prompt: Option<String>,
    /// The name of one of the folder's prompts.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prompt_name: Option<String>,
}

/// Vectors, row-major.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Features {
    /// `[batch, hidden]`, or `[batch, seq, hidden]` without pooling, where shorter texts are filled up with zeros.
    pub dims: Vec<usize>,
    /// The numbers, as many as the product of `dims`.
    pub data: Vec<f32>,
}

impl TaskDefinition for FeatureExtraction {
    const NAME: &'static str = "feature-extraction";
    type Model = TextModel;
    type Input = String;
    type Options = FeatureExtractionOptions;
    type Output = Features;

    fn source() -> Source<TextModel> {
        Source::Text(OutputKind::HiddenStates)
    }

    async fn run(model: &TextModel, texts: &[String], options: &FeatureExtractionOptions) -> Result<Features> {
        let prompts = &model.sentence_embedding.prompts;
        let prompt = prompts.choose(options.prompt.as_deref(), options.prompt_name.as_deref())?;
        let inputs = model.encode_with_prompt(texts, prompt)?;
        match options.pooling {
            Pooling::None => token_features(model, &inputs, options.normalize).await,
            pooling => {
                let (rows, _) = model.pooled(&inputs, prompt, pooling, options.normalize).await?;
                Ok(Features { dims: vec![rows.len(), rows.first().map_or(0, Vec::len)], data: rows.concat() })
            }
        }
    }

    fn features(output: &Features) -> Option<&Features> {
        Some(output)
    }
}

/// One vector for each token.
async fn token_features(model: &TextModel, inputs: &[Encoding], normalize: bool) -> Result<Features> {
    let mut vectors = vec![Vec::new(); inputs.len()];
    let mut width = 0;
    let visit = |index: usize, states: &[f32], hidden: usize| {
        width = hidden;
        vectors[index] = states.to_vec();
        if normalize {
            vectors[index].chunks_exact_mut(hidden).for_each(to_unit_length);
        }
    };
    model.for_each_output(inputs, visit).await?;
    let seq = inputs.iter().map(|input| input.input_ids.len()).max().unwrap_or(0);
    let mut data = Vec::with_capacity(inputs.len() * seq * width);
    for vectors in vectors {
        let padding = seq * width - vectors.len();
        data.extend(vectors);
        data.resize(data.len() + padding, 0.0);
    }
    Ok(Features { dims: vec![inputs.len(), seq, width], data })
}
