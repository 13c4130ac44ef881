//! Policy: whether an answer stays local. It sees scores, costs and settings, never text.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Policy`] | when remote models are asked, and what may leave |
//! | [`ModelGate`] | the calibration and threshold of one local model |
//! | [`Budget`] | hard caps, what they leave, and what a request may cost |
//! | [`Decision`] | all that was decided from, and the pure function that decides |
//! | [`Reason`] | why the answer is this one |
//!
//! A [`Decision`] holds numbers alone. The same record gives the same [`Verdict`], today and when it is read again.

mod budget;
mod decision;
mod explain;
mod gate;
mod reason;
mod rules;

pub use budget::{Budget, Cap, Cost, Remaining, Today, check_cap};
pub use decision::{Allowed, Decision, Offer, Routing, Tier, Verdict};
#[cfg(test)]
pub(crate) use gate::tests::calibration;
pub use gate::{LocalConfig, ModelGate};
pub use reason::Reason;
pub use rules::{Policy, Privacy};
