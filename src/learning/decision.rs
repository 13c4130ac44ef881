//! What a learner says of a text, and what it is told.

use serde::{Deserialize, Serialize};

use super::head::Prediction;

/// Why a text stays at home or is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Route {
    /// It stays: the head is confident.
    Local,
    /// It is sent: the head is unsure.
    Unsure,
    /// It is sent to be checked, though the head is confident.
    Checked,
    /// It is sent: no threshold of the head in charge keeps the promise yet, or none does any more.
    Unpromised,
}

/// What is to be done with a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What the head in charge says.
    pub prediction: Prediction,
    /// Whether it stays at home.
    pub route: Route,
    /// The probability with which a text like this one is sent.
    pub propensity: f64,
    /// The least such probability of any text.
    pub floor: f64,
    /// The [digest](super::digest) of the head in charge.
    pub head: u64,
}

/// What a remote model said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemoteLabels<'a> {
    /// The label; where several may apply, those that do, in any order.
    pub labels: &'a [&'a str],
    /// How sure it was, above 0 and at most 1: the probability of its answer, or the part of several answers that agree.
    pub agreement: f64,
    /// Who the text came from, as the caller numbers them from 1; one source cannot fill a label alone. 0 is not known.
    pub source: u64,
}

/// What came of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was counted.
    Counted,
    /// It has one that is not of the labels, or not as many as a text has, and does not count.
    ForeignLabel,
    /// Another head has taken over.
    TookOver,
    /// More stays at home than before, with the same head.
    Loosened,
    /// The head in charge is wrong too often: its promise was withdrawn.
    Withdrawn,
}
