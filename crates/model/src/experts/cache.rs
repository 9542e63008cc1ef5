//! Which experts are kept in memory: those that were used most, and lately.
//!
//! One cache for all layers: a layer whose tokens go to few experts leaves its room to others. An expert's
//! score is the number of its uses, each counting half as much after [`HALF_LIFE`] tokens. One that was read
//! replaces the one with the least score only if its own was greater before it, so that a prompt, which touches
//! nearly all experts once, does not throw out those that answers keep using.

/// Tokens after which a use counts half.
const HALF_LIFE: f32 = 128.0;
/// A pass over many tokens counts like this many: a long prompt says what is used, but not more than an
/// answer does.
const MOST_TOKENS: usize = 16;
/// Scores grow instead of shrinking: they are divided when a use is worth this much.
const RESCALE_AT: f32 = 1e20;

const NONE: u32 = u32::MAX;

/// Scores of all experts, and who has which slot.
#[derive(Debug)]
pub(super) struct Cache {
    /// Per expert, [`NONE`] when it is not in memory.
    slots: Vec<u32>,
    /// Per expert.
    scores: Vec<f32>,
    /// What the last pass added to it. Per expert.
    gains: Vec<f32>,
    /// The expert in each slot; as many as are taken.
    experts: Vec<u32>,
    capacity: usize,
    /// What one token's use counts now.
    worth: f32,
    /// What one row's use counts in this pass.
    row_worth: f32,
}

impl Cache {
    /// Room for `capacity` of so many experts.
    pub(super) fn new(experts: usize, capacity: usize) -> Self {
        Self {
            slots: vec![NONE; experts],
            scores: vec![0.0; experts],
            gains: vec![0.0; experts],
            experts: Vec::with_capacity(capacity),
            capacity,
            worth: 1.0,
            row_worth: 1.0,
        }
    }

    /// Begins a pass over so many tokens.
    pub(super) fn begin_pass(&mut self, tokens: usize) {
        let counted = tokens.clamp(1, MOST_TOKENS);
        self.worth *= (counted as f32 / HALF_LIFE).exp2();
        if self.worth > RESCALE_AT {
            for score in self.scores.iter_mut().chain(&mut self.gains) {
                *score /= self.worth;
            }
            self.worth = 1.0;
        }
        self.row_worth = self.worth * counted as f32 / tokens.max(1) as f32;
    }

    /// Notes that so many rows of this pass go to an expert.
    pub(super) fn note(&mut self, expert: usize, rows: usize) {
        self.gains[expert] = self.row_worth * rows as f32;
        self.scores[expert] += self.gains[expert];
    }

    /// The slot of an expert that is in memory.
    pub(super) fn slot(&self, expert: usize) -> Option<usize> {
        let slot = self.slots[expert];
        (slot != NONE).then_some(slot as usize)
    }

    /// The slot that an expert which was read takes over, if it is worth more than the one there.
    pub(super) fn admit(&mut self, expert: usize) -> Option<usize> {
        if self.slots[expert] != NONE {
            return None;
        }
        if self.experts.len() < self.capacity {
            let slot = self.experts.len();
            self.experts.push(expert as u32);
            self.slots[expert] = slot as u32;
            return Some(slot);
        }
        let score = |slot: usize| self.scores[self.experts[slot] as usize];
        let least = (0..self.capacity).min_by(|a, b| score(*a).total_cmp(&score(*b)))?;
        // By what it was worth before this pass, in which not all layers have had their turn yet.
        if score(least) >= self.scores[expert] - self.gains[expert] {
            return None;
        }
        let out = std::mem::replace(&mut self.experts[least], expert as u32);
        self.slots[out as usize] = NONE;
        self.slots[expert] = least as u32;
        Some(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads and keeps; whether the expert was there.
    fn meet(cache: &mut Cache, expert: usize, rows: usize) -> bool {
        cache.note(expert, rows);
        let there = cache.slot(expert).is_some();
        if !there {
            cache.admit(expert);
        }
        there
    }

    #[test]
    fn slots_and_experts_stay_a_pairing() {
        let mut cache = Cache::new(20, 6);
        for step in 0..2000_usize {
            cache.begin_pass(1);
            let expert = step * step % 20;
            let there = cache.slot(expert);
            meet(&mut cache, expert, 1);
            assert!(there.is_none() || cache.slot(expert) == there);
            let kept: Vec<_> = (0..20).filter_map(|expert| cache.slot(expert)).collect();
            let mut sorted = kept.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert!(sorted.len() == kept.len() && kept.len() <= 6);
            assert!(kept.iter().all(|slot| *slot < 6));
            assert!(there.is_none() || cache.admit(expert).is_none());
        }
    }

    #[test]
    fn a_prompt_does_not_throw_out_what_answers_use() {
        let mut cache = Cache::new(64, 8);
        for _ in 0..50 {
            cache.begin_pass(1);
            for expert in 0..8 {
                meet(&mut cache, expert, 1);
            }
        }
        cache.begin_pass(512);
        for expert in 0..64 {
            meet(&mut cache, expert, 64);
        }
        assert!((0..8).all(|expert| cache.slot(expert).is_some()));
    }

    #[test]
    fn what_is_no_longer_used_makes_room() {
        let mut cache = Cache::new(64, 8);
        for step in 0..1000 {
            cache.begin_pass(1);
            let first = if step < 500 { 0 } else { 32 };
            for expert in first..first + 8 {
                meet(&mut cache, expert, 1);
            }
        }
        assert!((32..40).all(|expert| cache.slot(expert).is_some()));
    }

    /// Uses of experts as uneven as those of trained routers: the share of experts that were there.
    fn hits(cache: &mut Cache, steps: usize) -> f64 {
        let mut state = 1_u64;
        let (mut there, mut all) = (0, 0);
        for _ in 0..steps {
            cache.begin_pass(1);
            for _ in 0..8 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let uniform = (state >> 33) as f64 / (1_u64 << 31) as f64;
                // The square prefers small numbers; spread so that neighbours differ.
                let expert = ((uniform * uniform * 256.0) as usize * 37) % 256;
                there += usize::from(meet(cache, expert, 1));
                all += 1;
            }
        }
        there as f64 / all as f64
    }

    #[test]
    fn uneven_use_hits_more_than_the_share_that_is_kept() {
        let mut cache = Cache::new(256, 64);
        hits(&mut cache, 500);
        // The 64 of 256 experts that are used most have half of the uses.
        let share = hits(&mut cache, 2000);
        assert!(share > 0.45, "{share}");
    }

    #[test]
    fn scores_stay_numbers() {
        let mut cache = Cache::new(4, 2);
        for step in 0..200_000 {
            cache.begin_pass(16);
            meet(&mut cache, step % 2, 1);
        }
        assert!(cache.scores.iter().all(|score| score.is_finite()));
        assert!(cache.slot(0).is_some() && cache.slot(1).is_some());
    }

    #[test]
    fn nothing_is_kept_without_room() {
        let mut cache = Cache::new(4, 0);
        cache.begin_pass(1);
        assert!(!meet(&mut cache, 1, 1) && !meet(&mut cache, 1, 1));
    }
}
