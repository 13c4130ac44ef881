//! How likely a text is by a model, and what follows prompts, compared with the reference values of this folder.
//!
//! `likelihood NAME MODEL.gguf REFERENCE.json` prints a JSON list with one row.

use std::error::Error;
use std::path::Path;

use pilot_light::generation::Generator;
use pilot_light::models::Logits;
use pilot_light::{Device, LoadOptions, folder};
use serde::Deserialize;
use serde_json::json;

/// What `make.mjs` writes.
#[derive(Deserialize)]
struct Reference {
    ids: Vec<u32>,
    /// The mean negative log-likelihood of all but the first.
    nll: f64,
    prompts: Vec<Continued>,
    infills: Vec<Infill>,
}

/// A prompt, and the likeliest tokens behind it.
#[derive(Deserialize)]
struct Continued {
    prompt: Vec<u32>,
    following: Vec<u32>,
}

#[derive(Deserialize)]
struct Infill {
    prefix: String,
    suffix: String,
    #[serde(flatten)]
    tokens: Continued,
}

/// The tokens that are read at once.
const CHUNK: usize = 64;
/// llama.cpp quantises activations to 8 bits, which leaves its logits this uncertain: tokens whose logits are closer are tied.
const TIE: f32 = 0.15;

/// How many continuations are equal to the reference's, and how many of the others first differ in a tie.
#[derive(Default)]
struct Agreement {
    equal: usize,
    tied: usize,
    different: usize,
    /// The largest difference of logits where continuations first differ.
    largest_gap: f32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, model, reference] = &arguments[..] else {
        return Err("usage: likelihood NAME MODEL.gguf REFERENCE.json".into());
    };
    let reference: Reference = serde_json::from_str(&std::fs::read_to_string(reference)?)?;
    pilot_light::start_threads(std::thread::available_parallelism().map_or(1, usize::from));
    let generator = folder::load_generator(Path::new(model), &Device::cpu(), LoadOptions::default())?;
    let nll = mean_loss(&generator, &reference.ids)?;
    let (mut prompts, mut infills) = (Agreement::default(), Agreement::default());
    for prompt in &reference.prompts {
        prompts.compare(&generator, prompt)?;
    }
    let mut infill_prompts_equal = 0;
    for Infill { prefix, suffix, tokens } in &reference.infills {
        infill_prompts_equal += usize::from(generator.infill_prompt(prefix, suffix)? == tokens.prompt);
        infills.compare(&generator, tokens)?;
    }
    let mut row = json!({
        "name": format!("generate/{name}"),
        "tokens": reference.ids.len(),
        "nll": nll,
        "reference_nll": reference.nll,
        "nll_ratio": nll / reference.nll,
        "texts_equal": prompts.equal,
        "texts_tied": prompts.tied,
        "texts_different": prompts.different,
        "largest_gap": prompts.largest_gap.max(infills.largest_gap),
    });
    if !reference.infills.is_empty() {
        row["infill_prompts_equal"] = infill_prompts_equal.into();
        row["infills_equal"] = infills.equal.into();
        row["infills_tied"] = infills.tied.into();
        row["infills_different"] = infills.different.into();
    }
    println!("{}", json!([row]));
    Ok(())
}

/// The mean negative log-likelihood of all tokens but the first.
fn mean_loss(generator: &Generator, ids: &[u32]) -> pilot_light::Result<f64> {
    let (decoder, mut next) = (generator.decoder(), ids[1..].iter());
    let (mut cache, mut sum) = (decoder.cache()?, 0.0);
    for chunk in ids.chunks(CHUNK) {
        let (logits, _) = pollster::block_on(decoder.forward(&mut cache, chunk, Logits::All))?;
        for (logits, id) in logits.chunks_exact(decoder.vocabulary()).zip(&mut next) {
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let all: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
            sum += all.ln() - f64::from(logits[*id as usize] - most);
        }
    }
    Ok(sum / (ids.len() - 1) as f64)
}

impl Agreement {
    /// Continues a prompt by the likeliest tokens until they differ from the reference's.
    fn compare(
        &mut self,
        generator: &Generator,
        Continued { prompt, following }: &Continued,
    ) -> pilot_light::Result<()> {
        let decoder = generator.decoder();
        let text = [&prompt[..], &following[..following.len() - 1]].concat();
        let mut cache = decoder.cache()?;
        // A token is computed in the same way however many are read at once.
        for (at, chunk) in text.chunks(CHUNK).enumerate() {
            let (logits, _) = pollster::block_on(decoder.forward(&mut cache, chunk, Logits::All))?;
            for (row, logits) in logits.chunks_exact(decoder.vocabulary()).enumerate() {
                let Some(wanted) = (at * CHUNK + row + 1).checked_sub(prompt.len()).map(|at| following[at]) else {
                    continue;
                };
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let gap = most - logits[wanted as usize];
                if gap > 0.0 {
                    self.largest_gap = self.largest_gap.max(gap);
                    *(if gap < TIE { &mut self.tied } else { &mut self.different }) += 1;
                    return Ok(());
                }
            }
        }
        self.equal += 1;
        Ok(())
    }
}
