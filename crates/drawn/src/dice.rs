//! Seeded chance that comes out the same everywhere.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = (i64::from(high) - i64::from(low)).max(0) as u64 + 1;
        low + (self.0.next_u64() % span) as i32
    }

    /// Whether one chance in `of` comes true.
    pub(crate) fn one_in(&mut self, of: i32) -> bool {
        self.between(1, of) == 1
    }

    /// One of several. The list must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.between(0, from.len() as i32 - 1) as usize]
    }
}
