//! Learning from the answers of a remote model: a linear head on embeddings that is trained while it is used, and keeps its
//! promise meanwhile.
//!
//! | item | what it is |
//! | --- | --- |
//! | [`Learner`] | decides which texts stay at home, takes the remote model's labels, trains, promotes |
//! | [`Store`] | what is kept of labels: a bounded sample of embeddings that can be joined |
//! | [`trainer`] | logistic regression in pieces, with cross-validation |
//! | [`betting`] | tests that hold however often one looks |
//! | [`trial`] | the test of heads that follow one another |
//! | [`neighbours`] | what the labels of similar texts say |
//! | [`LabelSet`] | the label of a text, or all labels that apply to it |
//!
//! It is arithmetic on numbers: no text, no clock, no random number that is not given.
//!
//! # What is promised
//!
//! Of the texts that stay at home at most a part α has another label than the remote model would give, as
//! [`Guarantee::LearnThenTest`](crate::calibration::risk_control::Guarantee) has it. Each label is predicted by the last head
//! before it trains the next one. Let R_t be the risk of the head that there was at text t among the texts that it was sure of,
//!
//! ```text
//! R_t = P( h_t(x) ≠ remote(x) | h_t is sure of x ).
//! ```
//!
//! Where several labels may apply to a text, h_t(x) and remote(x) are sets of labels: they are equal where each label is in both
//! or in neither. How sure a head is of a set says [`Prediction`]; what is proven assumes nothing of that.
//!
//! **What is proven**, with a certainty of 1 − δ at all times between two changes of the texts: the average of R_t over the texts
//! at which heads were tested, each weighed by how many texts it was sure of, is at most α ([`betting`] has the proof, which
//! assumes nothing of the heads). A level is a share of the texts, the surest ones, so that it means the same for each head;
//! levels are tested in a fixed order ([`trial`]).
//!
//! **What is assumed**: that the head that takes over is no worse than the average of those before it. It was trained on more
//! labels than any of them. If it is worse all the same, checked texts tell: the promise is withdrawn.
//!
//! Labels that come after a head has taken over are no fair sample: unsure texts are always sent, and of the others a part ε is
//! checked. So those that stay at home anyway prove nothing for further levels: what is tested then is that the other texts of a
//! level keep the promise too. Checked texts are weighed by one over ε in training, and watched.
//!
//! It is a promise about texts that may be sent to the remote model, from the last change of the texts on. When they change,
//! it is doubtful until that is noticed; then it is withdrawn, everything is delegated, and heads are tested anew.
//!
//! **What the remote model gets wrong.** A remote model that errs on a part η of all texts, whatever they are, differs even
//! from a perfect head on that part. If it is known or measured ([`LearnOptions::remote_error`]), then what is tested is
//!
//! ```text
//! R_t ≤ α' = η + α · (1 − 2η).
//! ```
//!
//! If the remote model errs independently of whether the head does, that is a promise about truth: with e the share of
//! texts at home whose label is wrong, R_t ≥ η + e · (1 − 2η), with equality for two labels, so that e ≤ α. If not, it is what
//! it says: at most α' of the texts that stay at home have another label than the remote model would give. With η = 0, which
//! is the default, both are the same.

mod baseline;
pub mod betting;
mod decision;
mod drift_watch;
mod head;
mod label_set;
mod learner;
pub mod neighbours;
mod observation;
#[cfg(test)]
mod random;
mod store;
#[cfg(test)]
mod tests;
pub mod trainer;
pub mod trial;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use decision::{Decision, Event, RemoteLabels, Route};
pub(crate) use head::fnv_1a;
pub use head::{Prediction, digest, predict, zero_shot, zero_shot_each};
pub use label_set::LabelSet;
pub use learner::{CandidateReport, Learner, LearningReport};
pub use observation::Observation;
pub use store::{Example, MAX_TEXT_BYTES, Origin, Space, Store};

/// More labels are refused: a head of so many has no examples for most of them, and training it takes seconds.
pub const MAX_LABELS: usize = 1000;

/// How a learner learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct LearnOptions {
    /// Of the texts that stay at home at most this part is wrong.
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().alpha))]
    pub alpha: f64,
    /// The chance that this is not so.
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().delta))]
    pub delta: f64,
    /// The part of the confident texts that is sent all the same. Without it nobody would know what they would have been
    /// called. It is the least that learning costs.
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().check_rate))]
    pub check_rate: f64,
    /// The same for a while after the texts have changed.
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().raised_check_rate))]
    pub raised_check_rate: f64,
    /// η: the part of all texts that the remote model itself gets wrong, where that is known. Where it was measured on few
    /// texts, the lower end of its interval is safe (`calibration::interval`).
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().remote_error))]
    pub remote_error: f64,
    /// Bytes that the stored examples may take.
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().store_bytes))]
    pub store_bytes: usize,
    /// How far rare labels count more in training: an example weighs as (mean number of a label / number of its label) to
    /// this power. 0 leaves them as they are, 1 makes all labels count the same.
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().balance))]
    pub balance: f64,
    /// How much examples from before a change of the texts count in training.
    #[cfg_attr(feature = "clap", arg(long, default_value_t = Self::default().old_weight))]
    pub old_weight: f64,
    /// Whether texts are kept next to their embeddings, so that another encoder can begin with them.
    #[cfg_attr(feature = "clap", arg(long))]
    pub keep_texts: bool,
    /// Whether an example counts one over its propensity in training. Only to be compared with.
    #[cfg_attr(feature = "clap", arg(skip = true))]
    pub importance_weights: bool,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            delta: 0.1,
            check_rate: 0.1,
            raised_check_rate: 0.25,
            remote_error: 0.0,
            store_bytes: 8 << 20,
            balance: 0.0,
            old_weight: 0.2,
            keep_texts: false,
            importance_weights: true,
        }
    }
}

impl LearnOptions {
    /// α': what is tested of how often a head and the remote model differ.
    pub fn tested_alpha(&self) -> f64 {
        self.remote_error + self.alpha * (1.0 - 2.0 * self.remote_error)
    }

    /// An empty store for these options.
    ///
    /// # Errors
    /// As [`Store::new`].
    pub fn store(&self, space: Space) -> Result<Store> {
        match self.keep_texts {
            true => Store::with_texts(space, self.store_bytes),
            false => Store::new(space, self.store_bytes),
        }
    }

    fn check(&self) -> Result<()> {
        let within = |name: &str, value: f64, low: f64, high: f64| {
            if value >= low && value <= high {
                return Ok(());
            }
            Err(Error::invalid_input(format!("{name} must be from {low} to {high}, got {value}")))
        };
        within("alpha", self.alpha, 1e-4, 0.5)?;
        within("delta", self.delta, 1e-6, 0.5)?;
        within("check_rate", self.check_rate, 0.001, 1.0)?;
        within("raised_check_rate", self.raised_check_rate, self.check_rate, 1.0)?;
        within("remote_error", self.remote_error, 0.0, 0.4)?;
        within("balance", self.balance, 0.0, 1.0)?;
        within("old_weight", self.old_weight, 0.0, 1.0)
    }
}

/// What a learner did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default)]
pub struct Counters {
    /// Texts that it decided about.
    pub texts: u64,
    /// Texts that stayed at home: requests that were saved.
    pub local: u64,
    /// Texts that were sent because the head was unsure.
    pub unsure: u64,
    /// Texts that were sent though the head was sure, to know how often it is wrong: what learning costs.
    pub checked: u64,
    /// Texts that were sent because nothing is promised yet, or no longer.
    pub unpromised: u64,
    /// Labels that counted.
    pub labels: u64,
    /// Labels that are not in the set.
    pub foreign_labels: u64,
    /// Checked texts on which the head and the remote model differed.
    pub checked_wrong: u64,
    /// Heads that were trained.
    pub trained: u64,
    /// Heads that were tested.
    pub tested: u64,
    /// Heads that took over.
    pub promoted: u64,
    /// How often the promise was withdrawn.
    pub withdrawn: u64,
    /// Multiplications and additions of training.
    pub operations: u64,
    /// Examples of another encoder that were left out: without a text, or with a text that this encoder gives numbers for that are
    /// not finite.
    pub left_out: u64,
}
