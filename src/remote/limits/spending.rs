//! Caps on spending. The largest possible cost of a request is charged before it is sent, and corrected when the server
//! has reported the tokens.

use serde::{Deserialize, Serialize};

use super::Price;
use super::spend_log::{SpendLog, Sum, day_of, second_of};
use crate::error::{Error, Result};
use crate::policy::{Cost, Remaining, Today, check_cap};
use crate::remote::Usage;
use crate::usage::energy;

/// The most that may be spent on one remote model; a field that is absent is not capped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    /// Requests in any minute, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub requests_per_minute: Option<u32>,
    /// Tokens of questions and answers in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub tokens_per_minute: Option<u32>,
    /// US dollars on any day, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usd_per_day: Option<f64>,
}

/// What was charged for one attempt.
#[derive(Debug)]
pub struct Charge {
    second_and_day: (u64, u64),
    sum: Sum,
}

/// Caps, and what was spent under them.
#[derive(Debug)]
pub struct Spending {
    caps: Caps,
    price: Option<Price>,
    tab: u32,
    log: SpendLog,
}

impl Spending {
    /// Caps for the tab with the number `tab`. No other open tab may have the same number.
    ///
    /// # Errors
    /// Invalid input: a cap on money without a price, an invalid cap or price.
    pub fn new(caps: Caps, price: Option<Price>, tab: u32) -> Result<Self> {
        let price = price.map(Price::checked).transpose()?;
        check_cap("requests_per_minute", caps.requests_per_minute.map(f64::from))?;
        check_cap("tokens_per_minute", caps.tokens_per_minute.map(f64::from))?;
        check_cap("usd_per_day", caps.usd_per_day)?;
        if caps.usd_per_day.is_some() && price.is_none() {
            return Err(Error::invalid_input("a cap on money needs the price of the remote model's tokens"));
        }
        Ok(Self { caps, price, tab, log: SpendLog::default() })
    }

    /// Whether the price of a request is known.
    pub fn has_price(&self) -> bool {
        self.price.is_some()
    }

    /// What a request that uses `estimate` costs.
    pub fn cost(&self, estimate: Usage) -> Cost {
        let Sum { tokens, nano_usd, milli_j, .. } = self.sum(estimate);
        Cost { tokens, usd: nano_usd as f64 / 1e9, joules: milli_j as f64 / 1e3, latency_ms: None }
    }

    /// What the caps leave.
    pub fn left(&self, now_ms: f64) -> Remaining {
        let Caps { requests_per_minute, tokens_per_minute, usd_per_day } = self.caps;
        let minute = self.log.minute(now_ms);
        Remaining {
            requests_per_minute: requests_per_minute.map(|cap| f64::from(cap) - minute.requests as f64),
            tokens_per_minute: tokens_per_minute.map(|cap| f64::from(cap) - minute.tokens as f64),
            // In whole billionths: a difference of fractions would be wrong in the last digit.
            usd_per_day: usd_per_day.map(|cap| ((cap * 1e9).floor() - self.log.day(now_ms).nano_usd as f64) / 1e9),
            ..Remaining::default()
        }
    }

    /// What was spent on the day that `now_ms` is in.
    pub fn today(&self, now_ms: f64) -> Today {
        let Sum { requests, nano_usd, milli_j, .. } = self.log.day(now_ms);
        Today { requests, usd: nano_usd as f64 / 1e9, joules: milli_j as f64 / 1e3 }
    }

    /// Charges `estimate` for what is sent at `at_ms`.
    pub fn charge(&mut self, now_ms: f64, at_ms: f64, estimate: Usage) -> Charge {
        let charge = Charge { second_and_day: (second_of(at_ms), day_of(now_ms)), sum: self.sum(estimate) };
        self.log.enter(self.tab, charge.second_and_day, Sum::default(), charge.sum, now_ms);
        charge
    }

    /// Replaces `charge` by the actual cost.
    pub fn correct(&mut self, charge: Charge, usage: Usage, now_ms: f64) {
        let sum = self.sum(usage);
        self.log.enter(self.tab, charge.second_and_day, charge.sum, sum, now_ms);
    }

    /// Takes `charge` back: nothing was sent.
    pub fn refund(&mut self, charge: Charge, now_ms: f64) {
        self.log.enter(self.tab, charge.second_and_day, charge.sum, Sum::default(), now_ms);
    }

    /// Merges what other tabs, or this one before it was reloaded, have spent: the result of their
    /// [`save`](Self::save).
    ///
    /// # Errors
    /// Invalid input: it is not a spend log; nothing changes.
    pub fn absorb(&mut self, json: &str) -> Result<()> {
        self.log.merge(SpendLog::from_json(json)?);
        Ok(())
    }

    /// The spend log of all tabs, to be stored and shared with them whenever it changes.
    pub fn save(&mut self, now_ms: f64) -> String {
        self.log.prune(self.tab, now_ms);
        self.log.to_json()
    }

    fn sum(&self, usage: Usage) -> Sum {
        // Some servers omit the total.
        let parts = u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens);
        let nano_usd = self.price.as_ref().map_or(0, |price| price.nano_usd(usage));
        let [prompt, completion, total] =
            [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens].map(u64::from);
        let milli_j = (energy::of_tokens(prompt, completion, total).high * 1e3).ceil() as u64;
        Sum { requests: 1, tokens: parts.max(total), nano_usd, milli_j }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Cap;

    const NOW_MS: f64 = 1_795_478_400_000.0;

    fn usage(prompt_tokens: u32, completion_tokens: u32) -> Usage {
        Usage { prompt_tokens, completion_tokens, total_tokens: 0 }
    }

    /// A dollar a million tokens.
    fn price() -> Price {
        Price { prompt_usd_per_million: 1.0, completion_usd_per_million: 1.0, as_of: "2026-11-24".to_string() }
    }

    fn spending(tab: u32) -> Spending {
        let caps = Caps { requests_per_minute: Some(3), tokens_per_minute: Some(1000), usd_per_day: Some(0.002) };
        Spending::new(caps, Some(price()), tab).unwrap()
    }

    /// Requests and tokens of the last minute, and US dollars today.
    fn spent(spending: &Spending, now_ms: f64) -> (u64, u64, f64) {
        let minute = spending.log.minute(now_ms);
        (minute.requests, minute.tokens, spending.today(now_ms).usd)
    }

    /// The cap that a request of `usage` would break.
    fn check(spending: &Spending, now_ms: f64, usage: Usage) -> Option<Cap> {
        spending.left(now_ms).forbids(&spending.cost(usage))
    }

    #[test]
    fn each_cap_holds() {
        let mut requests = spending(0);
        for _ in 0..3 {
            requests.charge(NOW_MS, NOW_MS, usage(1, 1));
        }
        assert_eq!(check(&requests, NOW_MS + 60_000.0, usage(1, 1)), Some(Cap::RequestsPerMinute));
        assert_eq!(check(&requests, NOW_MS + 61_000.0, usage(1, 1)), None);
        let mut tokens = spending(0);
        tokens.charge(NOW_MS, NOW_MS, usage(900, 0));
        assert_eq!(check(&tokens, NOW_MS, usage(50, 51)), Some(Cap::TokensPerMinute));
        assert_eq!(check(&tokens, NOW_MS, usage(50, 50)), None);
        let mut money = spending(0);
        for at_ms in [NOW_MS, NOW_MS + 1e6] {
            money.charge(at_ms, at_ms, usage(999, 0));
        }
        assert_eq!(check(&money, NOW_MS + 3e6, usage(3, 0)), Some(Cap::UsdPerDay));
        assert_eq!(check(&money, NOW_MS + 3e6, usage(2, 0)), None);
        assert_eq!(check(&money, NOW_MS + 8.64e7, usage(999, 0)), None);
        assert_eq!(money.today(NOW_MS + 3e6).usd, 0.001_998);
    }

    #[test]
    fn estimates_are_corrected() {
        let mut spending = spending(0);
        let charge = spending.charge(NOW_MS, NOW_MS, usage(900, 100));
        assert_eq!(check(&spending, NOW_MS, usage(1, 0)), Some(Cap::TokensPerMinute));
        spending.correct(charge, Usage { total_tokens: 12, ..usage(9, 3) }, NOW_MS + 5.0);
        let corrected = (1, 12, 0.000_012);
        assert_eq!(spent(&spending, NOW_MS), corrected);
        let charge = spending.charge(NOW_MS, NOW_MS, usage(100, 0));
        spending.refund(charge, NOW_MS);
        assert_eq!(spent(&spending, NOW_MS), corrected);
        // What was charged yesterday is not taken back from today.
        let charge = spending.charge(NOW_MS, NOW_MS, usage(900, 0));
        spending.refund(charge, NOW_MS + 8.64e7);
        assert_eq!(spending.today(NOW_MS + 8.64e7).usd, 0.0);
    }

    #[test]
    fn what_is_to_be_sent_later_counts_from_then_on() {
        let mut spending = spending(0);
        spending.charge(NOW_MS, NOW_MS + 60_000.0, usage(1000, 0));
        for later_ms in [0.0, 60_000.0, 119_000.0] {
            assert_eq!(check(&spending, NOW_MS + later_ms, usage(1, 0)), Some(Cap::TokensPerMinute));
        }
        assert_eq!(check(&spending, NOW_MS + 121_000.0, usage(1, 0)), None);
    }

    #[test]
    fn tabs_and_reloads_share_the_caps() {
        let (mut one, mut two) = (spending(1), spending(2));
        one.charge(NOW_MS, NOW_MS, usage(600, 0));
        two.charge(NOW_MS, NOW_MS, usage(300, 0));
        two.absorb(&one.save(NOW_MS)).unwrap();
        one.absorb(&two.save(NOW_MS)).unwrap();
        let mut reloaded = spending(1);
        reloaded.absorb(&two.save(NOW_MS)).unwrap();
        reloaded.charge(NOW_MS, NOW_MS, usage(50, 0));
        for (spending, tokens) in [(&one, 900), (&two, 900), (&reloaded, 950)] {
            assert_eq!(spent(spending, NOW_MS).1, tokens);
        }
        assert!(one.absorb("rubbish").is_err());
        assert_eq!(spent(&one, NOW_MS).1, 900);
    }

    #[test]
    fn days_count_requests_and_the_most_energy_that_they_may_take() {
        let mut spending = spending(0);
        let charge = spending.charge(NOW_MS, NOW_MS, usage(100, 100));
        let most = spending.cost(usage(100, 100)).joules;
        assert!((most - energy::of_tokens(100, 100, 200).high).abs() < 2e-3);
        assert_eq!(spending.today(NOW_MS), Today { requests: 1, usd: 0.0002, joules: most });
        spending.correct(charge, usage(100, 1), NOW_MS);
        assert!(spending.today(NOW_MS).joules < most / 5.0);
        assert_eq!(spending.today(NOW_MS + 8.64e7), Today::default());
    }

    #[test]
    fn caps_that_make_no_sense_are_refused() {
        for none in [
            Caps { requests_per_minute: Some(0), ..Caps::default() },
            Caps { tokens_per_minute: Some(0), ..Caps::default() },
        ] {
            assert!(Spending::new(none, None, 0).is_err());
        }
        for usd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Spending::new(Caps { usd_per_day: Some(usd), ..Caps::default() }, Some(price()), 0).is_err());
        }
        assert!(Spending::new(Caps { usd_per_day: Some(1.0), ..Caps::default() }, None, 0).is_err());
        assert!(Spending::new(Caps::default(), None, 0).is_ok());
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        /// Whatever is asked for, no minute has more than its cap, and no day: counted by hand.
        #[test]
        fn no_cap_is_ever_passed(asked in proptest::collection::vec((0.0..40_000.0_f64, 0.0..60_000.0_f64, 0_u32..500), 0..60)) {
            let mut spending = spending(0);
            let mut sent: Vec<(f64, u64)> = Vec::new();
            let mut now_ms = NOW_MS;
            for (later_ms, delay_ms, tokens) in asked {
                now_ms += later_ms;
                if check(&spending, now_ms, usage(tokens, 0)).is_none() {
                    spending.charge(now_ms, now_ms + delay_ms, usage(tokens, 0));
                    sent.push((now_ms + delay_ms, u64::from(tokens)));
                }
            }
            for (end_ms, _) in &sent {
                let minute = sent.iter().filter(|(at_ms, _)| (end_ms - 60_000.0..=*end_ms).contains(at_ms));
                let (requests, tokens) = minute.fold((0, 0), |(count, sum), (_, tokens)| (count + 1, sum + tokens));
                proptest::prop_assert!(requests <= 3 && tokens <= 1000, "{} requests, {} tokens", requests, tokens);
            }
            proptest::prop_assert!(sent.iter().map(|(_, tokens)| tokens).sum::<u64>() <= 2000);
        }
    }
}
