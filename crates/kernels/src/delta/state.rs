//! Sizes and memory of a DeltaNet layer's state.

use super::chunk::{CHUNK, MAX_DIM};

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

/// What a DeltaNet layer reads per token. Keys and queries are normalised here.
#[derive(Clone, Copy, Debug)]
pub struct DeltaInput<'a> {
    /// `[tokens, 2 · key_heads · key_dim + value_heads · value_dim]`: queries, keys, values
    pub qkv: &'a [f32],
    /// Log of the decay, ≤ 0. `[tokens, value_heads]`
    pub g: &'a [f32],
    /// Strength of the write. `[tokens, value_heads]`
    pub beta: &'a [f32],
}

impl Delta {
    /// The widest head that the kernels take.
    pub const MAX_DIM: usize = MAX_DIM;

    /// Tokens in a chunk: chunks end at multiples of it, counted from the sequence's start.
    pub const CHUNK: usize = CHUNK;

    /// Elements of a layer's state.
    ///
    /// Per value head: S `[key_dim, padded value_dim]`, then the unfinished chunk: kᵀ
    /// `[key_dim, 64]`, d `[64, padded value_dim]`, G `[64]`.
    pub fn state_len(&self) -> usize {
        self.value_heads * self.head_len()
    }

    /// Elements of `qkv` per token.
    pub fn qkv_len(&self) -> usize {
        2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim
    }

    pub(crate) fn head_len(&self) -> usize {
        (self.key_dim + CHUNK) * self.padded() + self.key_dim * CHUNK + CHUNK
    }

    /// `value_dim` rounded up to the widest panel.
    pub(crate) fn padded(&self) -> usize {
        self.value_dim.next_multiple_of(2 * crate::simd::MAX_LANES)
    }

    /// Copies S of all heads, `[value_heads, key_dim, value_dim]`, out of a state without an
    /// unfinished chunk.
    ///
    /// # Panics
    /// When `state` is not a state of these sizes.
    pub fn recurrent(&self, state: &[f32]) -> Vec<f32> {
        assert_eq!(state.len(), self.state_len());
        let padded = self.padded();
        let heads = state.chunks_exact(self.head_len());
        let rows = heads.flat_map(|head| head[..self.key_dim * padded].chunks_exact(padded));
        rows.flat_map(|row| &row[..self.value_dim]).copied().collect()
    }

    pub(crate) fn check(&self, state: &[f32], input: DeltaInput<'_>, out: &[f32]) -> usize {
        assert!(
            self.key_heads > 0 && self.value_heads.is_multiple_of(self.key_heads),
            "heads"
        );
        assert!(
            self.key_dim <= MAX_DIM && self.padded() <= MAX_DIM,
            "heads of up to {MAX_DIM}"
        );
        let tokens = input.qkv.len() / self.qkv_len().max(1);
        assert!(state.len() == self.state_len() && input.qkv.len() == tokens * self.qkv_len());
        assert!(input.g.len() == tokens * self.value_heads && input.beta.len() == input.g.len());
        assert_eq!(out.len(), tokens * self.value_heads * self.value_dim);
        tokens
    }
}

/// One head's state, split into its parts.
pub(crate) struct Head<'a> {
    /// S `[key_dim, padded]`
    pub(crate) s: &'a mut [f32],
    /// kᵀ of the unfinished chunk `[key_dim, CHUNK]`
    pub(crate) kt: &'a mut [f32],
    /// d of the unfinished chunk `[CHUNK, padded]`
    pub(crate) d: &'a mut [f32],
    /// G of the unfinished chunk `[CHUNK]`
    pub(crate) sums: &'a mut [f32],
}

impl<'a> Head<'a> {
    pub(crate) fn split(delta: &Delta, head: &'a mut [f32]) -> Self {
        let (s, rest) = head.split_at_mut(delta.key_dim * delta.padded());
        let (kt, rest) = rest.split_at_mut(delta.key_dim * CHUNK);
        let (d, sums) = rest.split_at_mut(CHUNK * delta.padded());
        Self { s, kt, d, sums }
    }
}
