//! Heads out of a projection's rows and back into rows.

use super::Attention;
use crate::Cpu;
use crate::elementwise::Gated;
use crate::norm::rms_norm_row;

/// Where queries, keys and values of a token lie in a row of a projection's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Distance between tokens.
    pub stride: usize,
    /// Start of the first head.
    pub start: usize,
    /// Distance between heads.
    pub head_stride: usize,
}

/// Cosines and sines, each `[tokens, pairs]`; pair j of a head is its elements (j, j + pairs).
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// Pairs that are rotated, at most half a head.
    pub pairs: usize,
    /// Cosines.
    pub cos: &'a [f32],
    /// Sines.
    pub sin: &'a [f32],
}

/// An RMS norm of each head before its rotation.
#[derive(Clone, Copy, Debug)]
pub struct HeadNorm<'a> {
    /// `[head_dim]`
    pub weight: &'a [f32],
    /// Added to the mean square.
    pub eps: f32,
}

impl Cpu {
    /// Takes heads out of a projection's rows, normalises and rotates them, and multiplies by `scale`.
    /// `out`: `[heads / group, tokens, group, width]`, `width` at least the head's; the rest is zero.
    ///
    /// # Panics
    /// When sizes do not fit together.
    #[expect(
        clippy::too_many_arguments,
        reason = "one pass over the heads instead of four"
    )]
    pub fn prepare_heads(
        &self,
        input: &[f32],
        heads: Heads,
        head_dim: usize,
        group: usize,
        norm: Option<HeadNorm<'_>>,
        rotation: Option<Rotation<'_>>,
        scale: f32,
        width: usize,
        tokens: usize,
        out: &mut [f32],
    ) {
        assert!(width >= head_dim && (tokens == 0 || out.len().is_multiple_of(tokens * group * width)));
        if let Some(rotation) = rotation {
            assert!(2 * rotation.pairs <= head_dim && rotation.cos.len() == tokens * rotation.pairs);
            assert_eq!(rotation.sin.len(), rotation.cos.len());
        }
        assert!(norm.is_none_or(|norm| norm.weight.len() == head_dim));
        let operations = out.len() * 4;
        self.pieces(out, group * width, operations, |index, out| {
            let (kv_head, token) = (index / tokens, index % tokens);
            for (member, out) in out.chunks_exact_mut(width).enumerate() {
                let at = token * heads.stride + heads.start + (kv_head * group + member) * heads.head_stride;
                let (head, rest) = out.split_at_mut(head_dim);
                rest.fill(0.0);
                head.copy_from_slice(&input[at..at + head_dim]);
                if let Some(norm) = norm {
                    rms_norm_row(self.isa, head, norm.weight, norm.eps);
                }
                if let Some(Rotation { pairs, cos, sin }) = rotation {
                    let (first, second) = head[..2 * pairs].split_at_mut(pairs);
                    let (cos, sin) = (&cos[token * pairs..][..pairs], &sin[token * pairs..][..pairs]);
                    for j in 0..pairs {
                        let (a, b) = (first[j], second[j]);
                        first[j] = a * cos[j] - b * sin[j];
                        second[j] = b * cos[j] + a * sin[j];
                    }
                }
                if scale != 1.0 {
                    for x in head {
                        *x *= scale;
                    }
                }
            }
        });
    }

    /// `out[t][h] = sigmoid(gate) · attended`, back in the order of tokens.
    ///
    /// - `attended`: `[kv_heads, tokens, group, padded]`
    /// - `gates`: where each query head's gate lies in `input`; none: the values as they are
    /// - `out`: `[tokens, kv_heads · group · head_dim]`
    ///
    /// # Panics
    /// When sizes do not fit together.
    pub fn gather_heads(
        &self,
        attention: Attention,
        attended: &[f32],
        gates: Option<(&[f32], Heads)>,
        out: &mut [f32],
    ) {
        let Attention {
            kv_heads,
            group,
            head_dim,
            ..
        } = attention;
        let row = kv_heads * group * head_dim;
        let tokens = out.len() / row.max(1);
        assert!(attended.len() == attention.queries_len(tokens) && out.len() == tokens * row);
        let operations = out.len() * 8;
        self.pieces(out, row, operations, |token, out| {
            for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
                let (kv_head, member) = (head / group, head % group);
                let at = ((kv_head * tokens + token) * group + member) * attention.padded();
                let factor = &attended[at..at + head_dim];
                match gates {
                    None => out.copy_from_slice(factor),
                    Some((input, heads)) => {
                        let at = token * heads.stride + heads.start + head * heads.head_stride;
                        let gate = &input[at..at + head_dim];
                        self.isa.run(Gated {
                            gate,
                            factor,
                            out,
                            silu: false,
                        });
                    }
                }
            }
        });
    }
}
