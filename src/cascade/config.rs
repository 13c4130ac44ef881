//! What a cascade is made of beside its local models.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::policy::{LocalConfig, Policy};
use crate::remote::ChatOptions;
use crate::remote::attempts::Terms;
use crate::remote::limits::{BreakerOptions, Caps, Limits, Price, Spending};

/// What a cascade is made of beside its local models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct CascadeConfig {
    /// How far the local models may be trusted, in the order in which they look at a text; without any, there is one of
    /// which nothing is known.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub local: Vec<LocalConfig>,
    /// The general models in the order in which they are asked; without one every answer is local.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remotes: Vec<RemoteConfig>,
    /// What a router's guess is good for, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub router: Option<RouterConfig>,
    /// When they are asked.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub policy: Policy,
    /// A number that no other cascade of the origin has, by which they tell each other what they spent.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub tab: u32,
}

/// What a router's guess is good for: which of the first two general models is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// How much better the second must be expected to do than the first to be asked before it, from -1 to 1.
    pub min_gain: f64,
}

impl RouterConfig {
    /// The same, found to make sense for so many general models.
    ///
    /// # Errors
    /// Invalid input: there are fewer than two of them, or the gain is not from -1 to 1.
    pub fn checked(self, remotes: usize) -> Result<Self> {
        if remotes < 2 {
            return Err(Error::invalid_input(
                "a router chooses between two general models; remote must be an array of them",
            ));
        }
        if !(-1.0..=1.0).contains(&self.min_gain) {
            let wrong = format!("the router's min_gain is {}, which is not from -1 to 1", self.min_gain);
            return Err(Error::invalid_input(wrong));
        }
        Ok(self)
    }
}

/// A general model, as far as questions depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct RemoteConfig {
    /// The name that its server knows it by.
    pub model: String,
    /// How long one attempt may take.
    #[serde(default = "default_timeout_ms")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub timeout_ms: f64,
    /// How many attempts may follow one that failed for a reason that may pass.
    #[serde(default = "default_retries")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub retries: u32,
    /// The most tokens that an answer may have.
    #[serde(default = "default_max_tokens")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_tokens: u32,
    /// Fields of the request's body in the place of those of the same name; `null` takes one out.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional, type = "Record<string, unknown>"))]
    pub extra_body: Map<String, Value>,
    /// The most that may be spent on it.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub caps: Caps,
    /// What its tokens cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub price: Option<Price>,
    /// When it is left alone for a while.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub breaker: BreakerOptions,
}

/// Long enough for a general model to read a page of text, short enough for somebody who waits.
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

/// More than this is no patience but a loop.
const MOST_RETRIES: u32 = 10;
/// What the protocol of the question and its answer hangs on.
const OWN_FIELDS: [&str; 7] = ["model", "messages", "stream", "stream_options", "response_format", "tools", "n"];

/// A general model with what limits the requests to it.
pub(super) struct General {
    pub config: RemoteConfig,
    pub limits: Limits,
}

impl General {
    /// `config`, found to make sense.
    pub fn new(config: RemoteConfig, tab: u32) -> Result<Self> {
        if config.model.is_empty() {
            return Err(Error::invalid_input("the remote model has no name"));
        }
        if config.retries > MOST_RETRIES || config.max_tokens == 0 {
            return Err(Error::invalid_input(format!(
                "a remote has at most {MOST_RETRIES} retries, and answers of at least one token"
            )));
        }
        if let Some(name) = OWN_FIELDS.iter().find(|name| config.extra_body.contains_key(**name)) {
            return Err(Error::invalid_input(format!("the remote's extra_body cannot have '{name}'")));
        }
        let general = Self {
            limits: Limits::new(config.breaker.checked()?, Spending::new(config.caps, config.price.clone(), tab)?),
            config,
        };
        general.terms(f64::from(i32::MAX)).checked()?;
        Ok(general)
    }

    /// How patient a question that may take `total_ms` is with it.
    pub fn terms(&self, total_ms: f64) -> Terms {
        let RemoteConfig { timeout_ms, retries, .. } = self.config;
        Terms { attempt_ms: timeout_ms, total_ms, retries, ..Terms::default() }
    }

    /// How it is asked, after it answered `unfit` if it has.
    pub fn chat_options<'a>(&'a self, stream: bool, unfit: Option<&'a str>) -> ChatOptions<'a> {
        let RemoteConfig { model, max_tokens, extra_body, .. } = &self.config;
        ChatOptions { model, max_tokens: *max_tokens, stream, extra_body, unfit }
    }

    /// The most tokens that an answer may have, after all.
    pub fn most_tokens(&self) -> u32 {
        let told =
            ["max_completion_tokens", "max_tokens"].iter().find_map(|name| self.config.extra_body.get(*name)?.as_u64());
        told.map_or(self.config.max_tokens, |tokens| u32::try_from(tokens).unwrap_or(u32::MAX))
    }
}
