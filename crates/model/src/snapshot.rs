//! Snapshots that outlive their sequence: taken where a chunk of the delta rule ends, so that whatever follows is
//! cut as it is in a sequence that read everything itself; their pages of keys and values shared with one another.

use aurore_kernels::Delta;

use crate::sequence::{LayerState, Sequence, Snapshot};

impl Sequence {
    /// The state now, if a chunk of the delta rule has just ended (a multiple of [`Snapshot::EVERY`] tokens, all of
    /// them given); `None` elsewhere. Takes no memory for a chunk.
    pub fn boundary(&self) -> Option<Snapshot> {
        if self.pending != 0 || self.is_empty() || !self.len().is_multiple_of(Snapshot::EVERY) {
            return None;
        }
        let layers = self.layers.iter().map(|layer| match layer {
            LayerState::Linear { history, delta, .. } => LayerState::Linear {
                history: history.clone(),
                delta: delta.clone(),
                // What an ended chunk left behind is never read again.
                chunk: Vec::new(),
                undo: Vec::new(),
            },
            LayerState::Full { pages } => LayerState::Full { pages: pages.clone() },
        });
        Some(Snapshot(Self {
            layers: layers.collect(),
            adapter: self.adapter.clone(),
            stepped: 0,
            revocable: 0,
            ..*self
        }))
    }
}

impl Snapshot {
    /// Tokens between places where [`Sequence::boundary`] gives one: a chunk, and a page of keys and values.
    pub const EVERY: usize = Delta::CHUNK;

    /// A sequence that goes on from here.
    pub fn resume(&self) -> Sequence {
        self.0.clone()
    }

    /// Bytes of the recurrent states and convolution histories, which no other snapshot shares.
    pub fn state_bytes(&self) -> usize {
        self.sizes().0
    }

    /// Bytes of the pages of keys and values, which others may share.
    pub fn page_bytes(&self) -> usize {
        self.sizes().1
    }

    /// Takes `other`'s pages in place of its own for the first `tokens` tokens, as far as both have whole ones. Both must
    /// have been made of the same tokens up to there, so that the pages hold the same: what is freed is a second copy.
    pub fn share_pages(&mut self, other: &Self, tokens: usize) {
        let whole = self.len().min(other.len()).min(tokens) / Self::EVERY;
        for (own, other) in self.0.layers.iter_mut().zip(&other.0.layers) {
            if let (LayerState::Full { pages }, LayerState::Full { pages: other }) = (own, other) {
                pages.share(other, whole);
            }
        }
    }

    fn sizes(&self) -> (usize, usize) {
        let (mut state, mut paged) = (0, 0);
        for layer in &self.0.layers {
            match layer {
                LayerState::Linear {
                    history,
                    delta,
                    chunk,
                    ..
                } => state += history.len() + delta.len() + chunk.len(),
                LayerState::Full { pages } => paged += pages.elements(),
            }
        }
        (state * size_of::<f32>(), paged * size_of::<f32>())
    }
}
