//! In which order samples are seen.

use crate::numbers::Numbers;

/// Every sample once, in a random order, then again in another: a function of the seed alone, so that a run that was
/// stopped goes on where it was.
#[derive(Clone, Debug)]
pub struct Draw {
    seed: u64,
    count: usize,
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl Draw {
    /// Orders of `count` samples.
    pub fn new(seed: u64, count: usize) -> Self {
        Self {
            seed,
            count,
            epoch: None,
            order: Vec::new(),
        }
    }

    /// The index of the sample at place `place` of the run; `None` when there are none.
    pub fn at(&mut self, place: u64) -> Option<usize> {
        let epoch = place.checked_div(self.count as u64)?;
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.order = (0..self.count as u32).collect();
            let mut numbers = Numbers::new(self.seed, epoch.wrapping_add(1 << 40));
            for end in (1..self.count).rev() {
                self.order.swap(end, numbers.below(end + 1));
            }
        }
        let within = (place % self.count as u64) as usize;
        self.order.get(within).map(|index| *index as usize)
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
}
