//! Seeded chance that comes out the same everywhere.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The chance of one world. `stream` keeps worlds of the same seed apart.
pub(crate) fn seeded(stream: &str, seed: u64) -> ChaCha8Rng {
    // FNV-1a: a number for a name, the same for good.
    let name = stream.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(name);
    rng
}

/// A number from `low` to `high`, both included.
pub(crate) fn between(rng: &mut ChaCha8Rng, low: u32, high: u32) -> u32 {
    let span = u64::from(high.saturating_sub(low)) + 1;
    low + (rng.next_u64() % span) as u32
}

/// Whether one chance in `of` comes true.
pub(crate) fn one_in(rng: &mut ChaCha8Rng, of: u32) -> bool {
    between(rng, 1, of) == 1
}

/// One of several. The list must not be empty.
pub(crate) fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[between(rng, 0, from.len().saturating_sub(1) as u32) as usize]
}

/// A list in another order.
pub(crate) fn shuffled<T>(rng: &mut ChaCha8Rng, mut list: Vec<T>) -> Vec<T> {
    for last in (1..list.len()).rev() {
        list.swap(last, between(rng, 0, last as u32) as usize);
    }
    list
}

/// Different numbers from `low` to `high` in steps of `step`, in no order.
pub(crate) fn different(rng: &mut ChaCha8Rng, count: usize, low: u32, high: u32, step: usize) -> Vec<u32> {
    let mut all = shuffled(rng, (low..=high).step_by(step).collect());
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_another_for_another_name() {
        let draw = |name, seed| {
            let mut rng = seeded(name, seed);
            (0..8).map(|_| between(&mut rng, 0, 999)).collect::<Vec<_>>()
        };
        assert_eq!(draw("a", 1), draw("a", 1));
        assert_ne!(draw("a", 1), draw("b", 1));
        assert_ne!(draw("a", 1), draw("a", 2));
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut rng = seeded("bounds", 0);
        for _ in 0..1000 {
            assert!((3..=5).contains(&between(&mut rng, 3, 5)));
        }
        let mut drawn = different(&mut rng, 5, 10, 50, 10);
        drawn.sort_unstable();
        assert_eq!(drawn, [10, 20, 30, 40, 50]);
    }
}
