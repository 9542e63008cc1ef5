//! Single tokens of some sequences, the contexts cut into pieces so that few key heads keep many
//! threads busy. Where a context is cut depends on its length alone, and pieces are put together in
//! order, so the result depends neither on the threads nor on the other sequences.

use super::Attention;
use super::page::PAGE;
use super::walk::{Ending, Sight, TILE, Walk};
use crate::Cpu;
use crate::math::exp_below;
use crate::pool::Share;
use crate::simd::{Kernel, Simd};

/// The most pieces of a context.
const PIECES: usize = 64;
/// Pages of the shortest piece.
const PIECE_PAGES: usize = 4;

/// Pages of a piece, of a context of so many pages.
fn piece_pages(pages: usize) -> usize {
    pages.div_ceil(PIECES).next_multiple_of(PIECE_PAGES)
}

impl Attention {
    /// Elements of the pieces' results of steps of so many sequences, however long they are.
    pub fn pieces_len(&self, rows: usize) -> usize {
        rows * self.kv_heads * PIECES * self.piece_len()
    }

    fn piece_len(&self) -> usize {
        self.group * (self.padded() + 2)
    }
}

impl Cpu {
    /// `softmax(q kᵀ) v` for single tokens of some sequences.
    ///
    /// - `queries`, scaled, and `out`: [`Attention::queries_len`] elements
    /// - `place(row)`: the token's place in its sequence; it sees all up to itself
    /// - `page(row, i)`: tokens `64 i..64 i + 64` of that sequence, [`Attention::page_len`] words
    /// - `pieces`: [`Attention::pieces_len`] elements
    ///
    /// # Panics
    /// When sizes do not fit together.
    pub fn attention_steps<'p>(
        &self,
        attention: Attention,
        queries: &[f32],
        rows: usize,
        place: impl Fn(usize) -> usize + Sync,
        page: impl Fn(usize, usize) -> &'p [f32] + Sync,
        pieces: &mut [f32],
        out: &mut [f32],
    ) {
        assert!(queries.len() == attention.queries_len(rows) && out.len() == queries.len());
        assert!(pieces.len() >= attention.pieces_len(rows));
        let (heads, group, padded) = (attention.kv_heads, attention.group, attention.padded());
        if queries.is_empty() {
            return;
        }
        let longest = (0..rows).map(&place).max().unwrap_or(0) + 1;
        let seen: usize = (0..rows).map(|row| place(row) + 1).sum();
        // As many pieces as any context up to the longest may have.
        let most = longest.div_ceil(PAGE * PIECE_PAGES).min(PIECES);
        let piece_len = attention.piece_len();
        // Rows of one sequence take the same piece one after the other: the later ones find it in the cache.
        let follow = (1..rows).any(|row| place(row) == place(row - 1) + 1);
        let (pieces, results) = (Share(pieces.as_mut_ptr()), Share(out.as_mut_ptr()));
        let pairs = attention.in_pairs(self).then_some(self.isa);
        let task = |index: usize| {
            let (row, head, piece) = if follow {
                (index % rows, index / rows / most, index / rows % most)
            } else {
                (index / most / heads, index / most % heads, index % most)
            };
            let visible = place(row) + 1;
            let pages = visible.div_ceil(PAGE);
            let length = piece_pages(pages);
            if piece * length >= pages {
                return;
            }
            let alone = length >= pages;
            let place = (head * rows + row) * group * padded;
            // SAFETY: these queries and this output or piece are in the buffers, and no other task has
            // the latter.
            unsafe {
                let queries = queries.as_ptr().add(place);
                let kept = pieces
                    .get()
                    .add(((row * heads + head) * PIECES + piece) * piece_len);
                let out = if alone {
                    results.get().add(place)
                } else {
                    kept.add(2 * group)
                };
                for member in (0..group).step_by(TILE) {
                    self.isa.run(Walk {
                        attention: &attention,
                        head,
                        rows: TILE.min(group - member),
                        queries: queries.add(member * padded),
                        out: out.add(member * padded),
                        pages: piece * length..pages.min((piece + 1) * length),
                        page: &|number| page(row, number),
                        sight: Sight::All(visible),
                        end: visible,
                        ending: if alone {
                            Ending::Divide
                        } else {
                            Ending::Keep(kept.add(2 * member))
                        },
                        pairs,
                    });
                }
            }
        };
        if seen * heads * group * padded < self.share_from {
            (0..rows * heads * most).for_each(task);
        } else {
            self.pool.run(rows * heads * most, task);
        }
        self.pieces(
            out,
            group * padded,
            4 * most * rows * heads * group * padded,
            |index, out| {
                let (head, row) = (index / rows, index % rows);
                let pages = (place(row) + 1).div_ceil(PAGE);
                let count = pages.div_ceil(piece_pages(pages));
                if count > 1 {
                    let from = (row * heads + head) * PIECES * piece_len;
                    self.isa.run(Merge {
                        // SAFETY: the tasks above are over, and nobody writes the pieces now.
                        pieces: unsafe {
                            std::slice::from_raw_parts(pieces.get().add(from), count * piece_len)
                        },
                        piece_len,
                        padded,
                        out,
                    });
                }
            },
        );
    }
}

/// A head's pieces put together.
struct Merge<'a> {
    /// Each `[group, 2]` greatest score and sum of exponentials, then `[group, padded]` sums of values.
    pieces: &'a [f32],
    piece_len: usize,
    padded: usize,
    /// `[group, padded]`
    out: &'a mut [f32],
}

impl Kernel for Merge<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            pieces,
            piece_len,
            padded,
            out,
        } = self;
        let group = out.len() / padded;
        for (member, out) in out.chunks_exact_mut(padded).enumerate() {
            let ends = |piece: &[f32]| (piece[2 * member], piece[2 * member + 1]);
            let each = || pieces.chunks_exact(piece_len);
            let most = each().fold(f32::NEG_INFINITY, |most, piece| most.max(ends(piece).0));
            let mut total = 0.0;
            out.fill(0.0);
            for piece in each() {
                let (greatest, sum) = ends(piece);
                let weight = exp_below(s, s.splat(greatest - most));
                total += s.to_array(weight)[0] * sum;
                let values = &piece[2 * group + member * padded..][..padded];
                for i in (0..padded).step_by(S::LANES) {
                    // SAFETY: both have `padded` elements, a multiple of LANES.
                    unsafe {
                        let at = out.as_mut_ptr().add(i);
                        s.store(at, s.mul_add(weight, s.load(values.as_ptr().add(i)), s.load(at)));
                    }
                }
            }
            let scale = s.splat(1.0 / total);
            for i in (0..padded).step_by(S::LANES) {
                // SAFETY: as above.
                unsafe {
                    let at = out.as_mut_ptr().add(i);
                    s.store(at, s.mul(s.load(at), scale));
                }
            }
        }
    }
}
