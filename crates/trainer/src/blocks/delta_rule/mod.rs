//! The gated delta rule (arXiv 2412.06464) in chunks of 64 tokens, forward and backward.
//!
//! With G the running sum of log decays inside a chunk, `Γᵢ = e^Gᵢ`, `Dᵢⱼ = e^(Gᵢ−Gⱼ)` for j ≤ i, and S the state before
//! it, the corrected values Δ that the tokens write obey a triangular system:
//!
//! ```text
//! (I + A)·Δ = R,   Aᵢⱼ = βᵢ·Dᵢⱼ·(kᵢ·kⱼ) for j < i,   Rᵢ = βᵢ·(vᵢ − Γᵢ·Sᵀkᵢ)
//! oᵢ = Γᵢ·Sᵀqᵢ + Σ_{j≤i} Pᵢⱼ·Δⱼ,                      Pᵢⱼ = Dᵢⱼ·(qᵢ·kⱼ)
//! S ← γ·S + Σⱼ wⱼ·kⱼ·Δⱼᵀ,                             γ = Γ_last, wⱼ = e^(G_last−Gⱼ)
//! ```
//!
//! Backward, from `dO` and the gradient `dS′` of the state after the chunk:
//!
//! ```text
//! dΔ = Pᵀ·dO + (w⊙K)·dS′,   (I + A)ᵀ·dR = dΔ,   dA = −dR·Δᵀ below the diagonal,   dP = dO·Δᵀ up to it
//! dV = β⊙dR,   dU = −βΓ⊙dR with U = K·S
//! dQ = Γ⊙(dO·Sᵀ) + (dP⊙D)·K
//! dK = dU·Sᵀ + w⊙(Δ·dS′ᵀ) + (dP⊙D)ᵀ·Q + (B + Bᵀ)·K with B = β⊙dA⊙D
//! dS = γ·dS′ + (Γ⊙Q)ᵀ·dO + Kᵀ·dU
//! dβᵢ = dRᵢ·(vᵢ − Γᵢuᵢ) + Σⱼ dAᵢⱼ·Dᵢⱼ·(kᵢ·kⱼ)
//! ```
//!
//! Every use of G gives its part of dG; a token's log decay counts in the sums of all tokens from it on.

mod backward;
mod forward;
mod rows;
mod slopes;

use std::ops::Range;

use aurore_kernels::View;

use crate::Buffer;
use crate::pass::Pass;

/// Tokens of a chunk, cut at its multiples from a document's start.
const CHUNK: usize = 64;

/// V value heads of width B, over K key heads of width A; consecutive value heads share a key head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) key_heads: usize,
    pub(crate) value_heads: usize,
    pub(crate) key_dim: usize,
    pub(crate) value_dim: usize,
    /// Numbers from one row of values to the next, which begin with head 0.
    pub(crate) value_stride: usize,
}

/// What the rule reads.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    /// Normalised and scaled. `[T, K, A]`
    pub(crate) queries: &'a [f32],
    /// Normalised. `[T, K, A]`
    pub(crate) keys: &'a [f32],
    /// `[T, V, B]`, rows `value_stride` apart.
    pub(crate) values: &'a [f32],
    /// Logarithms of the share of the state that a token keeps. `[V, T]`
    pub(crate) decays: &'a [f32],
    /// `[V, T]`
    pub(crate) betas: &'a [f32],
}

/// Gradients of all of them, in the same places. Queries' and keys' are added to.
pub(crate) struct Slopes<'a> {
    pub(crate) queries: &'a mut [f32],
    pub(crate) keys: &'a mut [f32],
    pub(crate) values: &'a mut [f32],
    pub(crate) decays: &'a mut [f32],
    pub(crate) betas: &'a mut [f32],
}

/// What the backward pass needs beside the operands.
pub(crate) struct Saved {
    /// The state before every chunk of every head. `[chunks, V, A, B]`
    states: Buffer,
    /// Corrected values. `[V, T, B]`
    deltas: Buffer,
}

/// Memory of one chunk.
struct Scratch {
    /// `[C, C]`
    key_overlap: Buffer,
    /// `[C, C]`
    query_overlap: Buffer,
    /// D, zero above the diagonal. `[C, C]`
    decay: Buffer,
    /// `[C, C]`
    system: Buffer,
    /// `[C, B]`
    recalled: Buffer,
    /// `[C, A]`
    keys: Buffer,
    /// Running sums G, then Γ and w. `[3, C]`
    gates: Buffer,
}

/// One chunk of one head.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    tokens: usize,
    head: usize,
    key_head: usize,
}

/// Chunks of a document.
fn chunks(document: &Range<usize>) -> impl DoubleEndedIterator<Item = (usize, usize)> + use<> {
    let (start, end) = (document.start, document.end);
    let count = (end - start).div_ceil(CHUNK);
    (0..count).map(move |chunk| {
        let first = start + chunk * CHUNK;
        (first, CHUNK.min(end - first))
    })
}

impl Scratch {
    fn new(pass: &Pass<'_>, shape: &Shape) -> Self {
        let square = CHUNK * CHUNK;
        Self {
            key_overlap: pass.take(square),
            query_overlap: pass.take(square),
            decay: pass.take(square),
            system: pass.take(square),
            recalled: pass.take(CHUNK * shape.value_dim),
            keys: pass.take(CHUNK * shape.key_dim),
            gates: pass.take(3 * CHUNK),
        }
    }
}

impl Shape {
    fn key_width(&self) -> usize {
        self.key_heads * self.key_dim
    }

    fn state(&self) -> usize {
        self.key_dim * self.value_dim
    }

    fn place(&self, first: usize, tokens: usize, head: usize) -> Place {
        Place {
            first,
            tokens,
            head,
            key_head: head / (self.value_heads / self.key_heads),
        }
    }

    /// The overlaps of keys and queries, and what decays make of them.
    fn overlaps(
        &self,
        pass: &mut Pass<'_>,
        place: Place,
        all: usize,
        operands: Operands<'_>,
        scratch: &mut Scratch,
    ) {
        let (width, dim, tokens) = (self.key_width(), self.key_dim, place.tokens);
        let at = place.first * width + place.key_head * dim;
        let (queries, keys) = (&operands.queries[at..], &operands.keys[at..]);
        let columns = View::transposed(keys, width);
        let sizes = [tokens, dim, tokens];
        let products = pass.products();
        products.rounded_product(
            sizes,
            View::rows(keys, width),
            columns,
            &mut scratch.key_overlap,
            tokens,
            false,
        );
        products.rounded_product(
            sizes,
            View::rows(queries, width),
            columns,
            &mut scratch.query_overlap,
            tokens,
            false,
        );
        let own = place.head * all + place.first;
        let own = own..own + tokens;
        rows::gates(
            pass.isa(),
            &operands.decays[own],
            &mut scratch.gates,
            &mut scratch.decay[..tokens * tokens],
        );
    }
}
