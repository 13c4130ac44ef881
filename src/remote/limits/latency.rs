//! Latency of a server: an exponentially weighted moving average.

/// How long the latest replies took. It has no clock of its own: the time is an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// Their weighted mean, and when the last reply came.
    latest: Option<(f64, f64)>,
}

/// The weight of a new reply; the fourth before it still counts a third as much.
const WEIGHT: f64 = 0.25;
/// After this time without a reply the mean is forgotten, so that a server that was slow once is asked again.
const FORGOTTEN_MS: f64 = 60_000.0;

impl Latency {
    /// Records how long a reply took.
    pub fn record(&mut self, elapsed_ms: f64, now_ms: f64) {
        let mean_ms = self.expected_ms(now_ms).map_or(elapsed_ms, |mean_ms| mean_ms + WEIGHT * (elapsed_ms - mean_ms));
        self.latest = Some((mean_ms, now_ms));
    }

    /// How long the next reply is likely to take, where there was one recently.
    pub fn expected_ms(&self, now_ms: f64) -> Option<f64> {
        self.latest.filter(|(_, heard_ms)| now_ms - heard_ms <= FORGOTTEN_MS).map(|(mean_ms, _)| mean_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_count_most_and_none_for_long() {
        let mut latency = Latency::default();
        assert_eq!(latency.expected_ms(0.0), None);
        latency.record(400.0, 1000.0);
        latency.record(800.0, 2000.0);
        assert_eq!(latency.expected_ms(62_000.0), Some(500.0));
        assert_eq!(latency.expected_ms(62_001.0), None);
        latency.record(100.0, 70_000.0);
        assert_eq!(latency.expected_ms(70_000.0), Some(100.0), "what was forgotten counts no more");
    }
}
