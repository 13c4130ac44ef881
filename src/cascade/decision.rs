//! What becomes of a question, as a pure function of numbers.

use serde::{Deserialize, Serialize};

use super::{Privacy, Reason};
use crate::models::Work;

/// Longer texts are not sent: what they would cost would come as a surprise.
const MAX_REMOTE_BYTES: usize = 64 << 10;

/// All that a question's way was decided from: numbers, never text. Whoever has it can decide again by
/// [`verdict`](Self::verdict), and comes to the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Decision {
    /// The local models that looked at the text, in their order; the last one's answer is the local answer.
    pub tiers: Vec<Tier>,
    /// What stands against sending it.
    pub allowed: Allowed,
}

/// What one local model made of a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Tier {
    /// How sure it is of its answer, from 0 to 1, as it comes from the model.
    pub score: f64,
    /// What its logits are divided by; 1 where it was not calibrated.
    pub temperature: f64,
    /// How sure it is at that temperature.
    pub confidence: f64,
    /// The confidence from which on its answer is the answer.
    pub threshold: f64,
    /// Whether the threshold comes from a calibration, and so promises anything.
    pub calibrated: bool,
    /// How long it took; its texts' mean where several went through it together.
    pub latency_ms: f64,
    /// What it computed.
    pub work: Work,
}

/// What stands against sending a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Allowed {
    /// What the policy lets leave the device.
    pub privacy: Privacy,
    /// Whether whoever asked said that this text must not leave it.
    pub must_stay_local: bool,
    /// How many general models there are.
    pub remotes: usize,
    /// How long the text is.
    pub bytes: usize,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The local answer is the answer, for this reason.
    Stays(Reason),
    /// A general model is asked.
    Asks,
}

impl Tier {
    /// Whether its answer is good enough; of a confidence that is no number it is not.
    pub fn is_sure(&self) -> bool {
        self.confidence >= self.threshold
    }
}

impl Decision {
    /// What becomes of the question.
    pub fn verdict(&self) -> Verdict {
        let Allowed { privacy, must_stay_local, remotes, bytes } = self.allowed;
        match privacy {
            _ if self.tiers.last().is_some_and(Tier::is_sure) => Verdict::Stays(Reason::Confident),
            _ if remotes == 0 => Verdict::Stays(Reason::NoRemote),
            _ if must_stay_local => Verdict::Stays(Reason::MustStayLocal),
            Privacy::LocalOnly => Verdict::Stays(Reason::LocalOnly),
            _ if bytes > MAX_REMOTE_BYTES => Verdict::Stays(Reason::TooLong),
            Privacy::Redact | Privacy::Allow => Verdict::Asks,
        }
    }
}
