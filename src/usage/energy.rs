//! Energy of an answer: always a range, with its boundary and the source of its figures. No page can read a meter, and the
//! published figures differ by what they count and by the machine; one number would hide that.

use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// An amount of energy in joules: the least and the most that it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Joules {
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
}

/// What answers took in energy: ranges that rest on [`LOCAL`] and [`REMOTE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Energy {
    /// On this device.
    pub local: Joules,
    /// For the tokens that the remote models say they used; none where they say nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remote: Option<Joules>,
}

/// What a range rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Basis {
    /// What is counted in, and what is not.
    #[cfg_attr(feature = "web", tsify(type = "string"))]
    pub boundary: &'static str,
    /// Where the figures come from.
    #[cfg_attr(feature = "web", tsify(type = "string"))]
    pub source: &'static str,
}

/// What [`of_work`] rests on.
pub const LOCAL: Basis = Basis {
    boundary: "the processor and its memory while they compute; not the screen, nor what the device uses when idle",
    source: "operations and bytes counted from the shapes that ran; 5 pJ an operation (GPU and accelerator of Apple's \
             M1 to M4, arXiv 2502.05317) to 900 pJ (a laptop's processor at its base power of 28 W, one thread at 32 \
             GFLOP/s); 10 to 325 pJ a byte, from a large cache or from DRAM (Horowitz, ISSCC 2014)",
};

/// What [`of_tokens`] rests on.
pub const REMOTE: Basis = Basis {
    boundary: "the data centre: accelerators, their servers, idle machines, cooling; not the network, nor training",
    source: "tokens as the server counts them; 0.3 J a token of the answer (Llama 3.1 8B on an H100 at batch 64, \
             ML.ENERGY) to 10 J (LLaMA 65B on A100s, arXiv 2310.03003), accelerators times 2.4 for what stands around \
             them (Google, August 2025: 0.24 Wh for 0.10 Wh); 0.05 J a token of the question (8B at half an H100's \
             speed) to 0.9 J (GPT-4o at 10,000 tokens, Epoch AI 2025)",
};

/// An operation: a multiplication or an addition.
const OPERATION_J: Joules = Joules { low: 5e-12, high: 900e-12 };
/// A byte that is read or written.
const BYTE_J: Joules = Joules { low: 10e-12, high: 325e-12 };
/// A token of a question, which is read together with many others.
const PROMPT_TOKEN_J: Joules = Joules { low: 0.05, high: 0.9 };
/// A token of an answer, for each of which all weights are read.
const COMPLETION_TOKEN_J: Joules = Joules { low: 0.3, high: 10.0 };

impl Joules {
    /// `count` times as much.
    pub fn times(self, count: f64) -> Self {
        Self { low: self.low * count, high: self.high * count }
    }
}

impl Add for Joules {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }
}

impl Sum for Joules {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::default(), Self::add)
    }
}

/// The energy of `operations` on numbers, and of the `bytes` that they read and write, on the user's own device.
///
/// ```
/// use pilot_light::usage::energy::{of_tokens, of_work};
///
/// // A local answer of 128 tokens of a small encoder, and a question of 100 tokens to a large model elsewhere.
/// let (local, remote) = (of_work(128 * 21_000_000, 43_000_000), of_tokens(100, 5, 105));
/// assert!(local.low < local.high && local.high < remote.low);
/// ```
///
/// # Boundary
/// [`LOCAL`]: the processor and its memory.
///
/// # Source
/// The least is what the GPU and the matrix unit of a current phone or laptop reach at their best, 200 GFLOP/s a watt
/// (Hübner et al. 2025, 2502.05317, M1 to M4). The most is what a laptop's processor draws under load, 28 W (the base
/// power of Intel's P class), while one thread of it does the 32 GFLOP/s that the encoder of 16 tokens was measured at.
/// A factor of 180 lies between them, and no page knows where its device stands. Bytes: 100 pJ for 64 bits from a cache
/// of a megabyte, 2.6 nJ from DRAM (Horowitz, Computing's energy problem, ISSCC 2014).
pub fn of_work(operations: u64, bytes: u64) -> Joules {
    OPERATION_J.times(operations as f64) + BYTE_J.times(bytes as f64)
}

/// What a remote model costs somewhere else, for a question and an answer of so many tokens.
///
/// # Boundary
/// [`REMOTE`]: the data centre as a whole.
///
/// # Source
/// A token of the answer: the accelerator alone takes 0.12 J for Llama 3.1 8B on an H100 at batch 64 (ML.ENERGY) and 3
/// to 4 J for LLaMA 65B on V100s and A100s (Samsi et al. 2023, 2310.03003); a data centre takes 2.4 times as much
/// (Google, August 2025: 0.24 Wh for the median prompt, of which the active accelerators 0.10). A token of the question:
/// 16 GFLOP of an 8B model at half the speed of an H100 and its full 700 W, times 2.4; at most the 2.5 Wh that Epoch AI
/// (2025) estimates for a GPT-4o that reads 10,000 tokens. Of `total` tokens that are neither, nobody knows which they
/// are. What a server does not count as tokens, it does not tell.
pub fn of_tokens(prompt: u64, completion: u64, total: u64) -> Joules {
    let other = Joules { low: PROMPT_TOKEN_J.low, high: COMPLETION_TOKEN_J.high };
    let rest = total.saturating_sub(prompt.saturating_add(completion));
    PROMPT_TOKEN_J.times(prompt as f64) + COMPLETION_TOKEN_J.times(completion as f64) + other.times(rest as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_add_up_and_stay_ranges() {
        let parts = [of_work(1000, 10), of_work(0, 0), of_tokens(3, 4, 7)];
        let sum: Joules = parts.into_iter().sum();
        assert_eq!(parts[1], Joules::default());
        assert!(sum.low > 0.0 && sum.low < sum.high);
        assert!((sum.high - parts[0].high - parts[2].high).abs() < 1e-12);
    }

    /// Google's median prompt takes 0.24 Wh, Epoch AI's typical one of 500 tokens 0.3 Wh.
    #[test]
    fn what_others_estimate_for_a_typical_question_is_within_the_range() {
        let typical = of_tokens(100, 500, 600);
        for watt_hours in [0.24, 0.3] {
            let joules = watt_hours * 3600.0;
            assert!(typical.low < joules && joules < typical.high, "{joules} J in {typical:?}");
        }
    }

    #[test]
    fn tokens_of_which_nobody_says_what_they_are_may_be_either() {
        let (unknown, questions, answers) = (of_tokens(0, 0, 10), of_tokens(10, 0, 10), of_tokens(0, 10, 10));
        assert_eq!((unknown.low, unknown.high), (questions.low, answers.high));
    }

    /// 20 W for the 65 ms that 128 tokens took on one thread; a phone's 3 W.
    #[test]
    fn watts_times_seconds_of_the_encoder_are_within_the_range() {
        let encoder = of_work(128 * 21_000_000, 43_000_000);
        for joules in [20.0 * 0.065, 3.0 * 0.065] {
            assert!(encoder.low < joules && joules < encoder.high, "{joules} J in {encoder:?}");
        }
    }

    #[test]
    fn a_question_asked_elsewhere_costs_more_than_one_answered_here() {
        assert!(of_tokens(100, 5, 105).low > of_work(64 * 21_000_000, 43_000_000).high);
    }
}
