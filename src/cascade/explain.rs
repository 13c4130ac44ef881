//! Explanation of an envelope in words: what it was decided from, and the result.

use serde::{Deserialize, Serialize};

use super::{Envelope, Route};
use crate::policy::{Decision, Reason};
use crate::usage::energy::Energy;

/// The fields of an envelope that explain it: no text, and no output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecidedAnswer {
    route: Route,
    tier: usize,
    reason: Reason,
    #[serde(default)]
    detail: Option<String>,
    degraded: bool,
    attempts: u32,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    cost_usd: Option<f64>,
    latency_ms: f64,
    energy_j: Energy,
    decision: Decision,
}

impl From<&Envelope> for DecidedAnswer {
    fn from(envelope: &Envelope) -> Self {
        Self {
            route: envelope.route,
            tier: envelope.tier,
            reason: envelope.reason,
            detail: envelope.detail.clone(),
            degraded: envelope.degraded,
            attempts: envelope.attempts,
            model: envelope.model.clone(),
            cost_usd: envelope.cost_usd,
            latency_ms: envelope.latency_ms,
            energy_j: envelope.energy_j,
            decision: envelope.decision.clone(),
        }
    }
}

impl DecidedAnswer {
    /// The numbers, what was decided from them, and the result: a line for each step.
    pub fn explain(&self) -> String {
        let Self { tier, reason, attempts, latency_ms, .. } = self;
        let who = match (self.route, self.degraded) {
            (Route::Remote, _) => format!("remote model '{}'", self.model.as_deref().unwrap_or_default()),
            (Route::Local, true) => format!("local model {tier}, which is not confident: {reason}"),
            (Route::Local, false) => format!("local model {tier}"),
        };
        let detail = self.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        let tried = match attempts {
            0 => String::new(),
            1 => " after 1 request".to_string(),
            more => format!(" after {more} requests"),
        };
        let cost = self.cost_usd.map_or_else(String::new, |usd| format!(", {usd:.6} US dollars"));
        let remote_j = self.energy_j.remote.unwrap_or_default();
        let (low_j, high_j) = (self.energy_j.local.low + remote_j.low, self.energy_j.local.high + remote_j.high);
        let decision = self.decision.explain();
        let (low, high) = (energy(low_j), energy(high_j));
        format!("{decision}\nAnswered by {who}{detail}{tried}, in {latency_ms:.1} ms{cost}, {low} to {high}.")
    }
}

/// An energy with as many digits as an estimate deserves.
fn energy(joules: f64) -> String {
    if joules >= 1.0 { format!("{joules:.0} J") } else { format!("{:.2} mJ", joules * 1e3) }
}
