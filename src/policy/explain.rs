//! Explanation of a decision in words: the numbers that it was made from, a sentence for each step.

use std::fmt::Write;

use super::{Allowed, Cost, Decision, Offer, Privacy, Remaining, Routing, Tier, Verdict};

impl Decision {
    /// The numbers that it was made from and what follows from them: a line for each step.
    pub fn explain(&self) -> String {
        let mut lines: Vec<String> = self.tiers.iter().enumerate().map(|(index, tier)| tier.explain(index)).collect();
        if !self.tiers.last().is_some_and(Tier::is_sure) {
            lines.push(self.allowed.explain());
            lines.extend(self.routing.as_ref().map(Routing::explain));
        }
        lines.extend(self.offers.iter().map(Offer::explain));
        lines.push(match self.verdict() {
            Verdict::Stays(reason) => format!("Decided: the local answer is given, because {reason}."),
            Verdict::Asks => "Decided: a remote model is asked.".to_string(),
        });
        lines.join("\n")
    }
}

impl Tier {
    fn explain(&self, index: usize) -> String {
        let Self { score, temperature, confidence, threshold, calibrated, latency_ms, .. } = self;
        let against = if self.is_sure() { "at least" } else { "below" };
        let promise = match calibrated {
            true => "calibrated",
            // Above every confidence, where a head is not tested yet.
            false if *threshold > 1.0 => "no answer is trusted yet",
            false => "not calibrated, which guarantees nothing",
        };
        format!(
            "Local model {index}: a score of {score:.4} at the temperature {temperature:.3} is a confidence of \
             {confidence:.4}, {against} the threshold of {threshold:.4} ({promise}), after {latency_ms:.1} ms."
        )
    }
}

impl Allowed {
    fn explain(&self) -> String {
        let Self { privacy, must_stay_local, remotes, bytes } = self;
        let leave = match privacy {
            Privacy::LocalOnly => "nothing leave",
            Privacy::Redact => "texts leave without their personal data",
            Privacy::Allow => "texts leave as they are",
        };
        let stays = if *must_stay_local { " This one must stay local." } else { "" };
        format!("The policy lets {leave}.{stays} The text has {bytes} bytes; remote models: {remotes}.")
    }
}

impl Routing {
    fn explain(&self) -> String {
        let Self { gain, min_gain, latency_ms, .. } = self;
        let (against, first) = if self.is_worth_it() { ("at least", 1) } else { ("below", 0) };
        format!(
            "Router: remote model 1 is expected to gain {gain:.4} on remote model 0, {against} {min_gain:.4}, so that {first} \
             is asked first, after {latency_ms:.1} ms."
        )
    }
}

impl Offer {
    fn explain(&self) -> String {
        let Self { remote, cost, left, .. } = self;
        let fate = match self.refusal() {
            Some(reason) => format!("not asked, because {reason}"),
            None => "asked".to_string(),
        };
        format!("Remote model {remote}: a request of {}; {}: {fate}.", cost.explain(), left.explain())
    }
}

impl Cost {
    fn explain(&self) -> String {
        let Self { tokens, usd, joules, latency_ms } = self;
        let latency = latency_ms.map_or_else(String::new, |ms| format!(", and about {ms:.0} ms by its latest replies"));
        format!("at most {tokens} tokens, {usd:.6} US dollars and {joules:.0} J{latency}")
    }
}

impl Remaining {
    fn explain(&self) -> String {
        let mut words = String::new();
        for (left, unit) in [
            (self.requests_per_minute, "requests this minute"),
            (self.tokens_per_minute, "tokens this minute"),
            (self.requests_per_day, "requests today"),
            (self.usd_per_day, "US dollars today"),
            (self.joules_per_day, "J today"),
            (self.latency_ms, "ms for a question"),
        ] {
            if let Some(left) = left {
                let comma = if words.is_empty() { "left are " } else { ", " };
                // Rounded: a difference of fractions has digits that mean nothing. Writing to a string cannot fail.
                let _ = write!(words, "{comma}{} {unit}", (left * 1e6).round() / 1e6);
            }
        }
        if words.is_empty() { "nothing is capped".to_string() } else { words }
    }
}
