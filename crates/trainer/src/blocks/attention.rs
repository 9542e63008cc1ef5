//! Gated softmax attention: grouped queries, norms on queries and keys, interleaved M-RoPE, and a sigmoid gate on what
//! the heads return.

use std::ops::Range;

use aurore_checkpoint::TextConfig;

use crate::Buffer;
use crate::blocks::rms_norm::{self, RmsNorm};
use crate::blocks::rotary::Angles;
use crate::blocks::softmax_attention::{Looks, Operands, Shape, Slopes};
use crate::ops::functions::sigmoid;
use crate::ops::vectorised;
use crate::pass::Pass;
use crate::stream::Look;
use crate::weights::{Matrix, Weights};

/// N: query heads, M: key and value heads, D: head width.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    /// `[N·2D, H]`: per head D rows of query, then D of gate.
    q_proj: Matrix,
    /// `[M·D, H]`
    k_proj: Matrix,
    /// `[M·D, H]`
    v_proj: Matrix,
    /// `[H, N·D]`
    o_proj: Matrix,
    q_norm: RmsNorm,
    k_norm: RmsNorm,
    shape: Shape,
}

/// What `backward` needs beside the input.
pub(crate) struct Saved {
    q_norm: rms_norm::Saved,
    k_norm: rms_norm::Saved,
    /// Normed and turned. `[T, N, D]`
    queries: Buffer,
    /// `[T, M, D]`
    keys: Buffer,
    /// `[T, M, D]`
    values: Buffer,
    /// `[T, N, D]`
    gates: Buffer,
    /// What the heads returned, before the gates. `[T, N, D]`
    heads: Buffer,
    /// `[N, T]`
    sums: Buffer,
}

impl Saved {
    fn operands(&self) -> Operands<'_> {
        Operands {
            queries: &self.queries,
            keys: &self.keys,
            values: &self.values,
        }
    }
}

impl Attention {
    pub(crate) fn new(weights: &mut Weights, prefix: &str, config: &TextConfig) -> Self {
        let (heads, kv_heads, dim) = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        );
        let hidden = config.hidden_size;
        let name = |part: &str| format!("{prefix}.self_attn.{part}.weight");
        let norm = |weights: &Weights, part| RmsNorm {
            weight: weights.vector(&name(part)),
            eps: config.rms_norm_eps,
        };
        Self {
            q_proj: weights.matrix(&name("q_proj"), heads * 2 * dim, hidden),
            k_proj: weights.matrix(&name("k_proj"), kv_heads * dim, hidden),
            v_proj: weights.matrix(&name("v_proj"), kv_heads * dim, hidden),
            o_proj: weights.matrix(&name("o_proj"), hidden, heads * dim),
            q_norm: norm(weights, "q_norm"),
            k_norm: norm(weights, "k_norm"),
            shape: Shape {
                heads,
                kv_heads,
                dim,
                causal: true,
                query_stride: heads * dim,
                kv_stride: kv_heads * dim,
            },
        }
    }

    /// `x`: `[T, H]`; adds to `y`, `[T, H]`.
    pub(crate) fn forward(
        &self,
        pass: &mut Pass<'_>,
        documents: &[Range<usize>],
        angles: &Angles,
        x: &[f32],
        y: &mut [f32],
    ) -> Saved {
        let (isa, shape) = (pass.isa(), self.shape);
        let both = pass.linear(self.q_proj, x);
        let (mut queries, mut gates) = (pass.take(both.len() / 2), pass.take(both.len() / 2));
        part(&both, shape.dim, &mut queries, &mut gates);
        drop(both);
        let keys = pass.linear(self.k_proj, x);
        let values = pass.linear(self.v_proj, x);
        let (mut queries, q_norm) = self.q_norm.forward(pass, &queries);
        let (mut keys, k_norm) = self.k_norm.forward(pass, &keys);
        angles.turn(isa, &mut queries, shape.query_stride, shape.heads, shape.dim);
        angles.turn(isa, &mut keys, shape.kv_stride, shape.kv_heads, shape.dim);
        let operands = Operands {
            queries: &queries,
            keys: &keys,
            values: &values,
        };
        let (heads, sums) = shape.forward(pass, documents, operands);
        let mut gated = pass.take(heads.len());
        open(isa, &heads, &gates, &mut gated);
        pass.forward(self.o_proj, &gated, y, true);
        Saved {
            q_norm,
            k_norm,
            queries,
            keys,
            values,
            gates,
            heads,
            sums,
        }
    }

    /// How badly the first head misses what it is taught to look at.
    pub(crate) fn misses(&self, saved: &Saved, looks: &[Look]) -> f64 {
        self.shape.misses(saved.operands(), &saved.sums, looks)
    }

    /// Adds to `dx`; `looks`: what [`misses`](Self::misses) counts.
    pub(crate) fn backward(
        &self,
        pass: &mut Pass<'_>,
        documents: &[Range<usize>],
        angles: &Angles,
        x: &[f32],
        mut saved: Saved,
        dy: &[f32],
        looks: Looks<'_>,
        dx: &mut [f32],
    ) {
        let (isa, shape) = (pass.isa(), self.shape);
        let mut dheads = pass.take(saved.heads.len());
        let mut gated = pass.take(saved.heads.len());
        open(isa, &saved.heads, &saved.gates, &mut gated);
        pass.backward(self.o_proj, &gated, dy, &mut dheads, false);
        drop(gated);
        open_back(isa, &saved.heads, &mut saved.gates, &mut dheads);

        let mut dqueries = pass.take(saved.queries.len());
        let mut dkeys = pass.zeros(saved.keys.len());
        let mut dvalues = pass.zeros(saved.values.len());
        let mut slopes = Slopes {
            queries: &mut dqueries,
            keys: &mut dkeys,
            values: &mut dvalues,
        };
        shape.backward(
            pass,
            documents,
            saved.operands(),
            (&saved.heads, &saved.sums),
            &dheads,
            looks,
            &mut slopes,
        );
        drop(dheads);
        angles.turn_back(isa, &mut dqueries, shape.query_stride, shape.heads, shape.dim);
        angles.turn_back(isa, &mut dkeys, shape.kv_stride, shape.kv_heads, shape.dim);
        let mut plain = pass.zeros(dqueries.len());
        self.q_norm.backward(pass, &saved.q_norm, &dqueries, &mut plain);
        let mut both = pass.take(2 * plain.len());
        join(&plain, &saved.gates, shape.dim, &mut both);
        pass.backward(self.q_proj, x, &both, dx, true);
        let mut plain = pass.zeros(dkeys.len());
        self.k_norm.backward(pass, &saved.k_norm, &dkeys, &mut plain);
        pass.backward(self.k_proj, x, &plain, dx, true);
        pass.backward(self.v_proj, x, &dvalues, dx, true);
    }
}

/// `[rows, 2, D]` to twice `[rows, D]`.
fn part(both: &[f32], dim: usize, first: &mut [f32], second: &mut [f32]) {
    let to = first.chunks_exact_mut(dim).zip(second.chunks_exact_mut(dim));
    for (from, (first, second)) in both.chunks_exact(2 * dim).zip(to) {
        first.copy_from_slice(&from[..dim]);
        second.copy_from_slice(&from[dim..]);
    }
}

/// The other way round.
fn join(first: &[f32], second: &[f32], dim: usize, both: &mut [f32]) {
    let from = first.chunks_exact(dim).zip(second.chunks_exact(dim));
    for (to, (first, second)) in both.chunks_exact_mut(2 * dim).zip(from) {
        to[..dim].copy_from_slice(first);
        to[dim..].copy_from_slice(second);
    }
}

vectorised! {
    /// `out = x ⊙ sigmoid(gate)`
    fn open(x: &'a [f32], gate: &'a [f32], out: &'a mut [f32]) {
        for ((out, x), gate) in out.iter_mut().zip(x).zip(gate) {
            *out = x * sigmoid(*gate);
        }
    }

    /// `gate` becomes its gradient; `dout` that of `x`.
    fn open_back(x: &'a [f32], gate: &'a mut [f32], dout: &'a mut [f32]) {
        for ((x, gate), dout) in x.iter().zip(gate).zip(dout) {
            let share = sigmoid(*gate);
            *gate = *dout * x * share * (1.0 - share);
            *dout *= share;
        }
    }
}
