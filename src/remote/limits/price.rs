//! Prices of tokens. They are the caller's data, with the date at which they were true: no prices are built in, because
//! they would soon be wrong, and that would not be noticed.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::remote::Usage;

/// The price of a model's tokens, in US dollars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A million tokens of questions.
    pub prompt_usd_per_million: f64,
    /// A million tokens of answers.
    pub completion_usd_per_million: f64,
    /// The day on which that was the price, `YYYY-MM-DD`.
    pub as_of: String,
}

impl Price {
    /// The same, checked.
    ///
    /// # Errors
    /// Invalid input: a price that is not in [0, 1e6], a day that is not YYYY-MM-DD.
    pub fn checked(self) -> Result<Self> {
        for usd in [self.prompt_usd_per_million, self.completion_usd_per_million] {
            if !(0.0..=1e6).contains(&usd) {
                return Err(Error::invalid_input(format!(
                    "a price in US dollars a million tokens must be in [0, 1e6], got {usd}"
                )));
            }
        }
        let form: String = self.as_of.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
        if form != "0000-00-00" {
            return Err(Error::invalid_input(format!(
                "the day of the prices must be YYYY-MM-DD, got '{}'",
                self.as_of
            )));
        }
        Ok(self)
    }

    /// The price of `usage`, in billionths of a dollar, rounded up. Tokens of the total that the server attributes neither
    /// to the question nor to the answer have the higher of the two prices.
    pub fn nano_usd(&self, usage: Usage) -> u64 {
        let Usage { prompt_tokens, completion_tokens, total_tokens } = usage;
        let other = total_tokens.saturating_sub(prompt_tokens.saturating_add(completion_tokens));
        let usd = f64::from(prompt_tokens) * self.prompt_usd_per_million
            + f64::from(completion_tokens) * self.completion_usd_per_million
            + f64::from(other) * self.prompt_usd_per_million.max(self.completion_usd_per_million);
        (usd * 1000.0).ceil() as u64
    }
}

/// The tokens that a request with a body of `bytes` uses at most: no token is shorter than a byte, and the request asks
/// the server to stop the answer at `completion_tokens`. Natural language has two to four bytes a token; the server's
/// own count replaces this one when it is there.
pub fn estimate(bytes: usize, completion_tokens: u32) -> Usage {
    let prompt_tokens = u32::try_from(bytes).unwrap_or(u32::MAX);
    Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens.saturating_add(completion_tokens) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(prompt: f64, completion: f64, as_of: &str) -> Price {
        Price { prompt_usd_per_million: prompt, completion_usd_per_million: completion, as_of: as_of.to_string() }
    }

    #[test]
    fn tokens_have_their_price() {
        let usage = Usage { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 };
        assert_eq!(price(0.15, 0.6, "2026-11-24").nano_usd(usage), 210_000);
        assert_eq!(price(0.15, 0.6, "2026-11-24").nano_usd(Usage { total_tokens: 1200, ..usage }), 270_000);
        assert_eq!(price(0.000_000_1, 0.0, "2026-11-24").nano_usd(usage), 1);
        assert_eq!(price(0.0, 0.0, "2026-11-24").nano_usd(usage), 0);
    }

    #[test]
    fn nonsense_is_refused() {
        for price in [
            price(-1.0, 0.0, "2026-11-24"),
            price(0.0, f64::NAN, "2026-11-24"),
            price(0.0, f64::INFINITY, "2026-11-24"),
            price(0.0, 0.0, "November 2026"),
            price(0.0, 0.0, ""),
        ] {
            assert!(price.checked().is_err());
        }
        assert!(price(0.0, 5.0, "2026-11-24").checked().is_ok());
    }

    #[test]
    fn an_estimate_is_an_upper_bound_also_of_giants() {
        assert_eq!(estimate(5, 10), Usage { prompt_tokens: 5, completion_tokens: 10, total_tokens: 15 });
        assert_eq!(estimate(usize::MAX, 10).total_tokens, u32::MAX);
    }
}
