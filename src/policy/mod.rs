//! Whether an answer stays local. Sees scores, costs and policies, never text.
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`Policy`] | when general models are asked, and what may leave |
//! | [`Trust`] | how far one local model is trusted, and so what becomes of a score |
//! | [`Budget`] | hard caps, what they leave, and what a request may cost |
//! | [`Decision`] | all that a question's way was decided from, and the pure function that decides it |
//! | [`Reason`] | why the answer is this one |
//! | [`energy`] | what an answer costs in joules: a range, with where it comes from |
//! | [`ledger`] | what answers have taken, added up over time |
//! | [`summary`] | what that says: sums, energy, and what it would have cost otherwise |
//! | [`watch`] | whether confidences are still what they were at calibration |
//!
//! A [`Decision`] holds numbers alone. The same record gives the same [`Verdict`], today and when it is read again.

mod budget;
mod decision;
mod explain;
mod gate;
mod reason;
mod rules;

pub use budget::{Budget, Cap, Cost, Left, Today, check_cap};
pub use decision::{Allowed, Decision, Offer, Routing, Tier, Verdict};
#[cfg(test)]
pub(crate) use gate::tests::calibration;
pub use gate::{LocalConfig, Trust};
pub use reason::Reason;
pub use rules::{Policy, Privacy};
