//! The settings of a cascade: its local models, remote models, router and policy.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::learning::LearnConfig;
use crate::error::{Error, Result};
use crate::policy::{LocalConfig, Policy};
use crate::remote::RequestOptions;
use crate::remote::attempts::Terms;
use crate::remote::limits::{BreakerOptions, Caps, Limits, Price, Spending};
use crate::remote::protocols::{Protocol, default_protocol, protocol};

/// The settings of a cascade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct CascadeConfig {
    /// The local models, in the order in which they are asked. Empty: one model with default settings.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub local: Vec<LocalConfig>,
    /// The remote models, in the order in which they are asked; without one every answer is local.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remotes: Vec<RemoteConfig>,
    /// The router, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub router: Option<RouterConfig>,
    /// How it learns, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub learn: Option<LearnConfig>,
    /// When remote models are asked.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub policy: Policy,
    /// A number that no other cascade of the origin has: it names this one's part of the spend log that they share.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub tab: u32,
}

/// The router's threshold: which of the first two remote models is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// The gain of the second model over the first, in [-1, 1], at which the second is asked first.
    pub min_gain: f64,
}

impl RouterConfig {
    /// The same, checked for a cascade with this number of remote models.
    ///
    /// # Errors
    /// Invalid input: there are fewer than two of them, or the gain is not in [-1, 1].
    pub fn checked(self, remotes: usize) -> Result<Self> {
        if remotes < 2 {
            return Err(Error::invalid_input(format!(
                "a router chooses between two remote models: remote must be an array of at least two, got {remotes}"
            )));
        }
        if !(-1.0..=1.0).contains(&self.min_gain) {
            let wrong = format!("the router's min_gain must be in [-1, 1], got {}", self.min_gain);
            return Err(Error::invalid_input(wrong));
        }
        Ok(self)
    }
}

/// The settings of a remote model that do not concern its transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct RemoteConfig {
    /// The name that its server knows it by.
    pub model: String,
    /// How it is asked: `chat-completions` by default, or another one of the protocols.
    #[serde(default = "default_protocol")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub protocol: String,
    /// How long one attempt may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub timeout_ms: f64,
    /// How many attempts may follow one that failed for a transient reason.
    #[serde(default = "default_retries")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub retries: u32,
    /// The largest number of tokens that an answer may have.
    #[serde(default = "default_max_tokens")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_tokens: u32,
    /// Fields of the request's body that replace those of the same name; `null` removes one.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional, type = "Record<string, unknown>"))]
    pub extra_body: Map<String, Value>,
    /// The most that may be spent on it.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub caps: Caps,
    /// The price of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub price: Option<Price>,
    /// When it is not asked for a while, after failures.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub breaker: BreakerOptions,
}

/// Long enough for a large model to read a page of text, short enough for a person who waits.
fn default_timeout_ms() -> f64 {
    20_000.0
}

fn default_retries() -> u32 {
    2
}

/// Many times what a label needs, and enough for the entities of a page.
fn default_max_tokens() -> u32 {
    1024
}

/// More than this is a loop rather than patience.
const MAX_RETRIES: u32 = 10;

/// A remote model: its settings, its protocol, and the limits of the requests to it.
pub(super) struct RemoteModel {
    pub config: RemoteConfig,
    pub protocol: &'static dyn Protocol,
    pub limits: Limits,
    /// Whether it is asked for the probabilities of its tokens.
    logprobs: bool,
}

impl RemoteModel {
    /// The model with these settings, checked.
    pub fn new(config: RemoteConfig, tab: u32, logprobs: bool) -> Result<Self> {
        if config.model.is_empty() {
            return Err(Error::invalid_input("the remote's model must have a name, got an empty one"));
        }
        if config.retries > MAX_RETRIES || config.max_tokens == 0 {
            return Err(Error::invalid_input(format!(
                "a remote must have at most {MAX_RETRIES} retries and max_tokens of at least 1, got {} and {}",
                config.retries, config.max_tokens
            )));
        }
        let protocol = protocol(&config.protocol)?;
        if let Some(name) = protocol.reserved_fields().iter().find(|name| config.extra_body.contains_key(**name)) {
            return Err(Error::invalid_input(format!("the remote's extra_body must not have '{name}'")));
        }
        let spending = Spending::new(config.caps, config.price.clone(), tab)?;
        let limits = Limits::new(config.breaker.checked()?, spending);
        let model = Self { config, protocol, limits, logprobs };
        model.terms(f64::from(i32::MAX)).checked()?;
        Ok(model)
    }

    /// The timeouts and retries of a question that may take `total_ms` in all.
    pub fn terms(&self, total_ms: f64) -> Terms {
        let RemoteConfig { timeout_ms, retries, .. } = self.config;
        Terms { attempt_ms: timeout_ms, total_ms, retries, ..Terms::default() }
    }

    /// How it is asked.
    pub fn request_options(&self, stream: bool) -> RequestOptions<'_> {
        let RemoteConfig { model, max_tokens, extra_body, .. } = &self.config;
        RequestOptions { model, max_tokens: *max_tokens, stream, logprobs: self.logprobs, extra_body }
    }
}
