//! Online Cascade Learning's rule, with a linear head: a small network learns from the head's probabilities when to defer, and
//! defers at random less and less often.
//!
//! # Source
//! Nie et al. 2024, *Online Cascade Learning for Efficient Inference over Streams* (2402.04513), algorithm 1, with the constants
//! of its repository: a network of K, 128 and 1 units (ReLU, sigmoid), Adam with a rate of 0.0007, a target that is raised by
//! 0.4 for two labels and 0.15 for more, a chance to defer anyway of 0.97 or 0.8 to the power of the updates, one for 8 labels.
//! The head is the library's, trained anew whenever there are half as many labels more, where theirs takes single steps.

use pilot_light::learning::trainer::{Trainer, Weight};
use pilot_light::learning::{Example, Origin, Space, Store};
use pilot_light::training::Linear;

use crate::Result;
use crate::run::{Random, Way};
use crate::stream::Data;

const UNITS: usize = 128;
const RATE: f64 = 0.0007;
const REGULARISATION: f64 = 0.0001;
/// μ times the cost of the large model.
const COST: f64 = 0.0002 * 1182.0;
/// Labels between two updates, as the chance to defer counts them.
const CACHE: usize = 8;
/// Updates before the head answers, and before the network learns.
const WARM_UP: usize = 10;
const SKIPPED: usize = 2;
const GROWTH: f64 = 1.5;

pub struct OnlineCascade {
    store: Store,
    head: Linear,
    network: Network,
    labels: usize,
    due: usize,
    decay: f64,
    raised: f64,
}

impl OnlineCascade {
    pub fn new(data: &Data) -> Result<Self> {
        let space =
            Space { encoder: String::new(), width: data.width, labels: data.labels.clone(), multi_label: false };
        let two = data.labels.len() == 2;
        Ok(Self {
            store: Store::new(space, 16 << 20)?,
            head: data.start.clone(),
            network: Network::new(data.labels.len()),
            labels: 0,
            due: CACHE,
            decay: if two { 0.97 } else { 0.8 },
            raised: if two { 0.4 } else { 0.15 },
        })
    }

    fn updates(&self) -> usize {
        self.labels / CACHE
    }

    fn probabilities(&self, embedding: &[f32]) -> Vec<f64> {
        let logits = self.head.forward(embedding);
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = logits.iter().map(|logit| f64::from(logit - greatest).exp()).collect();
        let total: f64 = powers.iter().sum();
        powers.iter().map(|power| power / total).collect()
    }

    fn train(&mut self) {
        let weigh = |_: &Example| Weight { training: 1.0, population: 1.0 };
        if let Some(mut trainer) = Trainer::new(&self.store, weigh)
            && let Some(trained) = trainer.work(u64::MAX)
        {
            self.head = trained.head;
        }
        self.due = (self.labels as f64 * GROWTH) as usize;
    }
}

impl Way for OnlineCascade {
    fn decide(&mut self, embedding: &[f32], random: &mut Random) -> Result<(usize, bool)> {
        let probabilities = self.probabilities(embedding);
        let acts = self.updates() >= WARM_UP && self.network.forward(&probabilities).0 <= 0.5;
        let defers_anyway = random.next() < self.decay.powi(self.updates() as i32);
        Ok((likeliest(&probabilities), acts && !defers_anyway))
    }

    fn observe(&mut self, embedding: &[f32], label: usize, random: &mut Random) -> Result<()> {
        let probabilities = self.probabilities(embedding);
        if self.updates() > SKIPPED {
            let raised = if self.updates() < WARM_UP { 0.0 } else { self.raised };
            let wrong = f64::from(u8::from(likeliest(&probabilities) != label));
            let loss = -probabilities[label].max(1e-12).ln();
            self.network.learn(&probabilities, (wrong + raised).min(1.0), COST - loss);
        }
        let origin = Origin {
            labels: label.into(),
            propensity: 1.0,
            agreement: 1.0,
            source: 0,
            head: 0,
            time_ms: 0.0,
            key: random.next(),
        };
        self.store.add(Example { embedding: embedding.to_vec(), origin, text: None })?;
        self.labels += 1;
        if self.labels >= self.due {
            self.train();
        }
        Ok(())
    }

    fn keeps(&self, embedding: &[f32]) -> Option<usize> {
        let probabilities = self.probabilities(embedding);
        let acts = self.updates() >= WARM_UP && self.network.forward(&probabilities).0 <= 0.5;
        acts.then(|| likeliest(&probabilities))
    }
}

fn likeliest(probabilities: &[f64]) -> usize {
    let best = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(label, _)| label)
}

/// From probabilities to whether to defer.
struct Network {
    inputs: usize,
    /// Weights and biases of the first layer, then those of the second one.
    parameters: Vec<f64>,
    means: Vec<f64>,
    squares: Vec<f64>,
    steps: i32,
}

impl Network {
    fn new(inputs: usize) -> Self {
        // As PyTorch draws them: uniform within one over the root of the inputs.
        let mut random = Random(17);
        let first = UNITS * (inputs + 1);
        let bound = |at: usize| 1.0 / (if at < first { inputs } else { UNITS } as f64).sqrt();
        let size = first + UNITS + 1;
        let parameters: Vec<f64> = (0..size).map(|at| (2.0 * random.next() - 1.0) * bound(at)).collect();
        Self { inputs, means: vec![0.0; size], squares: vec![0.0; size], parameters, steps: 0 }
    }

    /// The chance to defer, and the units before it.
    fn forward(&self, input: &[f64]) -> (f64, Vec<f64>) {
        let (first, second) = self.parameters.split_at(UNITS * (self.inputs + 1));
        let unit = |row: &[f64]| {
            let (bias, weights) = row.split_last().unwrap_or((&0.0, &[]));
            (bias + weights.iter().zip(input).map(|(w, x)| w * x).sum::<f64>()).max(0.0)
        };
        let units: Vec<f64> = first.chunks_exact(self.inputs + 1).map(unit).collect();
        let logit = second[UNITS] + units.iter().zip(second).map(|(x, w)| x * w).sum::<f64>();
        (1.0 / (1.0 + (-logit).exp()), units)
    }

    /// A step on (d − target)² + `REGULARISATION` · ‖θ‖² + d · `slope`.
    fn learn(&mut self, input: &[f64], target: f64, slope: f64) {
        let (defers, units) = self.forward(input);
        let by_logit = (2.0 * (defers - target) + slope) * defers * (1.0 - defers);
        let first = UNITS * (self.inputs + 1);
        let mut gradient: Vec<f64> = self.parameters.iter().map(|w| 2.0 * REGULARISATION * w).collect();
        for (at, unit) in units.iter().enumerate() {
            gradient[first + at] += by_logit * unit;
            if *unit > 0.0 {
                let by_unit = by_logit * self.parameters[first + at];
                let row = &mut gradient[at * (self.inputs + 1)..][..=self.inputs];
                row.iter_mut().zip(input.iter().chain([&1.0])).for_each(|(slot, x)| *slot += by_unit * x);
            }
        }
        gradient[first + UNITS] += by_logit;
        // Adam.
        self.steps += 1;
        let (one, two) = (1.0 - 0.9_f64.powi(self.steps), 1.0 - 0.999_f64.powi(self.steps));
        for (at, g) in gradient.iter().enumerate() {
            self.means[at] = 0.9 * self.means[at] + 0.1 * g;
            self.squares[at] = 0.999 * self.squares[at] + 0.001 * g * g;
            self.parameters[at] -= RATE * (self.means[at] / one) / ((self.squares[at] / two).sqrt() + 1e-8);
        }
    }
}
