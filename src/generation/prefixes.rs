//! Caches of keys and values that are kept for texts which begin in the same way.

use crate::error::Result;
use crate::models::{Decoder, KeyValueCache};

/// The fewest tokens in common that are worth a copy.
const LEAST: usize = 16;

/// Caches that no reply is using, under a limit of bytes.
pub(super) struct Prefixes {
    /// The one that was used last at the end.
    caches: Vec<KeyValueCache>,
    most_bytes: usize,
}

impl Prefixes {
    pub fn new(most_bytes: usize) -> Self {
        Self { caches: Vec::new(), most_bytes }
    }

    /// A cache with as many of the tokens `ids` as one of these has from the beginning on, but not the last of them, whose
    /// logits are needed.
    ///
    /// # Errors
    /// As [`Decoder::cache`].
    pub fn take(&mut self, decoder: &Decoder, ids: &[u32]) -> Result<KeyValueCache> {
        let ids = &ids[..ids.len().saturating_sub(1)];
        let common = |cache: &KeyValueCache| cache.ids().iter().zip(ids).take_while(|(a, b)| a == b).count();
        let best = self.caches.iter().enumerate().map(|(at, cache)| (common(cache), at)).max();
        let Some((count, at)) = best.filter(|(count, _)| *count >= LEAST) else { return decoder.cache() };
        let whole = self.caches[at].ids().len() == count;
        // The rest may be the beginning of another text.
        let mut cache = if whole { self.caches.remove(at) } else { self.caches[at].clone() };
        cache.truncate(count);
        Ok(cache)
    }

    /// Keeps a cache, and drops those that were not used for longest.
    pub fn put(&mut self, cache: KeyValueCache) {
        if cache.ids().len() < LEAST {
            return;
        }
        // One that is the beginning of another is of no more use.
        if let Some(at) = self.caches.iter().position(|other| other.ids().starts_with(cache.ids())) {
            let longer = self.caches.remove(at);
            self.caches.push(longer);
            return;
        }
        self.caches.retain(|other| !cache.ids().starts_with(other.ids()));
        self.caches.push(cache);
        let mut bytes: usize = self.caches.iter().map(KeyValueCache::bytes).sum();
        while bytes > self.most_bytes && !self.caches.is_empty() {
            bytes -= self.caches.remove(0).bytes();
        }
    }
}
