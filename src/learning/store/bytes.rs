//! A store as bytes: a magic number, a header in postcard's format, and the embeddings as 32-bit floats in little endian, one
//! after the other. Numbers are kept to the last bit: a key that changed would make an example twice when stores are joined.

use serde::{Deserialize, Serialize};

use super::{Example, Origin, Space, Store};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"PLSTORE3";

#[derive(Serialize, Deserialize)]
struct Header {
    space: Space,
    capacity: usize,
    left_out: Vec<f64>,
    examples: Vec<Origin>,
    /// The text of each, where it is kept.
    texts: Vec<Option<String>>,
}

impl Store {
    /// The store as bytes, which [`Store::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            space: self.space.clone(),
            capacity: self.capacity,
            left_out: self.left_out.clone(),
            examples: self.examples.iter().map(|example| example.origin.clone()).collect(),
            texts: self.examples.iter().map(|example| example.text.clone()).collect(),
        };
        let mut bytes = MAGIC.to_vec();
        // Numbers, texts and lists of them, whose lengths are known: none of that can fail.
        bytes.extend(postcard::to_allocvec(&header).unwrap_or_default());
        for example in &self.examples {
            bytes.extend(example.embedding.iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes
    }

    /// Reads a store.
    ///
    /// # Errors
    /// Invalid artefact: other bytes, bytes that end too early or too late, or an example that makes no sense.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: String| Error::invalid_artefact(format!("stored examples: {what}"));
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(wrong("expected a file that begins with PLSTORE3, got another one".to_string()));
        };
        let (header, floats) =
            postcard::take_from_bytes(rest).map_err(|error| wrong(format!("the header: {error}")))?;
        let Header { space, capacity, left_out, examples, texts } = header;
        space.check().map_err(|error| wrong(error.to_string()))?;
        if texts.len() != examples.len() {
            return Err(wrong(format!("expected a text or none for each of {}, got {}", examples.len(), texts.len())));
        }
        if left_out.len() != space.reservoirs() || !left_out.iter().all(|key| (0.0..=1.0).contains(key)) {
            return Err(wrong("expected a key from 0 to 1 for each label, got others".to_string()));
        }
        let expected = space.width.checked_mul(4).and_then(|row| row.checked_mul(examples.len()));
        if expected != Some(floats.len()) || examples.len() > capacity {
            return Err(wrong(format!(
                "expected {} embeddings of {} numbers with a capacity of {capacity}, got {} bytes",
                examples.len(),
                space.width,
                floats.len()
            )));
        }
        let mut store = Self { space, capacity, left_out, examples: Vec::new() };
        let rows = floats.chunks_exact(4 * store.space.width);
        for ((origin, text), row) in examples.into_iter().zip(texts).zip(rows) {
            let numbers = row.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
            let example = Example { embedding: numbers.collect(), origin, text };
            store.space.check_example(&example).map_err(|error| wrong(error.to_string()))?;
            store.insert(example);
        }
        store.shrink();
        Ok(store)
    }
}
