//! Softmax attention over paged keys and values, and what comes before and after it.
//!
//! A page holds 64 tokens' keys and values of one layer. Scores are taken page by page with an
//! online softmax (Milakov and Gimelshein, arXiv 1805.02867): the cuts lie at multiples of 64 of the
//! sequence, and a tile of queries never crosses one, so a query meets the same pages in the same
//! order whatever other queries are in the call.

use crate::Cpu;
use crate::elementwise::{ExpSum, Gated};
use crate::norm::rms_norm_row;
use crate::pool::Share;
use crate::simd::{Kernel, MAX_LANES, Simd};
use crate::tile::{Left, Output, Right, rows_times_panel};

/// Tokens in a page.
const PAGE: usize = 64;
/// Query rows of a tile.
const TILE: usize = 64;

/// Sizes of an attention layer. Query head h uses key head `h / group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Key and value heads.
    pub kv_heads: usize,
    /// Query heads per key head.
    pub group: usize,
    /// Width of a head.
    pub head_dim: usize,
}

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

impl Attention {
    /// Tokens in a page.
    pub const PAGE: usize = PAGE;

    /// Elements of a page. Per head: kᵀ `[head_dim, 64]` and v `[64, padded head_dim]`.
    pub fn page_len(&self) -> usize {
        self.kv_heads * self.head_len()
    }

    /// `head_dim` rounded up to the widest panel.
    pub fn padded(&self) -> usize {
        self.head_dim.next_multiple_of(2 * MAX_LANES)
    }

    /// Elements of queries and outputs of `tokens` tokens, `[kv_heads, tokens, group, padded]`.
    pub fn queries_len(&self, tokens: usize) -> usize {
        self.kv_heads * tokens * self.group * self.padded()
    }

    fn head_len(&self) -> usize {
        PAGE * (self.head_dim + self.padded())
    }

    /// Writes one token's keys and values (`[kv_heads, head_dim]` each) to a page, zeros at first.
    ///
    /// # Panics
    /// When sizes do not fit together or `slot` is not below 64.
    pub fn write(&self, page: &mut [f32], slot: usize, keys: &[f32], values: &[f32]) {
        assert!(page.len() == self.page_len() && slot < PAGE);
        assert!(keys.len() == self.kv_heads * self.head_dim && values.len() == keys.len());
        let heads = page.chunks_exact_mut(self.head_len());
        let tokens = keys
            .chunks_exact(self.head_dim)
            .zip(values.chunks_exact(self.head_dim));
        for (page, (key, value)) in heads.zip(tokens) {
            let (kt, v) = page.split_at_mut(self.head_dim * PAGE);
            for (column, x) in kt.chunks_exact_mut(PAGE).zip(key) {
                column[slot] = *x;
            }
            v[slot * self.padded()..][..self.head_dim].copy_from_slice(value);
        }
    }
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

    /// `softmax(q kᵀ) v` for `tokens` tokens, the first of which is token `start` of the sequence.
    ///
    /// - `queries`, scaled, and `out`: [`Attention::queries_len`] elements
    /// - `page(i)`: tokens `64 i..64 i + 64`, [`Attention::page_len`] elements
    /// - `causal`: a token sees those up to itself; else it sees `start + tokens`, all of them
    ///
    /// # Panics
    /// When sizes do not fit together.
    pub fn attention<'p>(
        &self,
        attention: Attention,
        queries: &[f32],
        tokens: usize,
        start: usize,
        causal: bool,
        page: impl Fn(usize) -> &'p [f32] + Sync,
        out: &mut [f32],
    ) {
        let Attention {
            kv_heads,
            group,
            head_dim,
        } = attention;
        assert!(queries.len() == attention.queries_len(tokens) && out.len() == queries.len());
        if tokens == 0 || group == 0 {
            return;
        }
        // Tiles of one head: rows (token, member), cut where the token's page changes.
        let page_rows = PAGE * group;
        let per_page = page_rows.div_ceil(TILE);
        let first_page = start / PAGE;
        let pages_spanned = (start + tokens).div_ceil(PAGE) - first_page;
        let tiles = pages_spanned * per_page;
        let width = attention.padded();
        let out = Share(out.as_mut_ptr());
        let task = |index: usize| {
            let (head, tile) = (index / tiles, index % tiles);
            let token_page = first_page + tile / per_page;
            // Rows counted from token 0 of the sequence.
            let from = (token_page * page_rows + tile % per_page * TILE).max(start * group);
            let to = (token_page * page_rows + (tile % per_page + 1) * TILE)
                .min((token_page + 1) * page_rows)
                .min((start + tokens) * group);
            if from >= to {
                return;
            }
            let place = (head * tokens * group + from - start * group) * width;
            let visible = if causal { None } else { Some(start + tokens) };
            let last_page = visible.map_or(token_page, |visible| (visible - 1) / PAGE);
            let mut online = Online::new();
            for number in 0..=last_page {
                let page = page(number);
                assert_eq!(page.len(), attention.page_len());
                self.isa.run(Tile {
                    online: &mut online,
                    rows: to - from,
                    first_row: from,
                    group,
                    head_dim,
                    width,
                    // SAFETY: rows `from..to` of this head lie in `queries` and `out`.
                    queries: unsafe { queries.as_ptr().add(place) },
                    // SAFETY: as above, and no other task has these rows.
                    out: unsafe { out.get().add(place) },
                    page: &page[head * attention.head_len()..][..attention.head_len()],
                    first_key: number * PAGE,
                    visible,
                    last: number == last_page,
                });
            }
        };
        let keys = start + tokens;
        let operations = kv_heads * tokens * group * keys * head_dim;
        if operations < self.share_from {
            (0..kv_heads * tiles).for_each(task);
        } else {
            self.pool.run(kv_heads * tiles, task);
        }
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

/// Greatest score and sum of exponentials of each row so far.
struct Online {
    greatest: [f32; TILE],
    sum: [f32; TILE],
}

impl Online {
    fn new() -> Self {
        Self {
            greatest: [f32::NEG_INFINITY; TILE],
            sum: [0.0; TILE],
        }
    }
}

/// Some query rows against one page.
struct Tile<'a> {
    online: &'a mut Online,
    rows: usize,
    /// Number of the first row, `token · group + member`, from the start of the sequence.
    first_row: usize,
    group: usize,
    head_dim: usize,
    width: usize,
    /// `[rows, width]`
    queries: *const f32,
    /// `[rows, width]`
    out: *mut f32,
    /// kᵀ `[head_dim, PAGE]`, v `[PAGE, width]`
    page: &'a [f32],
    /// The page's first token.
    first_key: usize,
    /// Tokens that all rows see; none: each up to its own.
    visible: Option<usize>,
    /// Divide by the sums afterwards.
    last: bool,
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            online,
            rows,
            first_row,
            group,
            head_dim,
            width,
            queries,
            out,
            page,
            first_key,
            visible,
            last,
        } = self;
        let panel = 2 * S::LANES;
        let (kt, v) = page.split_at(head_dim * PAGE);
        let mut scores = [0.0; TILE * PAGE];
        let left = Left {
            start: queries,
            row_stride: width,
            k_stride: 1,
        };
        for column in (0..PAGE).step_by(panel) {
            // SAFETY: kᵀ is [head_dim, PAGE]; the queries and scores have `rows` rows.
            unsafe {
                let right = Right {
                    start: kt.as_ptr().add(column),
                    panel_stride: 0,
                    k_stride: PAGE,
                };
                let to = Output {
                    start: scores.as_mut_ptr().add(column),
                    row_stride: PAGE,
                    accumulate: false,
                };
                rows_times_panel(s, rows, head_dim, left, right, to);
            }
        }
        for (row, scores) in scores.chunks_exact_mut(PAGE).take(rows).enumerate() {
            let visible = visible.unwrap_or((first_row + row) / group + 1);
            let (seen, hidden) = scores.split_at_mut(visible.saturating_sub(first_key).min(PAGE));
            hidden.fill(0.0);
            let before = online.greatest[row];
            let greatest = seen.iter().fold(before, |greatest, &score| greatest.max(score));
            let mut shrink = [before];
            ExpSum {
                x: &mut shrink,
                offset: greatest,
            }
            .run(s);
            let sum = ExpSum {
                x: seen,
                offset: greatest,
            }
            .run(s);
            online.greatest[row] = greatest;
            online.sum[row] = online.sum[row] * shrink[0] + sum;
            let shrink = s.splat(shrink[0]);
            for i in (0..width).step_by(S::LANES) {
                // SAFETY: `out` has `rows` rows of `width`, a multiple of LANES.
                unsafe {
                    let at = out.add(row * width + i);
                    let scaled = if first_key == 0 {
                        s.splat(0.0)
                    } else {
                        s.mul(s.load(at), shrink)
                    };
                    s.store(at, scaled);
                }
            }
        }
        let left = Left {
            start: scores.as_ptr(),
            row_stride: PAGE,
            k_stride: 1,
        };
        for column in (0..width).step_by(panel) {
            // SAFETY: v is [PAGE, width], width a multiple of the panel.
            unsafe {
                let right = Right {
                    start: v.as_ptr().add(column),
                    panel_stride: 0,
                    k_stride: width,
                };
                let to = Output {
                    start: out.add(column),
                    row_stride: width,
                    accumulate: true,
                };
                rows_times_panel(s, rows, PAGE, left, right, to);
            }
        }
        if last {
            for row in 0..rows {
                let scale = s.splat(1.0 / online.sum[row]);
                for i in (0..width).step_by(S::LANES) {
                    // SAFETY: as above.
                    unsafe {
                        let at = out.add(row * width + i);
                        s.store(at, s.mul(s.load(at), scale));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;
