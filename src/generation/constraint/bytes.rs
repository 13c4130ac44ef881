//! A set of bytes.

/// A set of bytes, as 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// All bytes from `low` to `high`, both included.
    pub fn range(low: u8, high: u8) -> Self {
        (low..=high).fold(Self::default(), |set, byte| set.with(byte))
    }

    /// The set with `byte` added.
    pub fn with(mut self, byte: u8) -> Self {
        self.0[usize::from(byte) / 64] |= 1 << (byte % 64);
        self
    }

    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte) / 64] >> (byte % 64) & 1 == 1
    }

    pub fn union(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    pub fn intersection(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|&byte| self.contains(byte))
    }
}
