//! How fast a server is of late.

/// How long the latest replies took. Without a clock of its own: it is told the time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Their mean, in which each reply counts more than the one before, and when the last one came.
    latest: Option<(f64, f64)>,
}

/// What a reply counts; the fourth before it still counts a third as much.
const WEIGHT: f64 = 0.25;
/// After this time without a reply nothing is expected any more, so that one that was slow once is asked again.
const FORGOTTEN_MS: f64 = 60_000.0;

impl Pace {
    /// A reply took so long.
    pub fn heard(&mut self, elapsed_ms: f64, now_ms: f64) {
        let mean_ms = self.expected_ms(now_ms).map_or(elapsed_ms, |mean_ms| mean_ms + WEIGHT * (elapsed_ms - mean_ms));
        self.latest = Some((mean_ms, now_ms));
    }

    /// How long the next one is likely to take, where there was any of late.
    pub fn expected_ms(&self, now_ms: f64) -> Option<f64> {
        self.latest.filter(|(_, heard_ms)| now_ms - heard_ms <= FORGOTTEN_MS).map(|(mean_ms, _)| mean_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_count_most_and_none_for_long() {
        let mut pace = Pace::default();
        assert_eq!(pace.expected_ms(0.0), None);
        pace.heard(400.0, 1000.0);
        pace.heard(800.0, 2000.0);
        assert_eq!(pace.expected_ms(62_000.0), Some(500.0));
        assert_eq!(pace.expected_ms(62_001.0), None);
        pace.heard(100.0, 70_000.0);
        assert_eq!(pace.expected_ms(70_000.0), Some(100.0), "what was forgotten counts no more");
    }
}
