//! The rule forward: chunk after chunk, what it needs again is kept.

use std::ops::Range;

use aurore_kernels::View;

use super::rows::{right_side, scale, scale_rows, scaled_copy, solve, system, times};
use super::{CHUNK, Operands, Place, Saved, Scratch, Shape, chunks};
use crate::Buffer;
use crate::pass::Pass;

impl Shape {
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
        pass.products().rounded_product(
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
        pass.products().rounded_product(
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
        pass.products().rounded_product(
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
        pass.products().rounded_product(
            [dim, tokens, value_dim],
            View::transposed(&scratch.keys, dim),
            View::rows(deltas, value_dim),
            state,
            value_dim,
            true,
        );
    }
}
