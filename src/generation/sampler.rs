//! The sampler: from logits to a token.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::options::GenerationOptions;
use super::random::Random;
use crate::kernels::exp::exp;
use crate::kernels::reduce::{first_largest, log_sum_exp};

/// Chooses tokens by their logits.
pub(super) struct Sampler {
    options: GenerationOptions,
    random: Random,
    /// How often each token is in the text.
    counts: HashMap<u32, u32>,
    /// The tokens of the prompt, where their repetition is penalised.
    prompt: Vec<u32>,
}

/// A token with its log-probability, which is the model's, before penalties and temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct TokenProbability {
    /// Its id.
    pub id: u32,
    /// The natural logarithm of its probability.
    pub logprob: f32,
}

/// A token that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    pub token: TokenProbability,
    /// The likeliest tokens, as many as were asked for.
    pub top: Vec<TokenProbability>,
}

impl Sampler {
    /// A sampler for a text behind `prompt`.
    pub fn new(options: &GenerationOptions, prompt: &[u32]) -> Self {
        let mut prompt = if options.repetition_penalty == 1.0 { Vec::new() } else { prompt.to_vec() };
        crate::sort::sort(&mut prompt);
        prompt.dedup();
        Self { random: Random::new(options.seed), options: options.clone(), counts: HashMap::new(), prompt }
    }

    /// Chooses the next token, which `allows` allows, by its `logits`; `None` where it allows none. The token counts as part
    /// of the text from then on.
    pub fn choose(&mut self, logits: &mut [f32], allows: Option<&dyn Fn(u32) -> bool>) -> Option<Chosen> {
        let all = log_sum_exp(logits);
        let top = self.top(logits, all);
        let mut changed: Vec<(u32, f32)> = Vec::new();
        self.penalise(logits, &mut changed);
        let allowed = |id: u32| allows.is_none_or(|allows| allows(id));
        let id = if self.options.is_greedy() { first_largest(logits, allowed) } else { self.draw(logits, &allowed) }?;
        // What the model itself gave it.
        let own = changed.iter().find(|(of, _)| *of == id).map_or(logits[id as usize], |(_, own)| *own);
        self.count(id);
        Some(Chosen { token: TokenProbability { id, logprob: own - all }, top })
    }

    /// Whether the likeliest token is chosen whatever came before it, and nothing is asked about the others, so that it can be
    /// chosen elsewhere.
    pub fn is_plain(&self) -> bool {
        self.options.is_greedy() && !self.options.penalises() && self.options.logprobs.unwrap_or(0) == 0
    }

    /// Counts a token that was not chosen here as part of the text.
    pub fn count(&mut self, id: u32) {
        *self.counts.entry(id).or_insert(0) += 1;
    }

    /// The likeliest tokens, as many as were asked for. `all` is the logarithm of the sum of the exponentials.
    fn top(&self, logits: &[f32], all: f32) -> Vec<TokenProbability> {
        let count = self.options.logprobs.unwrap_or(0).min(logits.len());
        if count == 0 {
            return Vec::new();
        }
        let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
        for (id, logit) in (0u32..).zip(logits) {
            if best.len() < count || best.last().is_some_and(|(_, least)| logit > least) {
                let at = best.iter().position(|(_, other)| logit > other).unwrap_or(best.len());
                best.insert(at, (id, *logit));
                best.truncate(count);
            }
        }
        best.into_iter().map(|(id, logit)| TokenProbability { id, logprob: logit - all }).collect()
    }

    /// Applies the penalties; what a logit was before goes to `changed`.
    ///
    /// # Source
    /// Keskar et al. 2019 (1909.05858), section 4.1; the OpenAI API reference of `frequency_penalty`.
    fn penalise(&self, logits: &mut [f32], changed: &mut Vec<(u32, f32)>) {
        let &GenerationOptions { repetition_penalty, presence_penalty, frequency_penalty, .. } = &self.options;
        if !self.options.penalises() {
            return;
        }
        let only_in_prompt = self.prompt.iter().filter(|id| !self.counts.contains_key(id)).map(|id| (*id, 0));
        for (id, count) in self.counts.iter().map(|(id, count)| (*id, *count)).chain(only_in_prompt) {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            changed.push((id, *logit));
            if *logit > 0.0 {
                *logit /= repetition_penalty
            } else {
                *logit *= repetition_penalty
            }
            if count > 0 {
                *logit -= presence_penalty + frequency_penalty * count as f32;
            }
        }
    }

    /// Draws a token.
    fn draw(&mut self, logits: &[f32], allowed: &dyn Fn(u32) -> bool) -> Option<u32> {
        let &GenerationOptions { temperature, top_k, top_p, min_p, .. } = &self.options;
        let mut tokens: Vec<(u32, f32)> =
            (0..).zip(logits).filter(|(id, logit)| !logit.is_nan() && allowed(*id)).map(|(id, x)| (id, *x)).collect();
        let most = tokens.iter().fold(f32::NEG_INFINITY, |most, (_, logit)| most.max(*logit));
        if most == f32::NEG_INFINITY {
            return None;
        }
        // Those that are too unlikely to be drawn need not be sorted.
        let least = if min_p > 0.0 { most + min_p.ln() * temperature } else { most - 40.0 * temperature };
        tokens.retain(|(_, logit)| *logit >= least);
        crate::sort::sort_by(&mut tokens, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if top_k > 0 {
            tokens.truncate(top_k);
        }
        tokens.iter_mut().for_each(|(_, weight)| *weight = exp((*weight - most) / temperature));
        let all: f32 = tokens.iter().map(|(_, weight)| weight).sum();
        if top_p < 1.0 {
            let mut sum = 0.0;
            let kept = tokens.iter().position(|(_, weight)| {
                sum += weight;
                sum >= top_p * all
            });
            tokens.truncate(kept.map_or(tokens.len(), |last| last + 1));
        }
        let all: f32 = tokens.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.unit() * all;
        let drawn = tokens.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        drawn.or(tokens.last()).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(options: GenerationOptions) -> Sampler {
        Sampler::new(&GenerationOptions { do_sample: true, ..options }, &[])
    }

    /// How often each of four tokens is drawn.
    fn frequencies(options: GenerationOptions, logits: [f32; 4]) -> [f32; 4] {
        let mut counts = [0.0; 4];
        for seed in 0..4000 {
            let chosen = sampler(GenerationOptions { seed, ..options.clone() }).choose(&mut logits.clone(), None);
            counts[chosen.unwrap().token.id as usize] += 1.0 / 4000.0;
        }
        counts
    }

    fn assert_near(is: [f32; 4], wanted: [f32; 4]) {
        assert!(is.iter().zip(wanted).all(|(is, wanted)| (is - wanted).abs() < 0.03), "{is:?}, expected {wanted:?}");
    }

    #[test]
    fn tokens_are_drawn_by_their_probabilities() {
        // Probabilities 0.4, 0.3, 0.2 and 0.1.
        let logits = [0.4f32, 0.3, 0.2, 0.1].map(f32::ln);
        let plain = GenerationOptions::default();
        assert_near(frequencies(plain.clone(), logits), [0.4, 0.3, 0.2, 0.1]);
        assert_near(
            frequencies(GenerationOptions { top_k: 2, ..plain.clone() }, logits),
            [4.0 / 7.0, 3.0 / 7.0, 0.0, 0.0],
        );
        assert_near(
            frequencies(GenerationOptions { top_p: 0.65, ..plain.clone() }, logits),
            [4.0 / 7.0, 3.0 / 7.0, 0.0, 0.0],
        );
        assert_near(
            frequencies(GenerationOptions { min_p: 0.45, ..plain.clone() }, logits),
            [4.0 / 9.0, 3.0 / 9.0, 2.0 / 9.0, 0.0],
        );
        // Squares of the probabilities: 16, 9, 4 and 1 thirtieths.
        let half = GenerationOptions { temperature: 0.5, ..plain };
        assert_near(frequencies(half, logits), [16.0, 9.0, 4.0, 1.0].map(|x| x / 30.0));
    }

    #[test]
    fn penalties_are_those_of_their_definitions() {
        let penalised = |options: GenerationOptions, text: &[u32]| {
            let mut sampler = Sampler::new(&options, &[3]);
            text.iter().for_each(|id| sampler.count(*id));
            let mut logits = [2.0, -1.0, 3.0, 1.0];
            sampler.penalise(&mut logits, &mut Vec::new());
            logits
        };
        let plain = GenerationOptions::default();
        let repetition = GenerationOptions { repetition_penalty: 2.0, ..plain.clone() };
        assert_eq!(penalised(repetition, &[0, 1, 0]), [1.0, -2.0, 3.0, 0.5]);
        let presence = GenerationOptions { presence_penalty: 0.5, ..plain.clone() };
        assert_eq!(penalised(presence, &[0, 0, 2]), [1.5, -1.0, 2.5, 1.0]);
        let frequency = GenerationOptions { frequency_penalty: 0.5, ..plain };
        assert_eq!(penalised(frequency, &[0, 0, 2]), [1.0, -1.0, 2.5, 1.0]);
    }

    #[test]
    fn probabilities_are_the_models_own() {
        let options = GenerationOptions { presence_penalty: 5.0, logprobs: Some(2), ..GenerationOptions::default() };
        let mut sampler = Sampler::new(&options, &[]);
        let logits = [0.5f32, 0.3, 0.2].map(f32::ln);
        let first = sampler.choose(&mut logits.clone(), None).unwrap();
        assert_eq!(first.token.id, 0);
        assert!((first.token.logprob - 0.5f32.ln()).abs() < 1e-5);
        // The first is penalised now.
        let second = sampler.choose(&mut logits.clone(), None).unwrap();
        assert_eq!(second.token.id, 1);
        assert!((second.token.logprob - 0.3f32.ln()).abs() < 1e-5);
        assert_eq!(second.top.iter().map(|token| token.id).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn only_allowed_tokens_are_chosen() {
        for do_sample in [false, true] {
            let mut sampler = Sampler::new(&GenerationOptions { do_sample, ..GenerationOptions::default() }, &[]);
            let logits = [5.0, 1.0, f32::NAN, 0.0];
            assert_eq!(sampler.choose(&mut logits.clone(), Some(&|id| id == 3)).unwrap().token.id, 3);
            assert_eq!(sampler.choose(&mut logits.clone(), Some(&|_| false)), None);
            assert_eq!(sampler.choose(&mut [f32::NAN; 2], None), None);
        }
    }
}
