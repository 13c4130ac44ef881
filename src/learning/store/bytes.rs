//! A store as bytes: a magic number, the length of a JSON header, the header, and the embeddings as 32-bit floats in little
//! endian, one after the other.

use serde::{Deserialize, Serialize};

use super::{Example, Origin, Space, Store};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"PLSTORE1";
/// What comes before the header.
const PREFIX: usize = 12;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    space: Space,
    capacity: usize,
    cap: usize,
    examples: Vec<Origin>,
}

impl Store {
    /// The store as bytes, which [`Store::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            space: self.space.clone(),
            capacity: self.capacity,
            cap: self.cap,
            examples: self.examples.iter().map(|example| example.origin).collect(),
        };
        // Numbers, texts and lists of them: JSON has all that.
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header);
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
        let prefix = bytes.get(..PREFIX).filter(|prefix| prefix.starts_with(MAGIC));
        let Some(&[.., a, b, c, d]) = prefix else {
            return Err(wrong("expected a file that begins with PLSTORE1, got another one".to_string()));
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let rest = &bytes[PREFIX..];
        let Some((header, floats)) = rest.split_at_checked(length) else {
            return Err(wrong(format!("expected a header of {length} bytes, got {}", rest.len())));
        };
        let header: Header = serde_json::from_slice(header).map_err(|error| wrong(format!("the header: {error}")))?;
        let Header { space, capacity, cap, examples } = header;
        space.check().map_err(|error| wrong(error.to_string()))?;
        let expected = space.width.checked_mul(4).and_then(|row| row.checked_mul(examples.len()));
        if expected != Some(floats.len()) || examples.len() > capacity || cap > capacity {
            return Err(wrong(format!(
                "expected {} embeddings of {} numbers with a capacity of {capacity}, got {} bytes",
                examples.len(),
                space.width,
                floats.len()
            )));
        }
        let mut store = Self { space, capacity, cap, examples: Vec::new() };
        for (origin, row) in examples.into_iter().zip(floats.chunks_exact(4 * store.space.width)) {
            let numbers = row.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
            let example = Example { embedding: numbers.collect(), origin };
            store.space.check_example(&example).map_err(|error| wrong(error.to_string()))?;
            store.insert(example);
        }
        store.shrink();
        Ok(store)
    }
}
