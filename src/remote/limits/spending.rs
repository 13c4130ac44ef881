//! Caps on what is spent. What a request may cost at most is charged before it is sent, and corrected when
//! the server has told what it did cost.

use serde::{Deserialize, Serialize};

use super::Price;
use super::spend_log::{Ledger, Sum, day_of, second_of};
use crate::error::{Error, Result};
use crate::policy::{Cost, Left, Today, check_cap};
use crate::remote::Usage;
use crate::usage::energy;

/// The most that may be spent; what is not given is not capped.
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

/// What all tabs of the origin have spent, as far as this one knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Spent {
    /// Requests in the last minute.
    pub requests: u64,
    /// Tokens in the last minute.
    pub tokens: u64,
    /// US dollars today, UTC; nothing where there is no price.
    pub usd: f64,
    /// The day of the prices that this is counted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prices_as_of: Option<String>,
}

/// What was charged for one attempt.
#[derive(Debug)]
pub struct Charge {
    place: (u64, u64),
    sum: Sum,
}

/// Caps, and what was spent under them.
#[derive(Debug)]
pub struct Spending {
    caps: Caps,
    price: Option<Price>,
    tab: u32,
    ledger: Ledger,
}

impl Spending {
    /// Caps for the tab that is known to the others as `tab`. No other open tab may have the same number.
    ///
    /// # Errors
    /// Invalid input: a cap on money without a price, or one that leaves nothing; a price that is none.
    pub fn new(caps: Caps, price: Option<Price>, tab: u32) -> Result<Self> {
        let price = price.map(Price::checked).transpose()?;
        check_cap("requests_per_minute", caps.requests_per_minute.map(f64::from))?;
        check_cap("tokens_per_minute", caps.tokens_per_minute.map(f64::from))?;
        check_cap("usd_per_day", caps.usd_per_day)?;
        if caps.usd_per_day.is_some() && price.is_none() {
            return Err(Error::invalid_input("a cap on money needs the price of the remote model's tokens"));
        }
        Ok(Self { caps, price, tab, ledger: Ledger::default() })
    }

    /// Whether it is known what a request costs.
    pub fn has_price(&self) -> bool {
        self.price.is_some()
    }

    /// What a request that uses `estimate` costs.
    pub fn cost(&self, estimate: Usage) -> Cost {
        let Sum { tokens, nano_usd, milli_j, .. } = self.sum(estimate);
        Cost { tokens, usd: nano_usd as f64 / 1e9, joules: milli_j as f64 / 1e3, latency_ms: None }
    }

    /// What the caps leave.
    pub fn left(&self, now_ms: f64) -> Left {
        let Caps { requests_per_minute, tokens_per_minute, usd_per_day } = self.caps;
        let minute = self.ledger.minute(now_ms);
        Left {
            requests_per_minute: requests_per_minute.map(|cap| f64::from(cap) - minute.requests as f64),
            tokens_per_minute: tokens_per_minute.map(|cap| f64::from(cap) - minute.tokens as f64),
            // In whole billionths: a difference of fractions would be above or below by the last digit.
            usd_per_day: usd_per_day.map(|cap| ((cap * 1e9).floor() - self.ledger.day(now_ms).nano_usd as f64) / 1e9),
            ..Left::default()
        }
    }

    /// What was spent on the day that `now_ms` is in.
    pub fn today(&self, now_ms: f64) -> Today {
        let Sum { requests, nano_usd, milli_j, .. } = self.ledger.day(now_ms);
        Today { requests, usd: nano_usd as f64 / 1e9, joules: milli_j as f64 / 1e3 }
    }

    /// Charges `estimate` for what is sent at `at_ms`.
    pub fn charge(&mut self, now_ms: f64, at_ms: f64, estimate: Usage) -> Charge {
        let charge = Charge { place: (second_of(at_ms), day_of(now_ms)), sum: self.sum(estimate) };
        self.ledger.enter(self.tab, charge.place, Sum::default(), charge.sum, now_ms);
        charge
    }

    /// Puts what it did cost in the place of `charge`.
    pub fn correct(&mut self, charge: Charge, usage: Usage, now_ms: f64) {
        let sum = self.sum(usage);
        self.ledger.enter(self.tab, charge.place, charge.sum, sum, now_ms);
    }

    /// Takes `charge` back: nothing was sent.
    pub fn refund(&mut self, charge: Charge, now_ms: f64) {
        self.ledger.enter(self.tab, charge.place, charge.sum, Sum::default(), now_ms);
    }

    /// Takes over what other tabs, or this one before it was reloaded, have spent: what their
    /// [`save`](Self::save) gave.
    ///
    /// # Errors
    /// Invalid input: it is nothing of the kind, and changes nothing.
    pub fn absorb(&mut self, json: &str) -> Result<()> {
        self.ledger.merge(Ledger::from_json(json)?);
        Ok(())
    }

    /// What is known of all tabs' spending, to be kept and told to the others whenever it changes.
    pub fn save(&mut self, now_ms: f64) -> String {
        self.ledger.prune(self.tab, now_ms);
        self.ledger.to_json()
    }

    /// The same for people to see.
    pub fn spent(&self, now_ms: f64) -> Spent {
        let Sum { requests, tokens, .. } = self.ledger.minute(now_ms);
        let prices_as_of = self.price.as_ref().map(|price| price.as_of.clone());
        Spent { requests, tokens, usd: self.today(now_ms).usd, prices_as_of }
    }

    fn sum(&self, usage: Usage) -> Sum {
        // Some servers leave the total out.
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

    /// What a request of `usage` would break.
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
        assert_eq!(money.spent(NOW_MS + 3e6).usd, 0.001_998);
    }

    #[test]
    fn estimates_are_corrected() {
        let mut spending = spending(0);
        let charge = spending.charge(NOW_MS, NOW_MS, usage(900, 100));
        assert_eq!(check(&spending, NOW_MS, usage(1, 0)), Some(Cap::TokensPerMinute));
        spending.correct(charge, Usage { total_tokens: 12, ..usage(9, 3) }, NOW_MS + 5.0);
        let as_of = Some("2026-11-24".to_string());
        let spent = Spent { requests: 1, tokens: 12, usd: 0.000_012, prices_as_of: as_of };
        assert_eq!(spending.spent(NOW_MS), spent);
        let charge = spending.charge(NOW_MS, NOW_MS, usage(100, 0));
        spending.refund(charge, NOW_MS);
        assert_eq!(spending.spent(NOW_MS), spent);
        // What was charged yesterday is not taken back from today.
        let charge = spending.charge(NOW_MS, NOW_MS, usage(900, 0));
        spending.refund(charge, NOW_MS + 8.64e7);
        assert_eq!(spending.spent(NOW_MS + 8.64e7).usd, 0.0);
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
            assert_eq!(spending.spent(NOW_MS).tokens, tokens);
        }
        assert!(one.absorb("rubbish").is_err());
        assert_eq!(one.spent(NOW_MS).tokens, 900);
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
