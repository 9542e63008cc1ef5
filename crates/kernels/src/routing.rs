//! Which experts a token goes to, and the grouping of tokens by expert.

use crate::simd::{Kernel, Simd};
use crate::{Cpu, Group};

/// Logits and choices that are looked through together.
const PIECE: usize = 1 << 13;

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
    chosen: Vec<Choice>,
    next: Vec<u32>,
}

/// An expert that a token goes to.
#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    expert: u32,
    /// Its logit, then its weight.
    weight: f32,
}

impl Choice {
    /// Whether it comes before another: a greater logit does, and NaN counts as the least.
    fn is_before(self, other: Self) -> bool {
        self.weight > other.weight || other.weight.is_nan() && !self.weight.is_nan()
    }
}

impl Routing {
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
        self.weights.clear();
        for choice in &self.chosen {
            self.weights.push(choice.weight);
            self.next[choice.expert as usize + 1] += 1;
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
        for (i, choice) in self.chosen.iter().enumerate() {
            let next = &mut self.next[choice.expert as usize];
            let row = *next;
            *next += 1;
            self.tokens[row as usize] = (i / top_k.max(1)) as u32;
            self.rows.push(row);
        }
    }
}

impl Cpu {
    /// Chooses the `top_k` experts of each token by the softmax of `logits` (`[tokens, experts]`), weights them by it,
    /// renormalised, and sorts the rows by expert. Of equal experts the first is taken; NaN counts as the least.
    ///
    /// # Panics
    /// When `logits` is not made of such rows.
    pub fn route(&self, routing: &mut Routing, logits: &[f32], experts: usize, top_k: usize) {
        assert!(
            top_k <= experts && logits.len().is_multiple_of(experts.max(1)),
            "rows of {experts}"
        );
        let tokens = logits.len() / experts.max(1);
        routing.chosen.clear();
        routing.chosen.resize(tokens * top_k, Choice::default());
        let together = (PIECE / experts.max(1)).max(1);
        let operations = 2 * logits.len();
        self.pieces(
            &mut routing.chosen,
            together * top_k,
            operations,
            |piece, chosen| {
                let logits = &logits[piece * together * experts..];
                for (chosen, logits) in chosen.chunks_mut(top_k.max(1)).zip(logits.chunks(experts)) {
                    choose(logits, chosen);
                }
            },
        );
        routing.sort(experts, top_k);
    }

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
        let rows = results.len() / width.max(1);
        assert!(
            routing.weights.len() == routing.rows.len()
                && routing.rows.iter().all(|row| (*row as usize) < rows)
        );
        let operations = out.len() * (top_k + 1);
        self.pieces(out, width, operations, |token, out| {
            self.isa.run(Combine {
                rows: &routing.rows[token * top_k..][..top_k],
                weights: &routing.weights[token * top_k..][..top_k],
                results,
                gate: 1.0 / (1.0 + (-gates[token]).exp()),
                shared: &shared[token * width..][..width],
                out,
            });
        });
    }
}

/// The greatest of a token's logits, greatest first, with their weights.
fn choose(logits: &[f32], chosen: &mut [Choice]) {
    let mut found = 0;
    for (expert, &logit) in logits.iter().enumerate() {
        let choice = Choice {
            expert: expert as u32,
            weight: logit,
        };
        if found < chosen.len() {
            found += 1;
        } else if !chosen.last().is_some_and(|last| choice.is_before(*last)) {
            continue;
        }
        let mut place = found - 1;
        while place > 0 && choice.is_before(chosen[place - 1]) {
            chosen[place] = chosen[place - 1];
            place -= 1;
        }
        chosen[place] = choice;
    }
    let greatest = chosen.first().map_or(0.0, |first| first.weight);
    let mut sum = 0.0;
    for choice in chosen.iter_mut() {
        choice.weight = (choice.weight - greatest).exp();
        sum += choice.weight;
    }
    for choice in chosen {
        choice.weight /= sum;
    }
}

/// `out += Σ_i weights[i] · results[rows[i]] + gate · shared` of one token; the results have such rows.
struct Combine<'a> {
    rows: &'a [u32],
    weights: &'a [f32],
    results: &'a [f32],
    gate: f32,
    shared: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.out.len();
        let gate = s.splat(self.gate);
        let mut i = 0;
        while i < width {
            let n = S::LANES.min(width - i);
            let mut sum = s.splat(0.0);
            // SAFETY: `combine_experts` checked that the results have these rows; the others are of this width.
            unsafe {
                let mut k = 0;
                while k < self.rows.len() {
                    let row = self.results.as_ptr().add(self.rows[k] as usize * width + i);
                    sum = s.add(sum, s.mul(s.splat(self.weights[k]), s.load_part(row, n)));
                    k += 1;
                }
                let shared = s.mul(gate, s.load_part(self.shared.as_ptr().add(i), n));
                let out = self.out.as_mut_ptr().add(i);
                s.store_part(out, s.add(s.load_part(out, n), s.add(sum, shared)), n);
            }
            i += S::LANES;
        }
    }
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
