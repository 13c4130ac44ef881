//! Random numbers that are the same on every machine.

/// A generator of random numbers.
///
/// # Source
/// Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", figure 16 (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    /// A generator that begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to 1, without 1.
    pub fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // As many bits as a 32-bit float has.
        ((x ^ (x >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    }
}
