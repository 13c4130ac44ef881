//! One stream through one way of deciding.

use pilot_light::calibration::p_value;
use pilot_light::learning::Counters;

use crate::stream::{Errors, Stream};
use crate::{ALPHA, REMOTE_ERROR, Result};

/// Texts between two looks at what stays at home.
const LOOK: usize = 100;
/// Answers at home before their share that is wrong says anything.
const ANSWERS: usize = 100;
/// Texts after a change that count as "during".
const DURING: usize = 500;
/// Windows, in texts and in delegated answers.
const FIRST: usize = 200;
const WINDOW: usize = 1000;
/// A share that is above alpha by chance is so with a chance of at most this.
const CHANCE: f64 = 0.05;

/// A way of deciding which texts stay at home.
pub trait Way {
    /// What it says of a text, and whether that stays.
    fn decide(&mut self, embedding: &[f32], random: &mut Random) -> Result<(usize, bool)>;
    /// Takes what the remote model said of the text that it was last asked about.
    fn observe(&mut self, embedding: &[f32], label: usize, random: &mut Random) -> Result<()>;
    /// What it would say of a text at home, if that would stay.
    fn keeps(&self, embedding: &[f32]) -> Option<usize>;
    /// Tells states from one another in which it keeps other texts.
    fn version(&self) -> u64 {
        0
    }
    fn counters(&self) -> Option<Counters> {
        None
    }
}

/// Numbers from 0 to below 1: SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A part of a stream.
#[derive(Default)]
pub struct Phase {
    texts: usize,
    local: usize,
    local_wrong: usize,
    /// Whether more than alpha of what would stay at home was wrong at any look.
    pub broken: bool,
    /// Whether so much that it is hardly chance.
    pub broken_clearly: bool,
    /// Whether more than alpha of all that stayed at home so far was wrong after any text.
    pub broken_so_far: bool,
    /// Whether more than what is tested differed from the remote model.
    pub broken_against_remote: bool,
}

impl Phase {
    pub fn delegated(&self) -> f64 {
        1.0 - self.local as f64 / self.texts.max(1) as f64
    }

    pub fn wrong_of_the_local(&self) -> Option<f64> {
        (self.local > 0).then(|| self.local_wrong as f64 / self.local as f64)
    }
}

/// What came of a stream.
pub struct Run {
    pub texts: usize,
    pub changes: bool,
    pub delegated_first_200: f64,
    pub accuracy_first_200: f64,
    /// Of the thousand texts that follow the thousandth delegated answer; none where there are not so many.
    pub delegated_after_1000: Option<f64>,
    pub accuracy_after_1000: Option<f64>,
    pub delegated_last_1000: f64,
    pub accuracy: f64,
    pub wrong_of_the_local: Option<f64>,
    /// Before, during and after the change.
    pub phases: [Phase; 3],
    pub counters: Option<Counters>,
}

pub fn run(way: &mut dyn Way, stream: &Stream, seed: u64, errors: Errors) -> Result<Run> {
    let mut random = Random(seed);
    let (mut delegated, mut right) = (Vec::new(), Vec::new());
    let mut phases: [Phase; 3] = Default::default();
    let mut version = way.version();
    let (mut local, mut local_wrong) = (0, 0);
    for (at, &row) in stream.order.iter().enumerate() {
        let phase = match stream.change {
            Some(change) if at >= change + DURING => 2,
            Some(change) if at >= change => 1,
            _ => 0,
        };
        let (embedding, truth) = (stream.data.embedding(row), stream.data.truth[row]);
        let (label, stays) = way.decide(embedding, &mut random)?;
        if !stays {
            way.observe(embedding, stream.remote[row], &mut random)?;
        }
        let answer = if stays { label } else { stream.remote[row] };
        let phase = &mut phases[phase];
        phase.texts += 1;
        phase.local += usize::from(stays);
        phase.local_wrong += usize::from(stays && label != truth);
        local += usize::from(stays);
        local_wrong += usize::from(stays && label != truth);
        phase.broken_so_far |= local >= ANSWERS && local_wrong as f64 > ALPHA * local as f64;
        delegated.push(!stays);
        right.push(answer == truth);
        if at % LOOK == LOOK - 1 || way.version() != version {
            version = way.version();
            let part = usize::from(stream.change.is_some_and(|change| at >= change));
            look(way, stream, part, phase, errors);
        }
    }
    let share = |of: &[bool]| of.iter().filter(|one| **one).count() as f64 / of.len().max(1) as f64;
    let thousandth = delegated.iter().enumerate().filter(|(_, sent)| **sent).nth(WINDOW - 1).map(|(at, _)| at + 1);
    let after = thousandth.filter(|at| at + WINDOW <= delegated.len()).map(|at| at..at + WINDOW);
    Ok(Run {
        texts: delegated.len(),
        changes: stream.change.is_some(),
        delegated_first_200: share(&delegated[..FIRST]),
        accuracy_first_200: share(&right[..FIRST]),
        delegated_after_1000: after.clone().map(|range| share(&delegated[range])),
        accuracy_after_1000: after.map(|range| share(&right[range])),
        delegated_last_1000: share(&delegated[delegated.len() - WINDOW..]),
        accuracy: share(&right),
        wrong_of_the_local: (local > 0).then(|| local_wrong as f64 / local as f64),
        phases,
        counters: way.counters(),
    })
}

/// How often what would stay at home is wrong, on texts that never come: by the truth, or by what the remote model says where
/// that is what is promised.
fn look(way: &dyn Way, stream: &Stream, part: usize, phase: &mut Phase, errors: Errors) {
    let (mut local, mut wrong, mut differs) = (0, 0, 0);
    for &row in &stream.held_out[part] {
        if let Some(label) = way.keeps(stream.data.embedding(row)) {
            local += 1;
            let right = if errors == Errors::OnHardTexts { stream.remote[row] } else { stream.data.truth[row] };
            wrong += usize::from(label != right);
            differs += usize::from(label != stream.remote[row]);
        }
    }
    let tested = REMOTE_ERROR + ALPHA * (1.0 - 2.0 * REMOTE_ERROR);
    phase.broken |= wrong as f64 > ALPHA * f64::from(local);
    phase.broken_against_remote |= differs as f64 > tested * f64::from(local);
    // The chance of so many wrong ones, were the share alpha.
    let chance = if wrong == 0 { 1.0 } else { 1.0 - p_value(wrong - 1, local as usize, ALPHA) };
    phase.broken_clearly |= chance <= CHANCE;
}
