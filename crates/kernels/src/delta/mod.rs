//! The gated delta rule (Yang et al., "Gated Delta Networks", arXiv 2412.06464), and everything of
//! its layer that stands between the two projections: convolution, SiLU, L2 norms, gates and the
//! gated norm, head by head, so that nothing but the projection is read and nothing but the layer's
//! output is written.
//!
//! Per value head, with a state S `[key, value]`:
//! `S ← e^g S;  d = β (v − Sᵀk);  S ← S + k dᵀ;  o = Sᵀq`.
//!
//! *Steps* go token by token. *Prefill* takes up to 64 tokens at once. With G_i the sum of g up to token
//! i of a chunk and S₀ the state at its start, the d of all its tokens solve a triangular system,
//! `d_i = β_i (v_i − e^{G_i} S₀ᵀk_i − Σ_{j<i} e^{G_i−G_j} (k_i·k_j) d_j)`, and
//! `o_i = e^{G_i} S₀ᵀq_i + Σ_{j≤i} e^{G_i−G_j} (q_i·k_j) d_j`. Nothing of token i needs a later token,
//! so an unfinished chunk is kept as (k, d, G) beside S₀ and goes on when more tokens come; only a
//! finished one is folded into the state, `S = e^{G_n} S₀ + Σ_i e^{G_n−G_i} k_i d_iᵀ`. That is why
//! the pieces of a prompt change nothing, to the bit. Steps keep their tokens the same way, a few of them: a
//! state is large, and reading it is what a step of many sequences waits for, so it is written seldom.

mod chunk;
mod conv;
mod layer;
mod state;
mod step;
mod tiled;

pub use layer::{DeltaKind, DeltaRun, GatedDelta};
pub use state::Delta;

#[cfg(test)]
#[path = "../delta_tests.rs"]
mod tests;
