//! Gated softmax attention: grouped queries, norms on queries and keys, partial rotary embedding,
//! and a sigmoid gate on what the heads return.

use aurore_checkpoint::{TextConfig, Weights};

use super::ops::{self, Matrix};
use crate::{ModelError, positions::Rope};

/// N: query heads, M: key and value heads, D: head width.
pub(super) struct Attention {
    /// `[N·2D, H]`: per head D rows of query, then D of gate.
    q_proj: Matrix,
    /// `[M·D, H]`
    k_proj: Matrix,
    /// `[M·D, H]`
    v_proj: Matrix,
    /// `[H, N·D]`
    o_proj: Matrix,
    /// `[D]`
    q_norm: Vec<f32>,
    /// `[D]`
    k_norm: Vec<f32>,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    eps: f32,
}

impl Attention {
    pub(super) fn load(weights: &dyn Weights, prefix: &str, config: &TextConfig) -> Result<Self, ModelError> {
        let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
        let (hidden, dim) = (config.hidden_size, config.head_dim);
        let matrix = |name: &str, rows, columns| {
            Matrix::load(
                weights,
                &format!("{prefix}.self_attn.{name}.weight"),
                rows,
                columns,
            )
        };
        let norm = |name: &str| ops::vector(weights, &format!("{prefix}.self_attn.{name}.weight"), dim);
        Ok(Self {
            q_proj: matrix("q_proj", heads * 2 * dim, hidden)?,
            k_proj: matrix("k_proj", kv_heads * dim, hidden)?,
            v_proj: matrix("v_proj", kv_heads * dim, hidden)?,
            o_proj: matrix("o_proj", hidden, heads * dim)?,
            q_norm: norm("q_norm")?,
            k_norm: norm("k_norm")?,
            heads,
            kv_heads,
            head_dim: dim,
            eps: config.rms_norm_eps,
        })
    }

    /// `x`: `[T, H]` → `[T, H]`; appends to `keys` and `values`.
    pub(super) fn forward(
        &self,
        x: &[f32],
        positions: &[[u32; 3]],
        rope: &Rope,
        keys: &mut Vec<f32>,
        values: &mut Vec<f32>,
    ) -> Vec<f32> {
        let dim = self.head_dim;
        let (query_width, kv_width) = (self.heads * dim, self.kv_heads * dim);
        let past = keys.len() / kv_width;

        // [T, N, 2, D] → queries [T, N, D], gates [T, N, D]
        let queries_and_gates = self.q_proj.apply(x);
        let (mut queries, mut gates) = (Vec::new(), Vec::new());
        for head in queries_and_gates.chunks_exact(2 * dim) {
            queries.extend_from_slice(&head[..dim]);
            gates.extend_from_slice(&head[dim..]);
        }
        let mut queries = ops::rms_norm(&queries, &self.q_norm, self.eps);
        let mut new_keys = ops::rms_norm(&self.k_proj.apply(x), &self.k_norm, self.eps);
        let (mut cos, mut sin) = (vec![0.0; rope.pairs()], vec![0.0; rope.pairs()]);
        for (token, position) in positions.iter().enumerate() {
            rope.write(*position, &mut cos, &mut sin);
            for head in queries[token * query_width..(token + 1) * query_width].chunks_exact_mut(dim) {
                ops::rotate(head, &cos, &sin);
            }
            for head in new_keys[token * kv_width..(token + 1) * kv_width].chunks_exact_mut(dim) {
                ops::rotate(head, &cos, &sin);
            }
        }
        keys.extend(new_keys);
        values.extend(self.v_proj.apply(x));

        // Where key or value `token` of a query head's group starts.
        let group = self.heads / self.kv_heads;
        let start = |token: usize, head: usize| token * kv_width + head / group * dim;
        let scale = 1.0 / (dim as f32).sqrt();
        let mut mixed = vec![0.0; positions.len() * query_width]; // [T, N, D]
        for token in 0..positions.len() {
            for head in 0..self.heads {
                let own = token * query_width + head * dim..token * query_width + (head + 1) * dim;
                // Causal: everything before, and the token itself.
                let seen = past + token + 1;
                let mut scores: Vec<f32> = (0..seen)
                    .map(|other| {
                        let key = &keys[start(other, head)..][..dim];
                        ops::dot(&queries[own.clone()], key) * scale
                    })
                    .collect();
                ops::softmax(&mut scores);
                let out = &mut mixed[own.clone()];
                for (other, score) in scores.iter().enumerate() {
                    let value = &values[start(other, head)..][..dim];
                    for (out, value) in out.iter_mut().zip(value) {
                        *out += score * value;
                    }
                }
                for (out, gate) in out.iter_mut().zip(&gates[own]) {
                    *out *= ops::sigmoid(*gate);
                }
            }
        }
        self.o_proj.apply(&mixed)
    }
}
