//! The rule backward: from the last chunk to the first, each computed again from the state before it.

use std::ops::Range;

use aurore_kernels::View;

use super::rows::{add_rows, scale, scaled_copy, scaled_overlap, solve_across, system};
use super::slopes::{decays_back, kept_back, rows_back, squares_back};
use super::{CHUNK, Operands, Place, Saved, Scratch, Shape, Slopes, chunks};
use crate::Buffer;
use crate::ops::functions::dot;
use crate::pass::Pass;

impl Shape {
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
        products.rounded_product(
            by_keys,
            View::rows(keys, width),
            state_view,
            &mut scratch.recalled,
            value_dim,
            false,
        );
        products.rounded_product(
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
        products.rounded_product(
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
        products.rounded_product(
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
        products.rounded_product(
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
        products.rounded_product(sizes, solved, deltas_across, &mut back.dsystem, tokens, false);

        // w's gradient comes from Δ·dS′ᵀ.
        let sizes = [tokens, value_dim, dim];
        let dstate_across = View::transposed(dstate, value_dim);
        products.rounded_product(
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
        products.rounded_product(
            sizes,
            View::rows(&back.dout, value_dim),
            state_across,
            dqueries,
            width,
            true,
        );
        products.rounded_product(
            sizes,
            View::rows(&back.ddeltas, value_dim),
            state_across,
            dkeys,
            width,
            true,
        );
        let sizes = [tokens, tokens, dim];
        products.rounded_product(
            sizes,
            View::rows(&back.dread, tokens),
            View::rows(keys, width),
            dqueries,
            width,
            true,
        );
        products.rounded_product(
            sizes,
            View::transposed(&back.dread, tokens),
            View::rows(queries, width),
            dkeys,
            width,
            true,
        );
        products.rounded_product(
            sizes,
            View::rows(&back.dsystem, tokens),
            View::rows(keys, width),
            dkeys,
            width,
            true,
        );
        products.rounded_product(
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
        products.rounded_product(
            sizes,
            View::transposed(queries, width),
            View::rows(&back.dout, value_dim),
            dstate,
            value_dim,
            true,
        );
        products.rounded_product(
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
