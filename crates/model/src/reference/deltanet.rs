//! Gated DeltaNet (arXiv 2412.06464): a short causal convolution, then a linear recurrence per head
//! whose state forgets by a gate and corrects itself by the delta rule, then a gated norm.

use aurore_checkpoint::{TextConfig, Weights};

use super::ops::{self, Matrix};
use crate::ModelError;

/// Positions at whose multiples the chunked delta rule is cut, whatever the pieces of a prompt.
const CHUNK: usize = 64;

/// Which form of the recurrence is computed; both mean the same and round differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaRule {
    /// Matrix products over chunks of 64 positions: for given tokens.
    Chunked,
    /// One token after the other: for generated tokens.
    Recurrent,
}

/// K: key heads, V: value heads (a multiple of K), A: key width, B: value width.
pub(super) struct DeltaNet {
    /// `[2·K·A + V·B, H]`: all queries, all keys, all values.
    in_proj_qkv: Matrix,
    /// `[V·B, H]`
    in_proj_z: Matrix,
    /// `[V, H]`
    in_proj_b: Matrix,
    /// `[V, H]`
    in_proj_a: Matrix,
    /// `[2·K·A + V·B, 4]`, the last tap for the current token.
    conv: Matrix,
    /// `[V]`
    a_log: Vec<f32>,
    /// `[V]`
    dt_bias: Vec<f32>,
    /// Plain weight of the gated norm. `[B]`
    norm: Vec<f32>,
    /// `[H, V·B]`
    out_proj: Matrix,
    key_heads: usize,
    value_heads: usize,
    key_dim: usize,
    value_dim: usize,
    taps: usize,
    eps: f32,
}

impl DeltaNet {
    pub(super) fn load(weights: &dyn Weights, prefix: &str, config: &TextConfig) -> Result<Self, ModelError> {
        let prefix = format!("{prefix}.linear_attn");
        let (hidden, heads) = (config.hidden_size, config.linear_num_value_heads);
        let (channels, values) = (config.linear_conv_dim(), config.linear_value_dim());
        let taps = config.linear_conv_kernel_dim;
        let matrix = |name: &str, rows, columns| {
            Matrix::load(weights, &format!("{prefix}.{name}.weight"), rows, columns)
        };
        let vector = |name: &str, length| ops::vector(weights, &format!("{prefix}.{name}"), length);
        let conv = weights
            .tensor(&format!("{prefix}.conv1d.weight"))?
            .expect_shape(&[channels, 1, taps])?;
        Ok(Self {
            in_proj_qkv: matrix("in_proj_qkv", channels, hidden)?,
            in_proj_z: matrix("in_proj_z", values, hidden)?,
            in_proj_b: matrix("in_proj_b", heads, hidden)?,
            in_proj_a: matrix("in_proj_a", heads, hidden)?,
            conv: Matrix::new(conv.to_f32(), taps),
            a_log: vector("A_log", heads)?,
            dt_bias: vector("dt_bias", heads)?,
            norm: vector("norm.weight", config.linear_value_head_dim)?,
            out_proj: matrix("out_proj", hidden, values)?,
            key_heads: config.linear_num_key_heads,
            value_heads: heads,
            key_dim: config.linear_key_head_dim,
            value_dim: config.linear_value_head_dim,
            taps,
            eps: config.rms_norm_eps,
        })
    }

    /// `x`: `[T, H]` → `[T, H]`; `start` is the first token's place in the sequence. Updates the
    /// convolution's history `[channels, 4]` and the recurrent state `[V, A, B]`.
    pub(super) fn forward(
        &self,
        x: &[f32],
        start: usize,
        rule: DeltaRule,
        conv: &mut [f32],
        recurrent: &mut [f32],
    ) -> Vec<f32> {
        let (value_heads, key_dim, value_dim) = (self.value_heads, self.key_dim, self.value_dim);
        let keys_width = self.key_heads * key_dim;
        let values_width = value_heads * value_dim;
        let channels = 2 * keys_width + values_width;

        let mixed = self.convolve(&self.in_proj_qkv.apply(x), conv); // [T, channels]
        let tokens = mixed.len() / channels;
        let z = self.in_proj_z.apply(x); // [T, V, B]
        let b = self.in_proj_b.apply(x); // [T, V]
        let a = self.in_proj_a.apply(x); // [T, V]

        let mut out = vec![0.0; tokens * values_width]; // [T, V, B]
        for head in 0..value_heads {
            // Consecutive value heads share a key head.
            let key_head = head / (value_heads / self.key_heads);
            let mut inputs = DeltaInputs {
                key_dim,
                value_dim,
                ..DeltaInputs::default()
            };
            for token in 0..tokens {
                let row = &mixed[token * channels..(token + 1) * channels];
                let query = &row[key_head * key_dim..][..key_dim];
                let key = &row[keys_width + key_head * key_dim..][..key_dim];
                let scale = 1.0 / (key_dim as f32).sqrt();
                inputs.queries.extend(l2_norm(query).map(|q| q * scale));
                inputs.keys.extend(l2_norm(key));
                inputs
                    .values
                    .extend_from_slice(&row[2 * keys_width + head * value_dim..][..value_dim]);
                let gate = token * value_heads + head;
                inputs.betas.push(ops::sigmoid(b[gate]));
                let decay = ops::softplus(a[gate] + self.dt_bias[head]);
                inputs.log_decays.push(-self.a_log[head].exp() * decay);
            }
            let size = key_dim * value_dim;
            let state = &mut recurrent[head * size..(head + 1) * size];
            let read = delta_rule(rule, &inputs, start, state); // [T, B]
            for (token, row) in read.chunks_exact(value_dim).enumerate() {
                let at = (token * value_heads + head) * value_dim;
                let gated = self.gated_norm(row, &z[at..at + value_dim]);
                out[at..at + value_dim].copy_from_slice(&gated);
            }
        }
        self.out_proj.apply(&out)
    }

    /// Depthwise causal convolution and SiLU. `u`: `[T, channels]` → `[T, channels]`.
    fn convolve(&self, u: &[f32], history: &mut [f32]) -> Vec<f32> {
        let taps = self.taps;
        let channels = history.len() / taps;
        let mut out = Vec::with_capacity(u.len());
        for token in u.chunks_exact(channels) {
            for (channel, input) in token.iter().enumerate() {
                let window = &mut history[channel * taps..(channel + 1) * taps];
                window.rotate_left(1);
                window[taps - 1] = *input;
                out.push(ops::silu(ops::dot(self.conv.row(channel), window)));
            }
        }
        out
    }

    /// `norm(o) · w · silu(z)`, norm first.
    fn gated_norm(&self, o: &[f32], z: &[f32]) -> Vec<f32> {
        let scale = 1.0 / (ops::dot(o, o) / o.len() as f32 + self.eps).sqrt();
        let gated = |((o, w), z): ((&f32, &f32), &f32)| w * (o * scale) * ops::silu(*z);
        o.iter().zip(&self.norm).zip(z).map(gated).collect()
    }
}

/// `x / sqrt(Σx² + 1e-6)`
fn l2_norm(x: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let scale = 1.0 / (ops::dot(x, x) + 1e-6).sqrt();
    x.iter().map(move |x| x * scale)
}

/// One head's inputs to the delta rule, with A = `key_dim` and B = `value_dim`.
#[derive(Clone, Debug, Default)]
pub struct DeltaInputs {
    /// Width of queries and keys.
    pub key_dim: usize,
    /// Width of values.
    pub value_dim: usize,
    /// Normalised and scaled. `[T, A]`
    pub queries: Vec<f32>,
    /// Normalised. `[T, A]`
    pub keys: Vec<f32>,
    /// `[T, B]`
    pub values: Vec<f32>,
    /// Logarithms of the share of the state that a token keeps; at most 0. `[T]`
    pub log_decays: Vec<f32>,
    /// How far a token moves the state toward its value, 0 to 1. `[T]`
    pub betas: Vec<f32>,
}

/// The delta rule for one head: returns what the queries read, `[T, B]`, and leaves the state after
/// the last token in `state`, `[A, B]`. `start` is the first token's place in the sequence, which
/// decides where chunks are cut.
pub fn delta_rule(rule: DeltaRule, inputs: &DeltaInputs, start: usize, state: &mut [f32]) -> Vec<f32> {
    let tokens = inputs.betas.len();
    let mut out = Vec::with_capacity(tokens * inputs.value_dim);
    match rule {
        DeltaRule::Recurrent => {
            for token in 0..tokens {
                recur(inputs, token, state, &mut out);
            }
        }
        DeltaRule::Chunked => {
            let mut token = 0;
            while token < tokens {
                let end = tokens.min(token + CHUNK - (start + token) % CHUNK);
                chunk(inputs, token..end, state, &mut out);
                token = end;
            }
        }
    }
    out
}

/// `S ← e^g·S;  S ← S + k·(β(v − Sᵀk))ᵀ;  o = Sᵀq`
fn recur(inputs: &DeltaInputs, token: usize, state: &mut [f32], out: &mut Vec<f32>) {
    let (a, b) = (inputs.key_dim, inputs.value_dim);
    let key = &inputs.keys[token * a..(token + 1) * a];
    let query = &inputs.queries[token * a..(token + 1) * a];
    let value = &inputs.values[token * b..(token + 1) * b];
    let kept = inputs.log_decays[token].exp();
    for s in state.iter_mut() {
        *s *= kept;
    }
    let recalled = read(state, key, b); // [B]
    let delta: Vec<f32> = value
        .iter()
        .zip(&recalled)
        .map(|(value, recalled)| inputs.betas[token] * (value - recalled))
        .collect();
    for (row, key) in state.chunks_exact_mut(b).zip(key) {
        for (s, delta) in row.iter_mut().zip(&delta) {
            *s += key * delta;
        }
    }
    out.extend(read(state, query, b));
}

/// `Sᵀx`: `[A, B]`, `[A]` → `[B]`
fn read(state: &[f32], x: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0.0; width];
    for (row, x) in state.chunks_exact(width).zip(x) {
        for (out, s) in out.iter_mut().zip(row) {
            *out += x * s;
        }
    }
    out
}

/// The same for up to [`CHUNK`] tokens at once.
///
/// With G the running sum of log decays inside the chunk, the corrected value that token i writes,
/// dᵢ, obeys `dᵢ = βᵢ(vᵢ − e^Gᵢ·Sᵀkᵢ − Σ_{j<i} e^(Gᵢ−Gⱼ)·(kⱼ·kᵢ)·dⱼ)`: a triangular system that is
/// solved from the first token on. Then `oᵢ = e^Gᵢ·Sᵀqᵢ + Σ_{j≤i} e^(Gᵢ−Gⱼ)·(kⱼ·qᵢ)·dⱼ`, and the
/// state becomes `e^G_last·S + Σ_j e^(G_last−Gⱼ)·kⱼdⱼᵀ`. Every exponent is at most 0.
fn chunk(inputs: &DeltaInputs, range: std::ops::Range<usize>, state: &mut [f32], out: &mut Vec<f32>) {
    let (a, b) = (inputs.key_dim, inputs.value_dim);
    let key = |token: usize| &inputs.keys[token * a..(token + 1) * a];
    let mut sum = 0.0;
    let decays: Vec<f32> = inputs.log_decays[range.clone()]
        .iter()
        .map(|decay| {
            sum += decay;
            sum
        })
        .collect();
    let mut deltas: Vec<f32> = Vec::with_capacity(range.len() * b); // [chunk, B]
    for (i, token) in range.clone().enumerate() {
        let recalled = read(state, key(token), b);
        let value = &inputs.values[token * b..(token + 1) * b];
        let mut delta: Vec<f32> = value
            .iter()
            .zip(&recalled)
            .map(|(value, recalled)| value - decays[i].exp() * recalled)
            .collect();
        for j in 0..i {
            let overlap = (decays[i] - decays[j]).exp() * ops::dot(key(range.start + j), key(token));
            for (delta, earlier) in delta.iter_mut().zip(&deltas[j * b..(j + 1) * b]) {
                *delta -= overlap * earlier;
            }
        }
        deltas.extend(delta.iter().map(|delta| inputs.betas[token] * delta));

        let query = &inputs.queries[token * a..(token + 1) * a];
        let mut row: Vec<f32> = read(state, query, b)
            .iter()
            .map(|s| decays[i].exp() * s)
            .collect();
        for j in 0..=i {
            let overlap = (decays[i] - decays[j]).exp() * ops::dot(key(range.start + j), query);
            for (row, delta) in row.iter_mut().zip(&deltas[j * b..(j + 1) * b]) {
                *row += overlap * delta;
            }
        }
        out.extend(row);
    }
    let Some(last) = decays.last() else { return };
    for s in state.iter_mut() {
        *s *= last.exp();
    }
    for (j, token) in range.enumerate() {
        let kept = (last - decays[j]).exp();
        for (row, key) in state.chunks_exact_mut(b).zip(key(token)) {
            for (s, delta) in row.iter_mut().zip(&deltas[j * b..(j + 1) * b]) {
                *s += kept * key * delta;
            }
        }
    }
}
