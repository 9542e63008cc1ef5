//! Sizes and memory of a DeltaNet layer's state.

use crate::dense::PANEL;

/// Tokens in a chunk.
pub(crate) const CHUNK: usize = 64;
/// Widest head that the kernels' buffers hold.
pub(crate) const MAX_DIM: usize = 256;

/// One head's unfinished chunk in memory.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// Of no meaning where there is none.
    pub(crate) start: *mut f32,
    pub(crate) key_dim: usize,
    pub(crate) padded: usize,
}

impl Kept {
    /// G of the tokens.
    pub(crate) fn sums(self) -> *mut f32 {
        self.start
    }

    /// k of a token, `[key_dim]`.
    pub(crate) fn k(self, row: usize) -> *mut f32 {
        self.start
            .wrapping_add(CHUNK + row * (self.key_dim + self.padded))
    }

    /// d of a token, `[padded]`.
    pub(crate) fn d(self, row: usize) -> *mut f32 {
        self.k(row).wrapping_add(self.key_dim)
    }
}

/// Sizes of a DeltaNet layer. Value head h uses query and key head `h / (value_heads / key_heads)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Query and key heads.
    pub key_heads: usize,
    /// Value heads, a multiple of `key_heads`.
    pub value_heads: usize,
    /// Width of a query or key head.
    pub key_dim: usize,
    /// Width of a value head.
    pub value_dim: usize,
}

impl Delta {
    /// The widest head that the kernels take.
    pub const MAX_DIM: usize = MAX_DIM;

    /// Tokens in a chunk: chunks end at multiples of it, counted from the sequence's start.
    pub const CHUNK: usize = CHUNK;

    /// Steps after which they become part of the state: it is read in each and written in the last.
    pub const STEPS: usize = 8;

    /// Elements of a layer's recurrent state, zeros at first: S of each value head, in panels of 16
    /// values `[panels][key_dim][16]`.
    pub fn state_len(&self) -> usize {
        self.value_heads * self.head_len()
    }

    /// Elements of a layer's unfinished chunk. Per value head: G `[64]`, then 64 rows of k `[key_dim]` and d,
    /// `value_dim` rounded up to a multiple of 16: few rows of a head lie together.
    pub fn chunk_len(&self) -> usize {
        self.value_heads * self.head_chunk_len()
    }

    /// Channels of the convolution: queries, keys, values.
    pub fn channels(&self) -> usize {
        2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim
    }

    pub(crate) fn head_len(&self) -> usize {
        self.key_dim * self.padded()
    }

    pub(crate) fn head_chunk_len(&self) -> usize {
        CHUNK * (self.key_dim + self.padded() + 1)
    }

    /// `value_dim` rounded up to whole panels.
    pub(crate) fn padded(&self) -> usize {
        self.value_dim.next_multiple_of(PANEL)
    }

    /// What a step reads and writes of a layer's chunk of `pending` tokens: a piece for each head, and the place of
    /// the new token.
    pub fn kept<'c>(&self, chunk: &'c [f32], pending: usize) -> impl Iterator<Item = &'c [f32]> + use<'c> {
        let len = CHUNK + (pending + 1).min(CHUNK) * (self.key_dim + self.padded());
        chunk
            .chunks_exact(self.head_chunk_len().max(1))
            .map(move |head| &head[..len.min(head.len())])
    }

    /// S of all heads, `[value_heads, key_dim, value_dim]`, out of a layer's state.
    ///
    /// # Panics
    /// When `state` is not a state of these sizes.
    pub fn recurrent(&self, state: &[f32]) -> Vec<f32> {
        assert_eq!(state.len(), self.state_len());
        let mut rows = Vec::with_capacity(self.value_heads * self.key_dim * self.value_dim);
        for head in state.chunks_exact(self.head_len().max(1)) {
            for key in 0..self.key_dim {
                let value = |value: usize| head[(value / PANEL * self.key_dim + key) * PANEL + value % PANEL];
                rows.extend((0..self.value_dim).map(value));
            }
        }
        rows
    }
}
