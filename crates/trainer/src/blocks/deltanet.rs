//! Gated DeltaNet: projections, a short convolution, norms of queries and keys, gates, the delta rule, a gated norm.

use std::ops::Range;

use aurore_checkpoint::TextConfig;

use crate::Buffer;
use crate::blocks::convolution::Convolution;
use crate::blocks::delta_rule::{self, Operands, Shape, Slopes};
use crate::blocks::gated_norm::{self, GatedNorm};
use crate::ops::functions::{PARTS, dot, exp, sigmoid, softplus, total};
use crate::ops::vectorised;
use crate::parameters::ParameterId;
use crate::pass::Pass;
use crate::weights::{Matrix, Weights};

/// K: key heads, V: value heads (a multiple of K), A: key width, B: value width; C = 2KA + VB channels.
#[derive(Clone, Debug)]
pub(crate) struct DeltaNet {
    /// `[C, H]`: all queries, all keys, all values.
    in_proj_qkv: Matrix,
    /// `[VB, H]`
    in_proj_z: Matrix,
    /// `[V, H]`
    in_proj_b: Matrix,
    /// `[V, H]`
    in_proj_a: Matrix,
    convolution: Convolution,
    /// `[V]`
    a_log: ParameterId,
    /// `[V]`
    dt_bias: ParameterId,
    norm: GatedNorm,
    /// `[H, VB]`
    out_proj: Matrix,
    shape: Shape,
}

/// What `backward` needs beside the input.
pub(crate) struct Saved {
    /// Before the convolution. `[T, C]`
    u: Buffer,
    /// After it. `[T, C]`
    mixed: Buffer,
    /// Normalised and scaled. `[T, K, A]`
    queries: Buffer,
    /// Normalised. `[T, K, A]`
    keys: Buffer,
    /// Reciprocal lengths of queries, then of keys. `[2, T, K]`
    lengths: Buffer,
    /// Before bias and softplus. `[T, V]`
    a: Buffer,
    /// `[V, T]`
    decays: Buffer,
    /// `[V, T]`
    betas: Buffer,
    rule: delta_rule::Saved,
    norm: gated_norm::Saved,
    /// What goes into `out_proj`. `[T, VB]`
    gated: Buffer,
}

impl DeltaNet {
    pub(crate) fn new(weights: &mut Weights, prefix: &str, config: &TextConfig) -> Self {
        let prefix = format!("{prefix}.linear_attn");
        let (hidden, heads) = (config.hidden_size, config.linear_num_value_heads);
        let (channels, values) = (config.linear_conv_dim(), config.linear_value_dim());
        let name = |part: &str| format!("{prefix}.{part}");
        Self {
            in_proj_qkv: weights.matrix(&name("in_proj_qkv.weight"), channels, hidden),
            in_proj_z: weights.matrix(&name("in_proj_z.weight"), values, hidden),
            in_proj_b: weights.matrix(&name("in_proj_b.weight"), heads, hidden),
            in_proj_a: weights.matrix(&name("in_proj_a.weight"), heads, hidden),
            convolution: Convolution {
                weight: weights.vector(&name("conv1d.weight")),
                channels,
            },
            a_log: weights.vector(&name("A_log")),
            dt_bias: weights.vector(&name("dt_bias")),
            norm: GatedNorm {
                weight: weights.vector(&name("norm.weight")),
                eps: config.rms_norm_eps,
            },
            out_proj: weights.matrix(&name("out_proj.weight"), hidden, values),
            shape: Shape {
                key_heads: config.linear_num_key_heads,
                value_heads: heads,
                key_dim: config.linear_key_head_dim,
                value_dim: config.linear_value_head_dim,
                value_stride: channels,
            },
        }
    }

    /// Numbers of all queries, or all keys, of a token.
    fn key_width(&self) -> usize {
        self.shape.key_heads * self.shape.key_dim
    }

    /// `x`: `[T, H]`; adds to `y`, `[T, H]`.
    pub(crate) fn forward(
        &self,
        pass: &mut Pass<'_>,
        documents: &[Range<usize>],
        x: &[f32],
        y: &mut [f32],
    ) -> Saved {
        let (isa, shape, width) = (pass.isa(), self.shape, self.key_width());
        let tokens = x.len() / self.in_proj_qkv.inputs();
        let u = pass.linear(self.in_proj_qkv, x);
        let mixed = self.convolution.forward(pass, documents, &u);
        let (mut queries, mut keys) = (pass.take(tokens * width), pass.take(tokens * width));
        let mut lengths = pass.take(2 * tokens * shape.key_heads);
        let (of_queries, of_keys) = lengths.split_at_mut(tokens * shape.key_heads);
        let scale = 1.0 / (shape.key_dim as f32).sqrt();
        let sizes = [shape.value_stride, width, shape.key_dim];
        normalise(isa, &mixed, sizes, scale, &mut queries, of_queries);
        normalise(isa, &mixed[width..], sizes, 1.0, &mut keys, of_keys);

        let a = pass.linear(self.in_proj_a, x);
        let b = pass.linear(self.in_proj_b, x);
        let (mut decays, mut betas) = (pass.take(a.len()), pass.take(a.len()));
        let (a_log, dt_bias) = (pass.values(self.a_log), pass.values(self.dt_bias));
        gates(isa, &a, &b, a_log, dt_bias, &mut decays, &mut betas);

        let operands = Operands {
            queries: &queries,
            keys: &keys,
            values: &mixed[2 * width..],
            decays: &decays,
            betas: &betas,
        };
        let (read, rule) = shape.forward(pass, documents, operands);
        let z = pass.linear(self.in_proj_z, x);
        let (gated, norm) = self.norm.forward(pass, read, z);
        pass.forward(self.out_proj, &gated, y, true);
        Saved {
            u,
            mixed,
            queries,
            keys,
            lengths,
            a,
            decays,
            betas,
            rule,
            norm,
            gated,
        }
    }

    /// Adds to `dx`.
    pub(crate) fn backward(
        &self,
        pass: &mut Pass<'_>,
        documents: &[Range<usize>],
        x: &[f32],
        saved: Saved,
        dy: &[f32],
        dx: &mut [f32],
    ) {
        let (isa, shape, width) = (pass.isa(), self.shape, self.key_width());
        let tokens = x.len() / self.in_proj_qkv.inputs();
        let mut dgated = pass.take(saved.gated.len());
        pass.backward(self.out_proj, &saved.gated, dy, &mut dgated, false);
        let (dread, dz) = self.norm.backward(pass, saved.norm, &dgated);
        drop(dgated);
        pass.backward(self.in_proj_z, x, &dz, dx, true);
        drop(dz);

        let operands = Operands {
            queries: &saved.queries,
            keys: &saved.keys,
            values: &saved.mixed[2 * width..],
            decays: &saved.decays,
            betas: &saved.betas,
        };
        let mut dmixed = pass.take(saved.mixed.len());
        let (mut dqueries, mut dkeys) = (pass.zeros(tokens * width), pass.zeros(tokens * width));
        let (mut ddecays, mut dbetas) = (pass.take(saved.decays.len()), pass.take(saved.betas.len()));
        let mut slopes = Slopes {
            queries: &mut dqueries,
            keys: &mut dkeys,
            values: &mut dmixed[2 * width..],
            decays: &mut ddecays,
            betas: &mut dbetas,
        };
        shape.backward(pass, documents, operands, &saved.rule, &dread, &mut slopes);
        drop(dread);

        let scale = 1.0 / (shape.key_dim as f32).sqrt();
        let (of_queries, of_keys) = saved.lengths.split_at(tokens * shape.key_heads);
        let sizes = [shape.value_stride, width, shape.key_dim];
        normalise_back(
            isa,
            &saved.queries,
            of_queries,
            sizes,
            scale,
            &dqueries,
            &mut dmixed,
        );
        normalise_back(
            isa,
            &saved.keys,
            of_keys,
            sizes,
            1.0,
            &dkeys,
            &mut dmixed[width..],
        );
        let du = self.convolution.backward(pass, documents, &saved.u, dmixed);
        pass.backward(self.in_proj_qkv, x, &du, dx, true);
        drop(du);

        let heads = shape.value_heads;
        let (mut da, mut db) = (pass.take(saved.a.len()), pass.take(saved.a.len()));
        let mut slopes = pass.zeros(2 * heads);
        let (da_log, ddt_bias) = slopes.split_at_mut(heads);
        let (a_log, dt_bias) = (pass.values(self.a_log), pass.values(self.dt_bias));
        let given = [&*saved.a, &*saved.decays, &*saved.betas, &*ddecays, &*dbetas];
        gates_back(isa, given, a_log, dt_bias, &mut da, &mut db, [da_log, ddt_bias]);
        crate::ops::rows::add(isa, pass.gradient(self.a_log), &slopes[..heads]);
        crate::ops::rows::add(isa, pass.gradient(self.dt_bias), &slopes[heads..]);
        pass.backward(self.in_proj_a, x, &da, dx, true);
        pass.backward(self.in_proj_b, x, &db, dx, true);
    }
}

vectorised! {
    /// Heads divided by their lengths (ε inside the root), times `scale`. `sizes`: numbers of a row of `x`, of `out`,
    /// and of a head.
    fn normalise(
        x: &'a [f32],
        sizes: [usize; 3],
        scale: f32,
        out: &'a mut [f32],
        lengths: &'a mut [f32],
    ) {
        let [stride, width, dim] = sizes;
        let rows = out.chunks_exact_mut(width).zip(lengths.chunks_exact_mut(width / dim));
        for (row, (out, lengths)) in rows.enumerate() {
            let x = &x[row * stride..][..width];
            let heads = x.chunks_exact(dim).zip(out.chunks_exact_mut(dim));
            for ((x, out), length) in heads.zip(lengths) {
                let r = 1.0 / (dot(x, x) + 1e-6).sqrt();
                *length = r;
                for (out, x) in out.iter_mut().zip(x) {
                    *out = x * (r * scale);
                }
            }
        }
    }

    /// With `n = x·r`, of which `y = n·scale` is kept: `dx = r·scale·(dy − n·(n·dy))`.
    fn normalise_back(
        y: &'a [f32],
        lengths: &'a [f32],
        sizes: [usize; 3],
        scale: f32,
        dy: &'a [f32],
        dx: &'a mut [f32],
    ) {
        let [stride, width, dim] = sizes;
        let rows = y.chunks_exact(width).zip(dy.chunks_exact(width));
        for (row, ((y, dy), lengths)) in rows.zip(lengths.chunks_exact(width / dim)).enumerate() {
            let dx = &mut dx[row * stride..][..width];
            let heads = y.chunks_exact(dim).zip(dy.chunks_exact(dim)).zip(dx.chunks_exact_mut(dim));
            for (((y, dy), dx), r) in heads.zip(lengths) {
                let along = dot(y, dy) / (scale * scale);
                for ((dx, dy), y) in dx.iter_mut().zip(dy).zip(y) {
                    *dx = r * scale * (dy - y * along);
                }
            }
        }
    }

    /// `β = sigmoid(b)`, `g = −exp(A_log)·softplus(a + dt_bias)`: `[T, V]` to `[V, T]`.
    fn gates(
        a: &'a [f32],
        b: &'a [f32],
        a_log: &'a [f32],
        dt_bias: &'a [f32],
        decays: &'a mut [f32],
        betas: &'a mut [f32],
    ) {
        let heads = a_log.len();
        let tokens = a.len() / heads;
        for head in 0..heads {
            let (rate, bias) = (exp(a_log[head]), dt_bias[head]);
            let own = head * tokens..(head + 1) * tokens;
            let (decays, betas) = (&mut decays[own.clone()], &mut betas[own]);
            for (token, (decay, beta)) in decays.iter_mut().zip(&mut *betas).enumerate() {
                *decay = a[token * heads + head] + bias;
                *beta = b[token * heads + head];
            }
            for (decay, beta) in decays.iter_mut().zip(betas) {
                *decay = -rate * softplus(*decay);
                *beta = sigmoid(*beta);
            }
        }
    }

    /// `given`: a, decays, betas, and the gradients of the latter two.
    fn gates_back(
        given: [&'a [f32]; 5],
        a_log: &'a [f32],
        dt_bias: &'a [f32],
        da: &'a mut [f32],
        db: &'a mut [f32],
        slopes: [&'a mut [f32]; 2],
    ) {
        let [a, decays, betas, ddecays, dbetas] = given;
        let [da_log, ddt_bias] = slopes;
        let heads = a_log.len();
        let tokens = a.len() / heads;
        for head in 0..heads {
            let (rate, bias) = (exp(a_log[head]), dt_bias[head]);
            let own = head * tokens..(head + 1) * tokens;
            let (decays, betas, ddecays, dbetas) =
                (&decays[own.clone()], &betas[own.clone()], &ddecays[own.clone()], &dbetas[own]);
            da_log[head] += dot(ddecays, decays);
            // Tokens of a head side by side, then to where they belong.
            let mut parts = [[0.0f32; PARTS]; 2];
            for first in (0..tokens).step_by(PARTS) {
                let count = PARTS.min(tokens - first);
                let [slopes, of_betas] = &mut parts;
                for (i, slope) in slopes[..count].iter_mut().enumerate() {
                    *slope = a[(first + i) * heads + head] + bias;
                }
                for (slope, ddecay) in slopes[..count].iter_mut().zip(&ddecays[first..]) {
                    *slope = -rate * sigmoid(*slope) * ddecay;
                }
                let given = dbetas[first..].iter().zip(&betas[first..]);
                for (of_beta, (dbeta, beta)) in of_betas[..count].iter_mut().zip(given) {
                    *of_beta = dbeta * beta * (1.0 - beta);
                }
                ddt_bias[head] += total(&slopes[..count]);
                for i in 0..count {
                    da[(first + i) * heads + head] = slopes[i];
                    db[(first + i) * heads + head] = of_betas[i];
                }
            }
        }
    }
}
