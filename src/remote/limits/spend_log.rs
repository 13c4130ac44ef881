//! Spend log: what the tabs of one origin have spent. Each tab writes its own record and reads all of them. Of two
//! versions of a record the newer one holds, so logs can be merged in any order, any number of times (a CRDT).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The records of all tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendLog {
    tabs: BTreeMap<u32, Record>,
}

/// What one tab has spent. The version comes first: records are compared by their fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Record {
    /// When it was last written, in milliseconds, or one more than before if that is later.
    version: u64,
    /// Days since 1970, UTC.
    day: u64,
    /// Money spent on that day, in billionths of a US dollar.
    nano_usd: u64,
    /// Requests made on that day.
    #[serde(default)]
    requests: u64,
    /// The most energy that they took, in thousandths of a joule.
    #[serde(default)]
    milli_j: u64,
    /// The last minute and the next one, in which retries wait.
    seconds: Vec<Second>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Second {
    at: u64,
    requests: u64,
    tokens: u64,
}

/// What is entered, or taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Requests.
    pub requests: u64,
    /// Tokens of questions and answers.
    pub tokens: u64,
    /// Money, in billionths of a US dollar.
    pub nano_usd: u64,
    /// Energy, in thousandths of a joule.
    pub milli_j: u64,
}

const MINUTE_SECONDS: u64 = 60;
/// More tabs than a person has open; beyond it the one that spent least is forgotten.
const MAX_TABS: usize = 256;
/// More than a log of that many tabs needs.
const MAX_JSON_BYTES: usize = 1 << 20;

/// The day of a time.
pub fn day_of(ms: f64) -> u64 {
    (ms / 86_400_000.0) as u64
}

/// The second of a time.
pub fn second_of(ms: f64) -> u64 {
    (ms / 1000.0) as u64
}

/// The seconds of which any part is in the minute before `now_ms`, and those of the minute ahead. What is
/// further ahead was written by a clock that was wrong.
fn window(now_ms: f64) -> RangeInclusive<u64> {
    let now = second_of(now_ms);
    now.saturating_sub(MINUTE_SECONDS)..=now.saturating_add(MINUTE_SECONDS)
}

impl SpendLog {
    /// What [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// Invalid input: it is not a spend log, or too long.
    pub fn from_json(json: &str) -> Result<Self> {
        if json.len() > MAX_JSON_BYTES {
            return Err(Error::invalid_input(format!(
                "a spend log must have at most {MAX_JSON_BYTES} bytes, got {}",
                json.len()
            )));
        }
        let mut log: Self = serde_json::from_str(json)
            .map_err(|error| Error::invalid_input(format!("the spend log is invalid: {error}")))?;
        log.forget_poorest();
        Ok(log)
    }

    /// The log as JSON, to be stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Merges `other`: of each tab the newer record holds.
    pub fn merge(&mut self, other: Self) {
        for (tab, record) in other.tabs {
            let known = self.tabs.entry(tab).or_default();
            if record > *known {
                *known = record;
            }
        }
        self.forget_poorest();
    }

    /// Removes the tabs, other than `own`, whose records do not count any more.
    pub fn prune(&mut self, own: u32, now_ms: f64) {
        let (today, window) = (day_of(now_ms), window(now_ms));
        self.tabs.retain(|tab, record| {
            *tab == own || record.day == today || record.seconds.iter().any(|second| window.contains(&second.at))
        });
    }

    /// Requests and tokens of the minute that `now_ms` is in.
    pub fn minute(&self, now_ms: f64) -> Sum {
        let window = window(now_ms);
        let mut sum = Sum::default();
        let seconds = self.tabs.values().flat_map(|record| &record.seconds);
        for second in seconds.filter(|second| window.contains(&second.at)) {
            sum.requests = sum.requests.saturating_add(second.requests);
            sum.tokens = sum.tokens.saturating_add(second.tokens);
        }
        sum
    }

    /// Requests, money and energy of the day that `now_ms` is in.
    pub fn day(&self, now_ms: f64) -> Sum {
        let today = day_of(now_ms);
        let mut sum = Sum::default();
        for record in self.tabs.values().filter(|record| record.day == today) {
            sum.requests = sum.requests.saturating_add(record.requests);
            sum.nano_usd = sum.nano_usd.saturating_add(record.nano_usd);
            sum.milli_j = sum.milli_j.saturating_add(record.milli_j);
        }
        sum
    }

    /// Takes `less` back from what `tab` entered for `second` and `day`, and enters `more`.
    pub fn enter(&mut self, tab: u32, (second, day): (u64, u64), less: Sum, more: Sum, now_ms: f64) {
        let record = self.tabs.entry(tab).or_default();
        record.version = record.version.saturating_add(1).max(now_ms as u64);
        let today = day_of(now_ms);
        if record.day != today {
            (record.day, record.nano_usd, record.requests, record.milli_j) = (today, 0, 0, 0);
        }
        let change = |sum: &mut u64, less: u64, more: u64| *sum = sum.saturating_sub(less).saturating_add(more);
        if day == today {
            change(&mut record.nano_usd, less.nano_usd, more.nano_usd);
            change(&mut record.requests, less.requests, more.requests);
            change(&mut record.milli_j, less.milli_j, more.milli_j);
        }
        let window = window(now_ms);
        record.seconds.retain(|second| window.contains(&second.at));
        let index = record.seconds.binary_search_by_key(&second, |entry| entry.at);
        let index = match index {
            Ok(index) => index,
            // What was entered there is out of the minute, and what comes of it later as well.
            Err(_) if !window.contains(&second) => return,
            Err(index) => {
                record.seconds.insert(index, Second { at: second, ..Second::default() });
                index
            }
        };
        let entry = &mut record.seconds[index];
        change(&mut entry.requests, less.requests, more.requests);
        change(&mut entry.tokens, less.tokens, more.tokens);
    }

    fn forget_poorest(&mut self) {
        while self.tabs.len() > MAX_TABS {
            let poorest = self.tabs.iter().min_by_key(|(_, record)| record.nano_usd).map(|(tab, _)| *tab);
            poorest.and_then(|tab| self.tabs.remove(&tab));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: f64 = 1_795_478_400_000.0;

    fn sum(requests: u64, tokens: u64, nano_usd: u64) -> Sum {
        Sum { requests, tokens, nano_usd, milli_j: 7 * nano_usd }
    }

    /// Requests and tokens of the minute, requests, money and energy of the day.
    fn spent(log: &SpendLog, now_ms: f64) -> [u64; 5] {
        let (minute, day) = (log.minute(now_ms), log.day(now_ms));
        [minute.requests, minute.tokens, day.requests, day.nano_usd, day.milli_j]
    }

    fn with(entries: &[(u32, f64, Sum)]) -> SpendLog {
        let mut log = SpendLog::default();
        for (tab, at_ms, entered) in entries {
            log.enter(*tab, (second_of(*at_ms), day_of(*at_ms)), Sum::default(), *entered, *at_ms);
        }
        log
    }

    #[test]
    fn a_minute_and_a_day_go_by() {
        let log = with(&[(1, NOW_MS, sum(1, 10, 100)), (2, NOW_MS + 500.0, sum(1, 20, 200))]);
        for (after_ms, expected) in [
            (600.0, [2, 30, 2, 300, 2100]),
            (60_999.0, [2, 30, 2, 300, 2100]),
            (61_000.0, [0, 0, 2, 300, 2100]),
            (86_399_999.0, [0, 0, 2, 300, 2100]),
            (86_400_000.0, [0; 5]),
            // A clock that was set back: what lies ahead does not count for long.
            (-61_000.0, [0; 5]),
        ] {
            assert_eq!(spent(&log, NOW_MS + after_ms), expected, "{after_ms}");
        }
    }

    #[test]
    fn what_does_not_count_is_forgotten() {
        let mut log = with(&[(1, NOW_MS, sum(1, 1, 1)), (2, NOW_MS, sum(1, 1, 1))]);
        log.prune(1, NOW_MS + 9e7);
        assert_eq!(log.tabs.keys().copied().collect::<Vec<_>>(), [1]);
        let many: Vec<_> = (0..1000).map(|tab| (tab, NOW_MS, sum(1, 1, u64::from(tab)))).collect();
        log.merge(with(&many));
        assert_eq!((log.tabs.len(), log.tabs.contains_key(&999)), (MAX_TABS, true));
        // One tab's seconds are bounded by the two minutes that count.
        let times: Vec<_> = (0..10_000).map(|i| (1, NOW_MS + f64::from(i) * 1000.0, sum(1, 1, 1))).collect();
        assert_eq!(with(&times).tabs[&1].seconds.len(), 61);
    }

    #[test]
    fn it_is_kept_and_read_again() {
        let log = with(&[(7, NOW_MS, sum(1, 10, 100))]);
        assert_eq!(SpendLog::from_json(&log.to_json()).unwrap(), log);
        let long = " ".repeat(MAX_JSON_BYTES + 1);
        for broken in ["", "{}", "null", r#"{"tabs":{"a":{}}}"#, r#"{"tabs":{"1":{"version":-1}}}"#, &long] {
            assert!(SpendLog::from_json(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_record_that_was_forgotten_is_newer_when_it_is_written_again() {
        let old = with(&[(1, NOW_MS, sum(5, 5, 5)), (1, NOW_MS, sum(5, 5, 5))]);
        let mut new = with(&[(1, NOW_MS + 1000.0, sum(1, 1, 1))]);
        let expected = new.clone();
        new.merge(old);
        assert_eq!(new, expected);
    }

    #[cfg(not(target_family = "wasm"))]
    mod properties {
        use super::*;
        use proptest::prelude::*;

        fn any_ledger() -> impl Strategy<Value = SpendLog> {
            let entry = (0_u32..4, 0.0..100_000.0, (0_u64..3, 0_u64..50, 0_u64..50));
            prop::collection::vec(entry, 0..12).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.into_iter().map(|(tab, at, (a, b, c))| (tab, NOW_MS + at, sum(a, b, c))).collect();
                with(&entries)
            })
        }

        fn merged(mut a: SpendLog, b: &SpendLog) -> SpendLog {
            a.merge(b.clone());
            a
        }

        proptest! {
            #[test]
            fn the_order_of_merges_makes_no_difference(a in any_ledger(), b in any_ledger(), c in any_ledger()) {
                prop_assert_eq!(merged(a.clone(), &b), merged(b.clone(), &a));
                prop_assert_eq!(merged(merged(a.clone(), &b), &c), merged(a.clone(), &merged(b.clone(), &c)));
                prop_assert_eq!(merged(a.clone(), &a), a);
            }

            #[test]
            fn tabs_that_tell_each_other_know_the_sum(entries in prop::collection::vec((0_u32..3, 0_u64..5, 0_u64..50, 0_u64..50), 0..30)) {
                let mut tabs = vec![SpendLog::default(); 3];
                let mut total = Sum::default();
                for (tab, requests, tokens, nano_usd) in entries {
                    let at = (second_of(NOW_MS), day_of(NOW_MS));
                    tabs[tab as usize].enter(tab, at, Sum::default(), sum(requests, tokens, nano_usd), NOW_MS);
                    total = sum(total.requests + requests, total.tokens + tokens, total.nano_usd + nano_usd);
                }
                let all = merged(merged(tabs[2].clone(), &tabs[0]), &tabs[1]);
                let Sum { requests, tokens, nano_usd, milli_j } = total;
                prop_assert_eq!(spent(&all, NOW_MS), [requests, tokens, requests, nano_usd, milli_j]);
            }
        }
    }
}
