//! Buffers of a forward pass: they grow once and are used again.

use aurore_kernels::Routing;

use crate::TokenId;
use crate::batch::{Cursor, Span};

/// One forward pass's buffers. Names say what they hold last.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Per segment of the batch.
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) spans: Vec<Span>,
    /// Last rows of x of the tokens whose logits are wanted. `[wanted, hidden]`
    pub(crate) wanted: Vec<f32>,
    /// The residual stream. `[tokens, hidden]`
    pub(crate) x: Vec<f32>,
    /// Normalised x. `[tokens, hidden]`
    pub(crate) normed: Vec<f32>,
    /// Output of a layer's joined input projections.
    pub(crate) projected: Vec<f32>,
    /// Input of a layer's output projection.
    pub(crate) mixed: Vec<f32>,
    /// Queries of full attention; DeltaNet's convolved queries, keys and values.
    pub(crate) queries: Vec<f32>,
    /// Keys of full attention; DeltaNet's g.
    pub(crate) keys: Vec<f32>,
    /// Attention's result before its gate; DeltaNet's β.
    pub(crate) attended: Vec<f32>,
    /// Results of pieces of contexts, as [`aurore_kernels::Attention::pieces_len`] says.
    pub(crate) pieces: Vec<f32>,
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
    pub(crate) experts: Experts,
    /// The segment and the place in its sequence of each row of the steps.
    pub(crate) steps: Vec<(usize, usize)>,
    /// Outputs of the head that are computed.
    pub(crate) ids: Vec<TokenId>,
    /// What an adapter's first matrices make.
    pub(crate) low: Vec<f32>,
}

/// Buffers of sparse experts.
#[derive(Debug, Default)]
pub(crate) struct Experts {
    pub(crate) routing: Routing,
    /// `[tokens, experts]`
    pub(crate) logits: Vec<f32>,
    /// The shared expert's gate. `[tokens, 1]`
    pub(crate) gates: Vec<f32>,
    /// What a shared expert of its own shape makes. `[tokens, hidden]`
    pub(crate) shared: Vec<f32>,
    /// What the experts make, rows sorted by expert. `[tokens · (top_k + 1), hidden]` at most
    pub(crate) rows: Vec<f32>,
}

/// The first `len` elements, more memory being taken when there are fewer.
pub(crate) fn part(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    // No more than is needed: passes come in a few sizes, and the plan knows the largest.
    aurore_kernels::grow(buffer, len);
    &mut buffer[..len]
}
