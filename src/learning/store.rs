//! What is kept of delegated answers: a bounded sample for each label, and the text only where the caller wants that.
//!
//! # Reservoir sampling that can be joined
//!
//! Each example has a key, a random number that is drawn once when it is added. Of each label those with the smallest keys
//! are kept, which is a uniform sample of all that had the label (bottom-k sampling). What is kept is a function of the set
//! of all examples alone. So stores that were filled apart can be joined in any order, as often as one likes, and hold
//! what one store that saw everything would hold:
//!
//! 1. Of one source and label the `per_source` smallest keys count, so that no source that is known can fill a label alone.
//! 2. Of each label the smallest of these are kept, as many as is the greatest number for which all labels together fit: a label
//!    with few examples leaves its place to others.
//!
//! The smallest key of a label that was left out says how large a part of its examples is kept: of those below it all are. That
//! also holds where a store takes in one with less room. Its own room alone says what it keeps, so that it loses nothing to that one.
//!
//! An example that has several labels is one of only one of them here, and those without any are as if of a label of their own:
//! [`Space::reservoir`] says of which, by its labels and its key alone, so that all that is said above holds. Each of its labels
//! has the same chance. So where a rare label only comes together with a frequent one, that cuts about half of its examples at
//! most, and how often the others stand for these is known.
//!
//! # Source
//! Cohen and Kaplan, *Summarizing data using bottom-k sketches* (2007); Vitter, *Random sampling with a reservoir* (1985).

mod bytes;
mod space;

use serde::{Deserialize, Serialize};

use super::LabelSet;
use crate::error::{Error, Result};
use crate::sort::sort_by;

pub use space::Space;

/// Bytes of an example next to its embedding, at most.
const OVERHEAD: usize = 128;
/// Bytes of a label of an example, at most, where there may be several.
const LABEL: usize = 2;
/// Of one label the part that one source may fill.
const SOURCE_SHARE: usize = 4;
/// A longer text is not kept next to its embedding: most encoders read no more of it.
pub const MAX_TEXT_BYTES: usize = 2048;

/// What is kept of one answer of a remote model.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The embedding of the text.
    pub embedding: Vec<f32>,
    /// All else.
    pub origin: Origin,
    /// The text itself, of at most [`MAX_TEXT_BYTES`], where that was wanted.
    pub text: Option<String>,
}

/// What is known of an example except its embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The label that the remote model gave, or all of them.
    pub labels: LabelSet,
    /// The probability with which the remote model was asked, above 0 and at most 1.
    pub propensity: f64,
    /// How sure the remote model was of its answer, above 0 and at most 1.
    pub agreement: f64,
    /// Who the text came from, as the caller numbers them; 0 where that is not known.
    pub source: u64,
    /// The head that was in charge.
    pub head: u64,
    /// When it was added, in milliseconds since 1970.
    pub time_ms: f64,
    /// A random number from 0 to below 1 that tells it from all others.
    pub key: f64,
}

/// A bounded sample of examples.
///
/// ```
/// use pilot_light::learning::{Example, Origin, Space, Store};
///
/// let labels = vec!["ham".into(), "spam".into()];
/// let space = Space { encoder: "e5a1".into(), width: 2, labels, multi_label: false };
/// let example = |key: f64| Example {
///     embedding: vec![0.6, 0.8],
///     origin: Origin { labels: 1.into(), propensity: 1.0, agreement: 1.0, source: 0, head: 0, time_ms: 0.0, key },
///     text: None,
/// };
/// let (mut one, mut other) = (Store::new(space.clone(), 1 << 20)?, Store::new(space, 1 << 20)?);
/// one.add(example(0.25))?;
/// other.add(example(0.75))?;
/// one.join(&Store::from_bytes(&other.to_bytes())?)?;
/// assert_eq!(one.examples().len(), 2);
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    space: Space,
    /// Examples that fit.
    capacity: usize,
    /// The smallest key of each reservoir that was left out for want of room; 1 where none was.
    left_out: Vec<f64>,
    /// Sorted by reservoir and key.
    examples: Vec<Example>,
}

impl Store {
    /// An empty one that takes at most `bytes`.
    ///
    /// # Errors
    /// Invalid input: a space without numbers or with fewer than two labels, or bytes in which not even two examples of
    /// each label fit.
    pub fn new(space: Space, bytes: usize) -> Result<Self> {
        Self::with_overhead(space, bytes, OVERHEAD)
    }

    /// The same with room for the text of each example, however long it is: how many fit must not depend on which they are.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_texts(space: Space, bytes: usize) -> Result<Self> {
        Self::with_overhead(space, bytes, OVERHEAD + MAX_TEXT_BYTES)
    }

    fn with_overhead(space: Space, bytes: usize, overhead: usize) -> Result<Self> {
        space.check()?;
        let labels = if space.multi_label { LABEL * space.labels.len() } else { 0 };
        let each = space.width.saturating_mul(4).saturating_add(overhead + labels);
        let (capacity, least) = (bytes / each, 2 * space.reservoirs());
        if capacity < least {
            return Err(Error::invalid_input(format!(
                "a store of {} labels must have at least {} bytes, got {bytes}",
                space.labels.len(),
                least.saturating_mul(each)
            )));
        }
        let left_out = vec![1.0; space.reservoirs()];
        Ok(Self { space, capacity, left_out, examples: Vec::new() })
    }

    /// What the examples have in common.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The examples, by [reservoir](Space::reservoir).
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// Adds an example; one with the same key and labels is replaced.
    ///
    /// # Errors
    /// Invalid input: an embedding that does not fit or has a number that is not finite, a label that there is not, not one
    /// label where each text has one, a propensity or an agreement that is not above 0 and at most 1, a key that is not from 0 to below 1.
    pub fn add(&mut self, example: Example) -> Result<()> {
        self.space.check_example(&example)?;
        self.insert(example);
        self.shrink();
        Ok(())
    }

    /// Adds the examples of `other`, as far as there is room here: the result is the same in any order of stores with the same room.
    ///
    /// # Errors
    /// Invalid input: a store of another encoder or of other labels.
    pub fn join(&mut self, other: &Self) -> Result<()> {
        self.space.check_same(&other.space)?;
        self.left_out.iter_mut().zip(&other.left_out).for_each(|(own, other)| *own = own.min(*other));
        for example in &other.examples {
            self.insert(example.clone());
        }
        self.shrink();
        Ok(())
    }

    /// Keeps the text of the example of these labels with this key, if it is kept, and the text is short enough.
    pub fn keep_text(&mut self, labels: &LabelSet, key: f64, text: &str) {
        if let (Ok(at), true) = (self.place(labels, key), text.len() <= MAX_TEXT_BYTES) {
            self.examples[at].text = Some(text.to_string());
        }
    }

    /// Forgets all texts; the examples stay.
    pub fn forget_texts(&mut self) {
        self.examples.iter_mut().for_each(|example| example.text = None);
    }

    /// Forgets all examples.
    pub fn clear(&mut self) {
        self.examples.clear();
        self.left_out.fill(1.0);
    }

    /// The part of the examples of each [reservoir](Space::reservoir) that is kept: an estimate, where some were not.
    pub fn kept(&self) -> Vec<f64> {
        let mut kept = vec![1.0; self.space.reservoirs()];
        for examples in self.by_reservoir() {
            let Some(first) = examples.first() else { continue };
            let reservoir = self.space.reservoir(&first.origin);
            let key = self.left_out[reservoir];
            let below = examples.partition_point(|example| example.origin.key < key).max(1);
            // Of all there were about below / key.
            kept[reservoir] = (examples.len() as f64 / below as f64 * key).clamp(f64::MIN_POSITIVE, 1.0);
        }
        kept
    }

    /// The most examples of a label that one source may fill.
    fn per_source(&self) -> usize {
        (self.capacity / self.space.reservoirs() / SOURCE_SHARE).max(1)
    }

    fn by_reservoir(&self) -> impl Iterator<Item = &[Example]> {
        self.examples.chunk_by(|a, b| self.space.reservoir(&a.origin) == self.space.reservoir(&b.origin))
    }

    fn insert(&mut self, example: Example) {
        match self.place(&example.origin.labels, example.origin.key) {
            Ok(at) => {
                // One that was stored without its text takes no text away.
                let text = self.examples[at].text.take();
                self.examples[at] = Example { text: example.text.or(text), ..example };
            }
            Err(at) => self.examples.insert(at, example),
        }
    }

    /// Where the example with this key is, or would be.
    fn place(&self, labels: &LabelSet, key: f64) -> std::result::Result<usize, usize> {
        let reservoir = self.space.reservoir_of(labels, key);
        let place = |Example { origin, .. }: &Example| {
            self.space.reservoir(origin).cmp(&reservoir).then(origin.key.total_cmp(&key))
        };
        self.examples.binary_search_by(place)
    }

    /// Keeps what fits, as the [module](self) says.
    fn shrink(&mut self) {
        let (per_source, space) = (self.per_source(), &self.space);
        // Within a reservoir the keys rise, so the first of each source are those that count.
        let mut counts: Vec<(u64, usize)> = Vec::new();
        let mut last = usize::MAX;
        self.examples.retain(|Example { origin, .. }| {
            let reservoir = space.reservoir(origin);
            if reservoir != last {
                last = reservoir;
                counts.clear();
            }
            if origin.source == 0 {
                return true;
            }
            match counts.binary_search_by_key(&origin.source, |(source, _)| *source) {
                Ok(at) => {
                    counts[at].1 += 1;
                    counts[at].1 <= per_source
                }
                Err(at) => {
                    counts.insert(at, (origin.source, 1));
                    true
                }
            }
        });
        // A reservoir of which some were left out would fill any room.
        let size = |examples: &[Example]| match examples.first().map(|first| self.space.reservoir(&first.origin)) {
            Some(reservoir) if self.left_out[reservoir] < 1.0 => usize::MAX,
            _ => examples.len(),
        };
        let cap = level(self.by_reservoir().map(size).collect(), self.capacity);
        let (left_out, space, mut last, mut rank) = (&mut self.left_out, &self.space, usize::MAX, 0);
        self.examples.retain(|Example { origin, .. }| {
            let reservoir = space.reservoir(origin);
            rank = if reservoir == last { rank + 1 } else { 0 };
            last = reservoir;
            if rank == cap {
                left_out[reservoir] = left_out[reservoir].min(origin.key);
            }
            rank < cap
        });
    }
}

/// The greatest cap with which labels of these `sizes` take at most `capacity` places.
fn level(mut sizes: Vec<usize>, capacity: usize) -> usize {
    sort_by(&mut sizes, Ord::cmp);
    let mut left = capacity;
    for (at, size) in sizes.iter().enumerate() {
        let others = sizes.len() - at;
        if size.saturating_mul(others) > left {
            return left / others;
        }
        left -= size;
    }
    capacity
}

#[cfg(test)]
mod tests;
