//! In which order samples are seen.

use crate::numbers::Numbers;

/// Samples in a random order, then again in another, and among them those that are rehearsed: a function of the seed
/// alone, so that a run that was stopped goes on where it was.
#[derive(Clone, Debug)]
pub struct Draw {
    taught: Order,
    rehearsed: Order,
    /// Part of all places at which something is rehearsed, in 65,536ths.
    share: u64,
}

/// Every sample once, then again.
#[derive(Clone, Debug)]
struct Order {
    seed: u64,
    /// Tells the epochs of one order from those of another.
    stream: u64,
    first: usize,
    count: usize,
    epoch: Option<u64>,
    indices: Vec<u32>,
}

/// What a share is counted in.
const WHOLE: u64 = 1 << 16;

impl Draw {
    /// Orders of `count` samples.
    pub fn new(seed: u64, count: usize) -> Self {
        Self {
            taught: Order::new(seed, 40, 0, count),
            rehearsed: Order::new(seed, 41, count, 0),
            share: 0,
        }
    }

    /// Among them `rehearsed` more samples, which stand after the others, at this share of all places (0 to 1), evenly
    /// spread.
    #[must_use]
    pub fn rehearsing(mut self, rehearsed: usize, share: f32) -> Self {
        if rehearsed > 0 {
            self.rehearsed.count = rehearsed;
            self.share = (share.clamp(0.0, 1.0) * WHOLE as f32) as u64;
        }
        self
    }

    /// The index of the sample at place `place` of the run; `None` when there are none.
    pub fn at(&mut self, place: u64) -> Option<usize> {
        let rehearsed = |place: u64| (u128::from(place) * u128::from(self.share) / u128::from(WHOLE)) as u64;
        let before = rehearsed(place);
        if rehearsed(place.checked_add(1)?) > before {
            self.rehearsed.at(before)
        } else {
            self.taught.at(place - before)
        }
    }
}

impl Order {
    fn new(seed: u64, stream: u64, first: usize, count: usize) -> Self {
        Self {
            seed,
            stream,
            first,
            count,
            epoch: None,
            indices: Vec::new(),
        }
    }

    fn at(&mut self, place: u64) -> Option<usize> {
        let epoch = place.checked_div(self.count as u64)?;
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.indices = (0..self.count as u32).collect();
            let mut numbers = Numbers::new(self.seed, epoch.wrapping_add(1 << self.stream));
            for end in (1..self.count).rev() {
                self.indices.swap(end, numbers.below(end + 1));
            }
        }
        let within = (place % self.count as u64) as usize;
        self.indices.get(within).map(|index| self.first + *index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_sample_in_an_order_of_its_own() {
        let mut draw = Draw::new(5, 50);
        let epoch = |draw: &mut Draw, number: u64| -> Vec<usize> {
            (0..50)
                .map(|place| draw.at(number * 50 + place).unwrap())
                .collect()
        };
        let (first, second) = (epoch(&mut draw, 0), epoch(&mut draw, 1));
        assert_ne!(first, second);
        for order in [&first, &second] {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..50));
        }
        // From the middle it goes on as it would have.
        assert_eq!(Draw::new(5, 50).at(61), Some(second[11]));
        assert_eq!(Draw::new(5, 0).at(0), None);
    }

    #[test]
    fn what_is_rehearsed_has_its_share_everywhere_and_leaves_the_rest_as_it_was() {
        let mut plain = Draw::new(5, 20);
        let mut draw = Draw::new(5, 20).rehearsing(30, 0.25);
        let seen: Vec<usize> = (0..400).map(|place| draw.at(place).unwrap()).collect();
        for step in seen.chunks(8) {
            assert_eq!(step.iter().filter(|index| **index >= 20).count(), 2, "{step:?}");
        }
        let taught = seen.iter().copied().filter(|index| *index < 20);
        assert!(taught.eq((0..300).map(|place| plain.at(place).unwrap())));
        let mut rehearsed: Vec<usize> = seen
            .iter()
            .copied()
            .filter(|index| *index >= 20)
            .take(30)
            .collect();
        rehearsed.sort_unstable();
        assert!(rehearsed.into_iter().eq(20..50));
        assert_eq!(Draw::new(5, 20).rehearsing(0, 0.5).at(3), Draw::new(5, 20).at(3));
    }
}
