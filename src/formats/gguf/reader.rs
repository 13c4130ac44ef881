//! A file read as it arrives, so that it need not lie in memory as a whole.

use std::collections::VecDeque;
use std::ops::Range;

use crate::error::{Error, Result};

use super::cursor::Cursor;
use super::{Encoding, Entry, Tensor, header, not_within, read_header};

/// The most bytes that are reserved for a tensor before any of it is there: a header may lie.
const MOST_RESERVED: usize = 64 << 20;

/// Reads a file in portions, and gives each tensor when its last byte is there.
///
/// ```
/// use pilot_light::formats::gguf::{Reader, Tensor};
///
/// // A file without metadata and without tensors.
/// let file = [&b"GGUF"[..], &3u32.to_le_bytes(), &[0; 16]].concat();
/// let (mut reader, mut names) = (Reader::default(), Vec::new());
/// let mut take = |tensor: Tensor<'_>| Ok(names.push(tensor.name.to_string()));
/// for portion in file.chunks(5) {
///     reader.feed(portion, &mut take)?;
/// }
/// assert_eq!(reader.finish(&mut take)?, file);
/// assert!(names.is_empty());
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Default)]
pub struct Reader {
    /// The header, and until it was read all that has arrived.
    header: Vec<u8>,
    /// The length of `header` at which it is tried to be read again.
    next_try: usize,
    /// The tensors to come, in the order of their places, once the header was read.
    tensors: Option<VecDeque<Announced>>,
    /// The place in the file of the next byte.
    at: u64,
    /// The first bytes of the next tensor.
    begun: Vec<u8>,
}

struct Announced {
    name: String,
    shape: Vec<usize>,
    encoding: Encoding,
    place: Range<u64>,
}

impl Reader {
    /// Takes the next bytes of the file, and gives `take` the tensors that are complete with them.
    ///
    /// # Errors
    /// Those of [`read`](super::read), those of `take`, and invalid input: there is not enough memory.
    pub fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(Tensor<'_>) -> Result<()>) -> Result<()> {
        if self.tensors.is_some() {
            return self.feed_tensors(bytes, take);
        }
        self.header.try_reserve(bytes.len()).map_err(|_| Error::no_memory("the header of the GGUF file"))?;
        self.header.extend_from_slice(bytes);
        if self.header.len() < self.next_try {
            return Ok(());
        }
        let mut cursor = Cursor::new(&self.header);
        let tensors = match read_header(&mut cursor) {
            Ok(header) => header.tensors,
            Err(_) if cursor.short => {
                // Each try reads all of it.
                self.next_try = 2 * self.header.len();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let owned = |Entry { name, shape, encoding, place }: Entry<'_>| Announced {
            name: name.to_string(),
            shape,
            encoding,
            place,
        };
        let mut tensors: Vec<_> = tensors.into_iter().map(owned).collect();
        crate::sort::sort_by(&mut tensors, |a, b| (a.place.start, a.place.end).cmp(&(b.place.start, b.place.end)));
        let end = cursor.at;
        let rest = self.header.split_off(end);
        self.header.shrink_to_fit();
        self.at = end as u64;
        self.tensors = Some(tensors.into());
        self.feed_tensors(&rest, take)
    }

    fn feed_tensors(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(Tensor<'_>) -> Result<()>) -> Result<()> {
        let Some(tensors) = &mut self.tensors else { return Ok(()) };
        while let Some(Announced { name, shape, encoding, place }) = tensors.front() {
            // Padding.
            let skipped = usize::try_from(place.start.saturating_sub(self.at)).unwrap_or(usize::MAX).min(bytes.len());
            bytes = &bytes[skipped..];
            self.at += skipped as u64;
            if self.at < place.start {
                return Ok(());
            }
            let missing = usize::try_from(place.end - self.at).map_err(|_| Error::no_memory(name))?;
            let taken = missing.min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            if taken < missing || !self.begun.is_empty() {
                if self.begun.capacity() - self.begun.len() < taken {
                    // At most as much again as has arrived, and no more than is missing.
                    let more = missing.min(self.begun.len().max(MOST_RESERVED)).max(taken);
                    self.begun.try_reserve_exact(more).map_err(|_| Error::no_memory(name))?;
                }
                self.begun.extend_from_slice(now);
            }
            (bytes, self.at) = (rest, self.at + taken as u64);
            if taken < missing {
                return Ok(());
            }
            let whole = if self.begun.is_empty() { now } else { &self.begun };
            take(Tensor { name, shape: shape.clone(), encoding: *encoding, bytes: whole })?;
            self.begun.clear();
            tensors.pop_front();
        }
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Ends the file, gives `take` the tensors that it was not given so far, and returns the header.
    ///
    /// # Errors
    /// Those of [`feed`](Self::feed). Invalid artefact: the file is truncated.
    pub fn finish(mut self, take: &mut dyn FnMut(Tensor<'_>) -> Result<()>) -> Result<Vec<u8>> {
        if self.tensors.is_none() {
            // The header may be whole since it was last tried.
            self.next_try = 0;
            self.feed(&[], take)?;
        }
        match &self.tensors {
            None => header(&self.header).map(|_| Vec::new()),
            Some(left) => left.front().map_or(Ok(self.header), |tensor| not_within(&tensor.name, &tensor.shape)),
        }
    }
}
