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

use std::ops::Range;

use aurore_kernels::View;

use crate::Buffer;
use crate::ops::functions::{dot, exp, total};
use crate::ops::vectorised;
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

    /// Gives what the queries read, `[T, V, B]`.
    pub(crate) fn forward(
        &self,
        pass: &mut Pass<'_>,
        documents: &[Range<usize>],
        operands: Operands<'_>,
    ) -> (Buffer, Saved) {
        let tokens = documents.last().map_or(0, |document| document.end);
        let count: usize = documents
            .iter()
            .map(|document| document.len().div_ceil(CHUNK))
            .sum();
        let mut out = pass.take(tokens * self.value_heads * self.value_dim);
        let mut saved = Saved {
            states: pass.take(count * self.value_heads * self.state()),
            deltas: pass.take(tokens * self.value_heads * self.value_dim),
        };
        let mut scratch = Scratch::new(pass, self);
        let mut state = pass.take(self.value_heads * self.state());
        let mut number = 0;
        for document in documents {
            state.fill(0.0);
            for (first, count) in chunks(document) {
                let kept = number * state.len()..(number + 1) * state.len();
                saved.states[kept].copy_from_slice(&state);
                for head in 0..self.value_heads {
                    let place = self.place(first, count, head);
                    let state = &mut state[head * self.state()..(head + 1) * self.state()];
                    let start = (head * tokens + first) * self.value_dim;
                    let deltas = &mut saved.deltas[start..start + count * self.value_dim];
                    self.chunk(
                        pass,
                        place,
                        tokens,
                        operands,
                        &mut scratch,
                        state,
                        deltas,
                        &mut out,
                    );
                }
                number += 1;
            }
        }
        (out, saved)
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
        products.product(
            sizes,
            View::rows(keys, width),
            columns,
            &mut scratch.key_overlap,
            tokens,
            false,
        );
        products.product(
            sizes,
            View::rows(queries, width),
            columns,
            &mut scratch.query_overlap,
            tokens,
            false,
        );
        let own = place.head * all + place.first;
        let own = own..own + tokens;
        gates(
            pass.isa(),
            &operands.decays[own],
            &mut scratch.gates,
            &mut scratch.decay[..tokens * tokens],
        );
    }

    fn chunk(
        &self,
        pass: &mut Pass<'_>,
        place: Place,
        all: usize,
        operands: Operands<'_>,
        scratch: &mut Scratch,
        state: &mut [f32],
        deltas: &mut [f32],
        out: &mut [f32],
    ) {
        let isa = pass.isa();
        let (width, dim, value_dim) = (self.key_width(), self.key_dim, self.value_dim);
        let tokens = place.tokens;
        self.overlaps(pass, place, all, operands, scratch);
        let at = place.first * width + place.key_head * dim;
        let (queries, keys) = (&operands.queries[at..], &operands.keys[at..]);
        let values = &operands.values[place.first * self.value_stride + place.head * value_dim..];
        let own = place.head * all + place.first;
        let betas = &operands.betas[own..own + tokens];
        // U = K·S, then Δ.
        let sizes = [tokens, dim, value_dim];
        let state_view = View::rows(state, value_dim);
        pass.products().product(
            sizes,
            View::rows(keys, width),
            state_view,
            &mut scratch.recalled,
            value_dim,
            false,
        );
        right_side(
            isa,
            values,
            self.value_stride,
            &scratch.recalled,
            betas,
            &scratch.gates,
            deltas,
        );
        system(
            isa,
            betas,
            &scratch.key_overlap,
            &scratch.decay,
            &mut scratch.system[..tokens * tokens],
        );
        solve(isa, &scratch.system, tokens, value_dim, deltas);
        // O = Γ⊙(Q·S) + P·Δ
        let stride = self.value_heads * value_dim;
        let out = &mut out[place.first * stride + place.head * value_dim..];
        pass.products().product(
            sizes,
            View::rows(queries, width),
            View::rows(state, value_dim),
            out,
            stride,
            false,
        );
        scale_rows(isa, out, stride, value_dim, &scratch.gates[CHUNK..CHUNK + tokens]);
        let square = tokens * tokens;
        times(
            isa,
            &mut scratch.query_overlap[..square],
            &scratch.decay[..square],
        );
        pass.products().product(
            [tokens, tokens, value_dim],
            View::rows(&scratch.query_overlap, tokens),
            View::rows(deltas, value_dim),
            out,
            stride,
            true,
        );
        // S ← γ·S + (w⊙K)ᵀ·Δ
        let last = scratch.gates[CHUNK + tokens - 1];
        let weights = &scratch.gates[2 * CHUNK..2 * CHUNK + tokens];
        scaled_copy(isa, keys, width, weights, &mut scratch.keys[..tokens * dim]);
        scale(isa, state, last);
        pass.products().product(
            [dim, tokens, value_dim],
            View::transposed(&scratch.keys, dim),
            View::rows(deltas, value_dim),
            state,
            value_dim,
            true,
        );
    }

    /// `dout`: `[T, V, B]`
    pub(crate) fn backward(
        &self,
        pass: &mut Pass<'_>,
        documents: &[Range<usize>],
        operands: Operands<'_>,
        saved: &Saved,
        dout: &[f32],
        slopes: &mut Slopes<'_>,
    ) {
        let tokens = documents.last().map_or(0, |document| document.end);
        let mut scratch = Scratch::new(pass, self);
        let mut back = BackScratch::new(pass, self);
        let mut dstate = pass.take(self.value_heads * self.state());
        let mut number: usize = documents
            .iter()
            .map(|document| document.len().div_ceil(CHUNK))
            .sum();
        for document in documents.iter().rev() {
            dstate.fill(0.0);
            for (first, count) in chunks(document).rev() {
                number -= 1;
                for head in 0..self.value_heads {
                    let place = self.place(first, count, head);
                    let size = self.state();
                    let state = &saved.states[(number * self.value_heads + head) * size..][..size];
                    let start = (head * tokens + first) * self.value_dim;
                    let deltas = &saved.deltas[start..start + count * self.value_dim];
                    let dstate = &mut dstate[head * size..(head + 1) * size];
                    let given = (state, deltas, dout);
                    self.chunk_back(
                        pass,
                        place,
                        tokens,
                        operands,
                        given,
                        &mut scratch,
                        &mut back,
                        dstate,
                        slopes,
                    );
                }
            }
        }
    }

    fn chunk_back(
        &self,
        pass: &mut Pass<'_>,
        place: Place,
        all: usize,
        operands: Operands<'_>,
        (state, deltas, dout): (&[f32], &[f32], &[f32]),
        scratch: &mut Scratch,
        back: &mut BackScratch,
        dstate: &mut [f32],
        slopes: &mut Slopes<'_>,
    ) {
        let isa = pass.isa();
        let (width, dim, value_dim) = (self.key_width(), self.key_dim, self.value_dim);
        let (tokens, square) = (place.tokens, place.tokens * place.tokens);
        self.overlaps(pass, place, all, operands, scratch);
        let at = place.first * width + place.key_head * dim;
        let (queries, keys) = (&operands.queries[at..], &operands.keys[at..]);
        let value_at = place.first * self.value_stride + place.head * value_dim;
        let values = &operands.values[value_at..];
        let own = place.head * all + place.first;
        let own = own..own + tokens;
        let betas = &operands.betas[own.clone()];
        let stride = self.value_heads * value_dim;
        let dout = &dout[place.first * stride + place.head * value_dim..];
        let [gammas, weights] = [1, 2].map(|part| &scratch.gates[part * CHUNK..part * CHUNK + tokens]);
        let by_keys = [tokens, dim, value_dim];
        let products = pass.products();

        // U, and Q·S whose product with dO is Γ's gradient.
        let state_view = View::rows(state, value_dim);
        products.product(
            by_keys,
            View::rows(keys, width),
            state_view,
            &mut scratch.recalled,
            value_dim,
            false,
        );
        products.product(
            by_keys,
            View::rows(queries, width),
            state_view,
            &mut back.read,
            value_dim,
            false,
        );
        // dP = dO·Δᵀ
        let sizes = [tokens, value_dim, tokens];
        let deltas_across = View::transposed(deltas, value_dim);
        products.product(
            sizes,
            View::rows(dout, stride),
            deltas_across,
            &mut back.dread,
            tokens,
            false,
        );
        // dΔ = Pᵀ·dO + (w⊙K)·dS′
        scaled_copy(isa, keys, width, weights, &mut scratch.keys[..tokens * dim]);
        let products = pass.products();
        products.product(
            by_keys,
            View::rows(&scratch.keys, dim),
            View::rows(dstate, value_dim),
            &mut back.ddeltas,
            value_dim,
            false,
        );
        scaled_overlap(
            isa,
            &scratch.query_overlap,
            &scratch.decay,
            &mut back.product[..square],
        );
        let sizes = [tokens, tokens, value_dim];
        let products = pass.products();
        let across = View::transposed(&back.product, tokens);
        products.product(
            sizes,
            across,
            View::rows(dout, stride),
            &mut back.ddeltas,
            value_dim,
            true,
        );
        // dR, and dA = −dR·Δᵀ, whose sign is turned where it is used.
        system(
            isa,
            betas,
            &scratch.key_overlap,
            &scratch.decay,
            &mut scratch.system[..square],
        );
        solve_across(
            isa,
            &scratch.system,
            tokens,
            value_dim,
            &mut back.ddeltas[..tokens * value_dim],
        );
        let sizes = [tokens, value_dim, tokens];
        let solved = View::rows(&back.ddeltas, value_dim);
        let products = pass.products();
        products.product(sizes, solved, deltas_across, &mut back.dsystem, tokens, false);

        // w's gradient comes from Δ·dS′ᵀ.
        let sizes = [tokens, value_dim, dim];
        let dstate_across = View::transposed(dstate, value_dim);
        products.product(
            sizes,
            View::rows(deltas, value_dim),
            dstate_across,
            &mut back.dkeys,
            dim,
            false,
        );
        back.dsums[..tokens].fill(0.0);
        let dgamma = dot(dstate, state);
        kept_back(
            isa,
            keys,
            width,
            weights,
            &mut back.dkeys[..tokens * dim],
            &mut back.dsums[..tokens],
        );
        let last = gammas[tokens - 1];
        back.dsums[tokens - 1] += dgamma * last;

        // What the decays and β get from the squares, which become the gradients of the overlaps.
        squares_back(
            isa,
            betas,
            [
                &scratch.key_overlap[..square],
                &scratch.query_overlap[..square],
                &scratch.decay[..square],
            ],
            &mut back.dsystem[..square],
            &mut back.dread[..square],
            &mut back.dsums[..tokens],
            &mut slopes.betas[own.clone()],
        );
        // Rows: dV, dU, and what β and Γ get from them.
        rows_back(
            isa,
            [values, &scratch.recalled, &back.read, dout],
            [self.value_stride, value_dim, stride],
            betas,
            gammas,
            &mut back.ddeltas[..tokens * value_dim],
            &mut slopes.values[value_at..],
            &mut back.dsums[..tokens],
            &mut slopes.betas[own.clone()],
        );
        decays_back(isa, &back.dsums[..tokens], &mut slopes.decays[own]);

        // back.ddeltas is dU now, and back.dout Γ⊙dO.
        scaled_copy(isa, dout, stride, gammas, &mut back.dout[..tokens * value_dim]);
        let (dqueries, dkeys) = (&mut slopes.queries[at..], &mut slopes.keys[at..]);
        add_rows(isa, &back.dkeys[..tokens * dim], dim, dkeys, width);
        let products = pass.products();
        let state_across = View::transposed(state, value_dim);
        let sizes = [tokens, value_dim, dim];
        products.product(
            sizes,
            View::rows(&back.dout, value_dim),
            state_across,
            dqueries,
            width,
            true,
        );
        products.product(
            sizes,
            View::rows(&back.ddeltas, value_dim),
            state_across,
            dkeys,
            width,
            true,
        );
        let sizes = [tokens, tokens, dim];
        products.product(
            sizes,
            View::rows(&back.dread, tokens),
            View::rows(keys, width),
            dqueries,
            width,
            true,
        );
        products.product(
            sizes,
            View::transposed(&back.dread, tokens),
            View::rows(queries, width),
            dkeys,
            width,
            true,
        );
        products.product(
            sizes,
            View::rows(&back.dsystem, tokens),
            View::rows(keys, width),
            dkeys,
            width,
            true,
        );
        products.product(
            sizes,
            View::transposed(&back.dsystem, tokens),
            View::rows(keys, width),
            dkeys,
            width,
            true,
        );
        // dS
        scale(isa, dstate, last);
        let sizes = [dim, tokens, value_dim];
        let products = pass.products();
        products.product(
            sizes,
            View::transposed(queries, width),
            View::rows(&back.dout, value_dim),
            dstate,
            value_dim,
            true,
        );
        products.product(
            sizes,
            View::transposed(keys, width),
            View::rows(&back.ddeltas, value_dim),
            dstate,
            value_dim,
            true,
        );
    }
}

/// More memory of one chunk, for the backward pass.
struct BackScratch {
    /// Q·S. `[C, B]`
    read: Buffer,
    /// Γ⊙dO. `[C, B]`
    dout: Buffer,
    /// dΔ, then dR, then dU. `[C, B]`
    ddeltas: Buffer,
    /// P. `[C, C]`
    product: Buffer,
    /// dP, then the gradient of Q·Kᵀ. `[C, C]`
    dread: Buffer,
    /// −dA, then the gradient of K·Kᵀ. `[C, C]`
    dsystem: Buffer,
    /// `[C, A]`
    dkeys: Buffer,
    /// dG. `[C]`
    dsums: Buffer,
}

impl BackScratch {
    fn new(pass: &Pass<'_>, shape: &Shape) -> Self {
        let (square, values) = (CHUNK * CHUNK, CHUNK * shape.value_dim);
        Self {
            read: pass.take(values),
            dout: pass.take(values),
            ddeltas: pass.take(values),
            product: pass.take(square),
            dread: pass.take(square),
            dsystem: pass.take(square),
            dkeys: pass.take(CHUNK * shape.key_dim),
            dsums: pass.take(CHUNK),
        }
    }
}

vectorised! {
    /// G, Γ and w, and D with zeros above the diagonal.
    fn gates(decays: &'a [f32], gates: &'a mut [f32], square: &'a mut [f32]) {
        let tokens = decays.len();
        let (sums, rest) = gates.split_at_mut(CHUNK);
        let (gammas, weights) = rest.split_at_mut(CHUNK);
        let mut sum = 0.0;
        for (sum_there, decay) in sums.iter_mut().zip(decays) {
            sum += decay;
            *sum_there = sum;
        }
        for ((gamma, weight), g) in gammas.iter_mut().zip(weights).zip(&sums[..tokens]) {
            *gamma = exp(*g);
            *weight = exp(sum - g);
        }
        for (row, line) in square.chunks_exact_mut(tokens).enumerate() {
            let own = sums[row];
            for (d, g) in line[..=row].iter_mut().zip(&*sums) {
                *d = exp(own - g);
            }
            line[row + 1..].fill(0.0);
        }
    }

    /// `R = β⊙(v − Γ⊙U)`
    fn right_side(
        values: &'a [f32],
        stride: usize,
        recalled: &'a [f32],
        betas: &'a [f32],
        gates: &'a [f32],
        out: &'a mut [f32],
    ) {
        let width = out.len() / betas.len();
        let rows = out.chunks_exact_mut(width).zip(recalled.chunks_exact(width));
        for (row, ((out, u), (beta, gamma))) in rows.zip(betas.iter().zip(&gates[CHUNK..])).enumerate() {
            for ((out, u), v) in out.iter_mut().zip(u).zip(&values[row * stride..]) {
                *out = beta * (v - gamma * u);
            }
        }
    }

    /// A; what stands on and above the diagonal is not used.
    fn system(betas: &'a [f32], overlap: &'a [f32], decay: &'a [f32], out: &'a mut [f32]) {
        let tokens = betas.len();
        let rows = out.chunks_exact_mut(tokens).zip(overlap.chunks_exact(tokens));
        for ((out, overlap), (decay, beta)) in rows.zip(decay.chunks_exact(tokens).zip(betas)) {
            for ((out, overlap), decay) in out.iter_mut().zip(overlap).zip(decay) {
                *out = beta * overlap * decay;
            }
        }
    }

    /// `(I + A)·X = R`, from the first row on, in place.
    fn solve(system: &'a [f32], tokens: usize, width: usize, x: &'a mut [f32]) {
        for row in 1..tokens {
            let (before, own) = x.split_at_mut(row * width);
            let own = &mut own[..width];
            for (a, earlier) in system[row * tokens..][..row].iter().zip(before.chunks_exact(width)) {
                for (x, earlier) in own.iter_mut().zip(earlier) {
                    *x -= a * earlier;
                }
            }
        }
    }

    /// `(I + A)ᵀ·X = R`, from the last row on, in place.
    fn solve_across(system: &'a [f32], tokens: usize, width: usize, x: &'a mut [f32]) {
        for row in (1..tokens).rev() {
            let (before, own) = x.split_at_mut(row * width);
            let own = &own[..width];
            for (a, earlier) in system[row * tokens..][..row].iter().zip(before.chunks_exact_mut(width)) {
                for (earlier, x) in earlier.iter_mut().zip(own) {
                    *earlier -= a * x;
                }
            }
        }
    }

    /// Rows `stride` apart, times a factor each.
    fn scale_rows(x: &'a mut [f32], stride: usize, width: usize, factors: &'a [f32]) {
        for (row, factor) in factors.iter().enumerate() {
            for x in &mut x[row * stride..][..width] {
                *x *= factor;
            }
        }
    }

    /// Rows `stride` apart, times a factor each, side by side.
    fn scaled_copy(x: &'a [f32], stride: usize, factors: &'a [f32], out: &'a mut [f32]) {
        let width = out.len() / factors.len();
        for (row, (out, factor)) in out.chunks_exact_mut(width).zip(factors).enumerate() {
            for (out, x) in out.iter_mut().zip(&x[row * stride..]) {
                *out = factor * x;
            }
        }
    }

    /// Adds rows to others that are `stride` apart.
    fn add_rows(x: &'a [f32], width: usize, out: &'a mut [f32], stride: usize) {
        for (row, x) in x.chunks_exact(width).enumerate() {
            for (out, x) in out[row * stride..].iter_mut().zip(x) {
                *out += x;
            }
        }
    }

    fn scale(x: &'a mut [f32], factor: f32) {
        for x in x.iter_mut() {
            *x *= factor;
        }
    }

    fn times(x: &'a mut [f32], y: &'a [f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x *= y;
        }
    }

    fn scaled_overlap(x: &'a [f32], y: &'a [f32], out: &'a mut [f32]) {
        for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
            *out = x * y;
        }
    }

    /// `dkeys` (of w⊙K) becomes that of K; w's own goes to dG.
    fn kept_back(
        keys: &'a [f32],
        stride: usize,
        weights: &'a [f32],
        dkeys: &'a mut [f32],
        dsums: &'a mut [f32],
    ) {
        let width = dkeys.len() / weights.len();
        let mut all = 0.0;
        for (row, (dkeys, weight)) in dkeys.chunks_exact_mut(width).zip(weights).enumerate() {
            let slope = weight * dot(dkeys, &keys[row * stride..][..width]);
            dsums[row] -= slope;
            all += slope;
            for dk in dkeys.iter_mut() {
                *dk *= weight;
            }
        }
        dsums[weights.len() - 1] += all;
    }

    /// In: −dA and dP. Out: gradients of the overlaps `kᵢ·kⱼ` and `qᵢ·kⱼ`.
    fn squares_back(
        betas: &'a [f32],
        given: [&'a [f32]; 3],
        dsystem: &'a mut [f32],
        dread: &'a mut [f32],
        dsums: &'a mut [f32],
        dbetas: &'a mut [f32],
    ) {
        let tokens = betas.len();
        let [keys, queries, decay] = given;
        let mut columns = [0.0f32; CHUNK];
        for row in 0..tokens {
            let line = row * tokens..row * tokens + row + 1;
            let (keys, queries, decay) = (&keys[line.clone()], &queries[line.clone()], &decay[line.clone()]);
            let after = row * tokens + row + 1..(row + 1) * tokens;
            let beta = betas[row];
            let (mut own, mut dbeta) = ([0.0f32; 16], [0.0f32; 16]);
            // The system has nothing on the diagonal.
            dsystem[row * tokens + row] = 0.0;
            let lines = dsystem[line.clone()].chunks_mut(16).zip(dread[line].chunks_mut(16));
            let given = keys.chunks(16).zip(queries.chunks(16)).zip(decay.chunks(16));
            for ((lines, given), columns) in lines.zip(given).zip(columns.chunks_mut(16)) {
                let ((dsystem, dread), ((keys, queries), decay)) = (lines, given);
                for lane in 0..dsystem.len() {
                    let da = -dsystem[lane] * decay[lane];
                    let dp = dread[lane] * decay[lane];
                    dbeta[lane] += da * keys[lane];
                    dsystem[lane] = da * beta;
                    dread[lane] = dp;
                    let exponent = da * beta * keys[lane] + dp * queries[lane];
                    own[lane] += exponent;
                    columns[lane] += exponent;
                }
            }
            dsystem[after.clone()].fill(0.0);
            dread[after].fill(0.0);
            dsums[row] += total(&own);
            dbetas[row] = total(&dbeta);
        }
        for (dsum, column) in dsums.iter_mut().zip(columns) {
            *dsum -= column;
        }
    }

    /// In: dR. Out: dU in its place, dV, and what β and G get.
    fn rows_back(
        given: [&'a [f32]; 4],
        strides: [usize; 3],
        betas: &'a [f32],
        gammas: &'a [f32],
        dright: &'a mut [f32],
        dvalues: &'a mut [f32],
        dsums: &'a mut [f32],
        dbetas: &'a mut [f32],
    ) {
        let [values, recalled, read, dout] = given;
        let [value_stride, width, out_stride] = strides;
        for (row, dright) in dright.chunks_exact_mut(width).enumerate() {
            let (beta, gamma) = (betas[row], gammas[row]);
            let own = row * width..(row + 1) * width;
            let (u, read) = (&recalled[own.clone()], &read[own]);
            let value = &values[row * value_stride..][..width];
            let slope = dot(read, &dout[row * out_stride..][..width]);
            let (with_value, with_recalled) = (dot(dright, value), dot(dright, u));
            dbetas[row] += with_value - gamma * with_recalled;
            dsums[row] += gamma * (slope - beta * with_recalled);
            for (dr, dv) in dright.iter_mut().zip(&mut dvalues[row * value_stride..]) {
                *dv = beta * *dr;
                *dr *= -beta * gamma;
            }
        }
    }

    /// A log decay counts in the sums of all tokens from its own on.
    fn decays_back(dsums: &'a [f32], ddecays: &'a mut [f32]) {
        let mut sum = 0.0;
        for (dsum, ddecay) in dsums.iter().zip(ddecays).rev() {
            sum += dsum;
            *ddecay = sum;
        }
    }
}
