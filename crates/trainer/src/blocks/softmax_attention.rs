//! Softmax attention inside segments of a stream: causal for documents, both ways for the patches of a frame.
//!
//! Queries go in blocks, so that a block's scores stay in the caches; the backward pass computes them again from the
//! logarithm of each row's sum (arXiv 2205.14135).

use std::ops::Range;

use aurore_kernels::View;

use crate::Buffer;
use crate::ops::functions::{dot, exp, greatest, total};
use crate::ops::vectorised;
use crate::pass::Pass;
use crate::stream::Look;

/// Queries of a block: what a causal one computes in vain grows with it, and so does what is packed anew for each.
const CAUSAL_BLOCK: usize = 64;
const BLOCK: usize = 160;

/// N query heads, M key and value heads, of width D.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) dim: usize,
    pub(crate) causal: bool,
    /// Numbers from one row of queries to the next, and of keys and values.
    pub(crate) query_stride: usize,
    pub(crate) kv_stride: usize,
}

/// What is attended with and to; row t of head h begins at `t·stride + h·D`.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) queries: &'a [f32],
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
}

/// Gradients in the same places; those of keys and values are added to.
pub(crate) struct Slopes<'a> {
    pub(crate) queries: &'a mut [f32],
    pub(crate) keys: &'a mut [f32],
    pub(crate) values: &'a mut [f32],
}

/// Where rows of the first head are taught to look, and what each counts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Looks<'a> {
    /// In the order of their rows.
    pub(crate) list: &'a [Look],
    pub(crate) scale: f32,
}

impl<'a> Looks<'a> {
    /// Those of a block of one head.
    fn of(&self, head: usize, block: &Block) -> &'a [Look] {
        if head > 0 || self.scale == 0.0 {
            return &[];
        }
        let place = |row| self.list.partition_point(|look| look.row < row);
        &self.list[place(block.first)..place(block.first + block.rows)]
    }
}

/// One block of queries of one head.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    rows: usize,
    /// Keys that any of them sees.
    keys: usize,
    /// Place of the first query among the keys; without causality all keys are seen.
    place: usize,
}

impl Shape {
    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    fn blocks(&self, segment: &Range<usize>) -> impl Iterator<Item = Block> + use<> {
        let (start, end, causal) = (segment.start, segment.end, self.causal);
        let most = if causal { CAUSAL_BLOCK } else { BLOCK };
        (start..end).step_by(most).map(move |first| {
            let rows = most.min(end - first);
            Block {
                first,
                rows,
                keys: if causal { first + rows - start } else { end - start },
                place: if causal { first - start } else { end - start },
            }
        })
    }

    /// Gives what the heads return, `[T, N, D]`, and the logarithms of their rows' sums, `[N, T]`.
    pub(crate) fn forward(
        &self,
        pass: &mut Pass<'_>,
        segments: &[Range<usize>],
        operands: Operands<'_>,
    ) -> (Buffer, Buffer) {
        let (isa, dim, width) = (pass.isa(), self.dim, self.heads * self.dim);
        let tokens = segments.last().map_or(0, |segment| segment.end);
        let mut out = pass.take(tokens * width);
        let mut sums = pass.take(self.heads * tokens);
        let longest = segments.iter().map(Range::len).max().unwrap_or(0);
        let mut scores = pass.take(BLOCK * longest);
        for segment in segments {
            for head in 0..self.heads {
                let kv = segment.start * self.kv_stride + head / (self.heads / self.kv_heads) * dim;
                for block in self.blocks(segment) {
                    let queries = &operands.queries[block.first * self.query_stride + head * dim..];
                    let scores = &mut scores[..block.rows * block.keys];
                    pass.products().rounded_product(
                        [block.rows, dim, block.keys],
                        View::rows(queries, self.query_stride),
                        View::transposed(&operands.keys[kv..], self.kv_stride),
                        scores,
                        block.keys,
                        false,
                    );
                    let sums = &mut sums[head * tokens + block.first..][..block.rows];
                    softmax(isa, scores, block.keys, block.place, self.scale(), sums);
                    pass.products().rounded_product(
                        [block.rows, block.keys, dim],
                        View::rows(scores, block.keys),
                        View::rows(&operands.values[kv..], self.kv_stride),
                        &mut out[block.first * width + head * dim..],
                        width,
                        false,
                    );
                }
            }
        }
        (out, sums)
    }

    /// How badly the first head misses what it is taught to look at: the sum of `-ln` of the shares that it gives them.
    pub(crate) fn misses(&self, operands: Operands<'_>, sums: &[f32], looks: &[Look]) -> f64 {
        let miss = |look: &Look| {
            let query = &operands.queries[look.row * self.query_stride..][..self.dim];
            let key = &operands.keys[look.at * self.kv_stride..][..self.dim];
            f64::from(sums[look.row] - self.scale() * dot(query, key))
        };
        looks.iter().map(miss).sum()
    }

    /// `out`, `sums`: what [`forward`](Self::forward) gave; `dout`: `[T, N, D]`; `looks`: what
    /// [`misses`](Self::misses) counts beside it.
    pub(crate) fn backward(
        &self,
        pass: &mut Pass<'_>,
        segments: &[Range<usize>],
        operands: Operands<'_>,
        (out, sums): (&[f32], &[f32]),
        dout: &[f32],
        looks: Looks<'_>,
        slopes: &mut Slopes<'_>,
    ) {
        let (isa, dim, width) = (pass.isa(), self.dim, self.heads * self.dim);
        let tokens = segments.last().map_or(0, |segment| segment.end);
        let longest = segments.iter().map(Range::len).max().unwrap_or(0);
        let mut scores = pass.take(BLOCK * longest);
        let mut dscores = pass.take(BLOCK * longest);
        let mut along = pass.take(BLOCK);
        for segment in segments {
            for head in 0..self.heads {
                let kv = segment.start * self.kv_stride + head / (self.heads / self.kv_heads) * dim;
                let (keys, values) = (&operands.keys[kv..], &operands.values[kv..]);
                for block in self.blocks(segment) {
                    let query = block.first * self.query_stride + head * dim;
                    let queries = &operands.queries[query..];
                    let own = block.first * width + head * dim;
                    let scores = &mut scores[..block.rows * block.keys];
                    let dscores = &mut dscores[..block.rows * block.keys];
                    let products = pass.products();
                    products.rounded_product(
                        [block.rows, dim, block.keys],
                        View::rows(queries, self.query_stride),
                        View::transposed(keys, self.kv_stride),
                        scores,
                        block.keys,
                        false,
                    );
                    products.rounded_product(
                        [block.rows, dim, block.keys],
                        View::rows(&dout[own..], width),
                        View::transposed(values, self.kv_stride),
                        dscores,
                        block.keys,
                        false,
                    );
                    along_rows(
                        isa,
                        &out[own..],
                        &dout[own..],
                        [width, dim],
                        &mut along[..block.rows],
                    );
                    let sums = &sums[head * tokens + block.first..][..block.rows];
                    let sizes = [block.keys, block.place];
                    softmax_back(isa, scores, dscores, sizes, self.scale(), sums, &along);
                    for look in looks.of(head, &block) {
                        let row = (look.row - block.first) * block.keys;
                        let count = self.scale() * looks.scale;
                        for (dx, share) in dscores[row..][..block.keys].iter_mut().zip(&scores[row..]) {
                            *dx += count * share;
                        }
                        dscores[row + look.at - segment.start] -= count;
                    }
                    products.rounded_product(
                        [block.rows, block.keys, dim],
                        View::rows(dscores, block.keys),
                        View::rows(keys, self.kv_stride),
                        &mut slopes.queries[query..],
                        self.query_stride,
                        false,
                    );
                    products.rounded_product(
                        [block.keys, block.rows, dim],
                        View::transposed(dscores, block.keys),
                        View::rows(queries, self.query_stride),
                        &mut slopes.keys[kv..],
                        self.kv_stride,
                        true,
                    );
                    products.rounded_product(
                        [block.keys, block.rows, dim],
                        View::transposed(scores, block.keys),
                        View::rows(&dout[own..], width),
                        &mut slopes.values[kv..],
                        self.kv_stride,
                        true,
                    );
                }
            }
        }
    }
}

vectorised! {
    /// Rows of scores become shares of the keys that a query sees, `place + row + 1` at most.
    fn softmax(scores: &'a mut [f32], keys: usize, place: usize, scale: f32, sums: &'a mut [f32]) {
        for (row, (scores, sum)) in scores.chunks_exact_mut(keys).zip(sums).enumerate() {
            let (seen, hidden) = scores.split_at_mut((place + row + 1).min(keys));
            let most = scale * greatest(seen);
            for x in seen.iter_mut() {
                *x = exp(scale * *x - most);
            }
            let all = total(seen);
            let share = 1.0 / all;
            for x in seen.iter_mut() {
                *x *= share;
            }
            hidden.fill(0.0);
            *sum = most + all.ln();
        }
    }

    /// Rows of scores become shares, `dscores` (of the shares) the gradients of the scores.
    fn softmax_back(
        scores: &'a mut [f32],
        dscores: &'a mut [f32],
        sizes: [usize; 2],
        scale: f32,
        sums: &'a [f32],
        along: &'a [f32],
    ) {
        let [keys, place] = sizes;
        let rows = scores.chunks_exact_mut(keys).zip(dscores.chunks_exact_mut(keys));
        for (row, ((scores, dscores), (sum, along))) in rows.zip(sums.iter().zip(along)).enumerate() {
            let (sum, along) = (*sum, *along);
            let seen = (place + row + 1).min(keys);
            for (x, dx) in scores[..seen].iter_mut().zip(&mut dscores[..seen]) {
                *x = exp(scale * *x - sum);
                *dx = scale * *x * (*dx - along);
            }
            scores[seen..].fill(0.0);
            dscores[seen..].fill(0.0);
        }
    }

    /// `Σ out·dout` of every row's head.
    fn along_rows(out: &'a [f32], dout: &'a [f32], sizes: [usize; 2], along: &'a mut [f32]) {
        let [stride, dim] = sizes;
        for (row, along) in along.iter_mut().enumerate() {
            *along = dot(&out[row * stride..][..dim], &dout[row * stride..][..dim]);
        }
    }
}
