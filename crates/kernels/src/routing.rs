//! Which experts a token goes to, and the grouping of tokens by expert.

use crate::{Cpu, Group};

/// Tokens sorted by expert. Buffers grow once and are used again.
#[derive(Debug, Default)]
pub struct Routing {
    /// Groups of rows, one per expert that has any, in the order of experts.
    pub groups: Vec<Group>,
    /// The token of each row. `[tokens · top_k]`, and what [`add_for_all`](Self::add_for_all) added
    pub tokens: Vec<u32>,
    /// The rows of each token, best expert first. `[tokens, top_k]`
    pub rows: Vec<u32>,
    /// The weights of those rows; a token's sum is 1. `[tokens, top_k]`
    pub weights: Vec<f32>,
    chosen: Vec<u32>,
    next: Vec<u32>,
}

impl Routing {
    /// Chooses the `top_k` experts of each token by the softmax of `logits` (`[tokens, experts]`,
    /// overwritten), weights them by it, renormalised, and sorts the rows by expert. Of equal
    /// experts the first is taken; NaN counts as the least.
    ///
    /// # Panics
    /// When `logits` is not made of such rows.
    pub fn route(&mut self, logits: &mut [f32], experts: usize, top_k: usize) {
        assert!(
            top_k <= experts && logits.len().is_multiple_of(experts.max(1)),
            "rows of {experts}"
        );
        self.chosen.clear();
        self.weights.clear();
        for row in logits.chunks_exact_mut(experts.max(1)) {
            let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let first = self.weights.len();
            for _ in 0..top_k {
                let best = (1..experts).fold(0, |best, i| {
                    if row[i] > row[best] || row[best].is_nan() {
                        i
                    } else {
                        best
                    }
                });
                self.chosen.push(best as u32);
                self.weights.push((row[best] - greatest).exp());
                row[best] = f32::NAN;
            }
            let sum: f32 = self.weights[first..].iter().sum();
            self.weights[first..].iter_mut().for_each(|weight| *weight /= sum);
        }
        self.sort(experts, top_k);
    }

    /// Adds a row for each of `tokens` tokens, in their order, that goes to `expert`: after all others.
    /// Neither `rows` nor `weights` know of it.
    pub fn add_for_all(&mut self, expert: usize, tokens: usize) {
        let start = self.tokens.len();
        self.tokens.extend(0..tokens as u32);
        self.groups.push(Group {
            matrix: expert,
            start,
            end: start + tokens,
        });
    }

    fn sort(&mut self, experts: usize, top_k: usize) {
        self.next.clear();
        self.next.resize(experts + 1, 0);
        for &expert in &self.chosen {
            self.next[expert as usize + 1] += 1;
        }
        self.groups.clear();
        self.groups.reserve(experts + 1);
        for expert in 0..experts {
            let start = self.next[expert];
            self.next[expert + 1] += start;
            let end = self.next[expert + 1];
            if end > start {
                self.groups.push(Group {
                    matrix: expert,
                    start: start as usize,
                    end: end as usize,
                });
            }
        }
        self.tokens.clear();
        self.tokens.resize(self.chosen.len(), 0);
        self.rows.clear();
        for (i, &expert) in self.chosen.iter().enumerate() {
            let row = self.next[expert as usize];
            self.next[expert as usize] += 1;
            self.tokens[row as usize] = (i / top_k.max(1)) as u32;
            self.rows.push(row);
        }
    }
}

impl Cpu {
    /// `out[row] = input[tokens[row]]`, rows of `width`.
    ///
    /// # Panics
    /// When sizes do not fit together or there is no such token.
    pub fn gather_rows(&self, input: &[f32], tokens: &[u32], width: usize, out: &mut [f32]) {
        assert_eq!(out.len(), tokens.len() * width);
        let operations = out.len();
        self.pieces(out, width, operations, |row, out| {
            out.copy_from_slice(&input[tokens[row] as usize * width..][..width]);
        });
    }

    /// `out[t] += Σ_i weights[t][i] · results[rows[t][i]] + sigmoid(gates[t]) · shared[t]`,
    /// summed in that order; rows of `width`.
    ///
    /// # Panics
    /// When sizes do not fit together or there is no such row.
    pub fn combine_experts(
        &self,
        routing: &Routing,
        results: &[f32],
        gates: &[f32],
        shared: &[f32],
        width: usize,
        out: &mut [f32],
    ) {
        let tokens = out.len() / width.max(1);
        assert!(gates.len() == tokens && shared.len() == out.len() && out.len() == tokens * width);
        let top_k = routing.rows.len() / tokens.max(1);
        let operations = out.len() * (top_k + 1);
        self.pieces(out, width, operations, |token, out| {
            let gate = 1.0 / (1.0 + (-gates[token]).exp());
            let shared = &shared[token * width..][..width];
            let rows = &routing.rows[token * top_k..][..top_k];
            let weights = &routing.weights[token * top_k..][..top_k];
            for (i, out) in out.iter_mut().enumerate() {
                let mut sum = 0.0;
                for (&row, &weight) in rows.iter().zip(weights) {
                    sum += weight * results[row as usize * width + i];
                }
                *out += sum + gate * shared[i];
            }
        });
    }
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
