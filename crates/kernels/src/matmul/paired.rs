//! Products of bf16 weights with inputs rounded to bf16, two columns at a time.
//!
//! As in [`super::float`], each output element is one chain of additions in the order of the columns, so the
//! bits do not depend on what shares the loop.

use super::Piece;
use crate::Cpu;
use crate::ahead::AHEAD;
use crate::matrix::{Matrix, PANEL};
use crate::memory::Lines;
use crate::pairs::{PairKernel, Pairs, bf16_bits};
use crate::pool::Share;
use crate::simd::{Kernel, Simd};

/// Rows whose sums lie beside one another while a panel passes by.
pub(super) const ROW_BLOCK: usize = super::float::ROW_BLOCK;
/// Pairs of columns of a panel that stay in the first-level cache while rows pass by: 16 KiB.
const PAIRS: usize = 256;
/// Rows that share a panel's weights in registers.
const ROWS: usize = 8;
/// Rows from which on columns are added one by one, where that is faster than in pairs.
pub(super) const SINGLY_FROM: usize = 24;
/// Panels that one row reads at once, where the processor does not read one stream faster.
const STREAMS: usize = 4;

pub(super) struct Paired<'a> {
    pub(super) piece: Piece,
    /// `[rows, pairs(k)]`
    pub(super) input: *const [u16; 2],
    /// `[panels][pairs(k)][16][2]`
    pub(super) weights: &'a [u16],
    /// Whether one row reads the weights in one stream rather than in several.
    pub(super) one_stream: bool,
}

/// Pairs that a row of `k` columns has.
pub(super) fn pairs(k: usize) -> usize {
    k.div_ceil(2)
}

/// 16 sums of rows, aligned to what is read at once.
#[repr(align(64))]
struct Sums([[f32; PANEL]; ROW_BLOCK]);

impl PairKernel for Paired<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let (rows, panels) = (self.piece.rows, self.piece.panels.clone());
        // SAFETY: whoever made the piece vouches for `input` and `out`; a matrix holds all its panels.
        unsafe {
            if rows == 1 {
                let mut panel = panels.start;
                while panel < panels.end {
                    panel += if !self.one_stream && panels.end - panel >= STREAMS {
                        self.one_row::<D, STREAMS>(d, panel)
                    } else {
                        self.one_row::<D, 1>(d, panel)
                    };
                }
                return;
            }
            let mut sums = Sums([[0.0; PANEL]; ROW_BLOCK]);
            for row in (0..rows).step_by(ROW_BLOCK) {
                let count = ROW_BLOCK.min(rows - row);
                let sums = &mut sums.0[..count];
                for panel in panels.clone() {
                    for (r, sums) in sums.iter_mut().enumerate() {
                        self.piece.read(panel, row + r, sums);
                    }
                    self.panel(d, panel, row, sums);
                    for (r, sums) in sums.iter().enumerate() {
                        self.piece.write(panel, row + r, sums);
                    }
                }
            }
        }
    }
}

impl Paired<'_> {
    /// 16 outputs' pairs from `pair` on.
    ///
    /// # Safety
    /// There must be such a panel and such pairs.
    #[inline(always)]
    unsafe fn weights(&self, panel: usize, pair: usize) -> *const [u16; 2] {
        // SAFETY: the caller's.
        unsafe {
            let start = (panel * pairs(self.piece.k) + pair) * PANEL;
            self.weights.as_ptr().cast::<[u16; 2]>().add(start)
        }
    }

    /// The only row times `P` panels from `panel` on; returns P.
    ///
    /// # Safety
    /// The panels must be the piece's.
    #[inline(always)]
    unsafe fn one_row<D: Pairs, const P: usize>(&self, d: D, panel: usize) -> usize {
        // SAFETY: the caller's.
        unsafe {
            let mut start = [[0.0; PANEL]; P];
            for (p, sums) in start.iter_mut().enumerate() {
                self.piece.read(panel + p, 0, sums);
            }
            // Loops, no closures: where those are not inlined they lack the instruction set.
            let mut sums = [d.zero(); P];
            let mut weights = [self.weights(panel, 0); P];
            for p in 0..P {
                sums[p] = d.load(start[p].as_ptr());
                weights[p] = self.weights(panel + p, 0);
            }
            for pair in 0..pairs(self.piece.k) {
                for p in 0..P {
                    let from = weights[p].add(pair * PANEL);
                    if P == 1 {
                        d.vectors().prefetch_later(from.wrapping_byte_add(AHEAD));
                    }
                    let w = d.weights(from);
                    sums[p] = d.add(sums[p], w, self.input.add(pair));
                }
            }
            for (p, sums) in sums.into_iter().enumerate() {
                d.store(start[p].as_mut_ptr(), sums);
                self.piece.write(panel + p, 0, &start[p]);
            }
        }
        P
    }

    /// Rows from `row` on times a panel, added to `sums`.
    ///
    /// # Safety
    /// The panel and the rows must be the piece's.
    #[inline(always)]
    unsafe fn panel<D: Pairs>(&self, d: D, panel: usize, row: usize, sums: &mut [[f32; PANEL]]) {
        let all = pairs(self.piece.k);
        for from in (0..all).step_by(PAIRS) {
            let count = PAIRS.min(all - from);
            let mut done = 0;
            while done < sums.len() {
                // SAFETY: the caller's, for rows of which there are sums.
                unsafe {
                    let weights = self.weights(panel, from);
                    let input = self.input.add((row + done) * all + from);
                    let to = sums[done..].as_mut_ptr();
                    done += match sums.len() - done {
                        1 => tile::<D, 1>(d, weights, input, all, count, to),
                        2 => tile::<D, 2>(d, weights, input, all, count, to),
                        3 => tile::<D, 3>(d, weights, input, all, count, to),
                        4..ROWS => tile::<D, 4>(d, weights, input, all, count, to),
                        _ => tile::<D, ROWS>(d, weights, input, all, count, to),
                    };
                }
            }
        }
    }
}

/// `R` rows times `count` pairs of a panel, added to `to`; returns R.
///
/// # Safety
/// The operands must be valid for that.
#[inline(always)]
unsafe fn tile<D: Pairs, const R: usize>(
    d: D,
    weights: *const [u16; 2],
    input: *const [u16; 2],
    stride: usize,
    count: usize,
    to: *mut [f32; PANEL],
) -> usize {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [d.zero(); R];
        for r in 0..R {
            sums[r] = d.load(to.add(r).cast());
        }
        for pair in 0..count {
            let w = d.weights(weights.add(pair * PANEL));
            for r in 0..R {
                sums[r] = d.add(sums[r], w, input.add(r * stride + pair));
            }
        }
        for r in 0..R {
            d.store(to.add(r).cast(), sums[r]);
        }
    }
    R
}

impl Cpu {
    /// Rounds to bf16, to nearest even, an odd last column paired with zero, for products with these matrices. `input`:
    /// `[rows, k]`
    pub(super) fn round_rows(
        &self,
        matrices: &[Matrix],
        input: &[f32],
        k: usize,
        to: &mut Lines,
    ) -> RoundedRows {
        let (rows, width) = (input.len() / k.max(1), pairs(k));
        let singly = rows >= SINGLY_FROM
            && self.isa.adds_pairs_singly()
            && matrices.iter().all(|matrix| !matrix.has_tiny(self.isa));
        let size = (rows * width * size_of::<[u16; 2]>()).next_multiple_of(64);
        to.grow(if singly { 3 * size + rows } else { size });
        let start = to.start_mut::<f32>();
        let out = Share(start.cast::<[u16; 2]>());
        let singles = Share(start.wrapping_byte_add(size).cast::<[f32; 2]>());
        let tiny = Share(start.wrapping_byte_add(3 * size).cast::<bool>());
        let round = |row: usize| {
            // SAFETY: each row has its own place.
            let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(row * width), width) };
            self.isa.run(Round {
                input: &input[row * k..][..k],
                out,
            });
            if singly {
                // SAFETY: as above.
                unsafe {
                    let to = std::slice::from_raw_parts_mut(singles.get().add(row * width), width);
                    self.isa.run(Widen { pairs: out, to });
                    tiny.get().add(row).write(self.isa.run(Tiny(out.as_flattened())));
                }
            }
        };
        if rows * k * 2 < self.share_from {
            (0..rows).for_each(round);
        } else {
            self.pool.run(rows, round);
        }
        RoundedRows {
            pairs: to.start(),
            singles: singly.then(|| Singles {
                start: singles.get().cast_const().cast(),
                tiny: tiny.get().cast_const(),
            }),
        }
    }
}

/// Rows rounded to bf16.
#[derive(Clone, Copy)]
pub(super) struct RoundedRows {
    /// `[rows, pairs(k)]`
    pub(super) pairs: *const [u16; 2],
    /// The same for columns that are added one by one.
    pub(super) singles: Option<Singles>,
}

/// Rows as f32, the second column of a pair before the first: so products of pairs add them.
#[derive(Clone, Copy)]
pub(super) struct Singles {
    /// `[rows, 2 · pairs(k)]`
    pub(super) start: *const f32,
    /// Rows that have [`Tiny`] numbers.
    tiny: *const bool,
}

impl Singles {
    /// Whether so many rows may be taken: they have no tiny number.
    ///
    /// # Safety
    /// There must be so many.
    pub(super) unsafe fn serve(self, rows: usize) -> bool {
        // SAFETY: the caller's.
        (0..rows).all(|row| unsafe { !*self.tiny.add(row) })
    }
}

impl RoundedRows {
    /// From row `row` on.
    pub(super) fn from(self, row: usize, k: usize) -> Self {
        Self {
            pairs: self.pairs.wrapping_add(row * pairs(k)),
            singles: self.singles.map(|Singles { start, tiny }| Singles {
                start: start.wrapping_add(row * 2 * pairs(k)),
                tiny: tiny.wrapping_add(row),
            }),
        }
    }
}

/// Pairs as f32, each turned.
struct Widen<'a> {
    pairs: &'a [[u16; 2]],
    to: &'a mut [[f32; 2]],
}

impl Kernel for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (to, [first, second]) in self.to.iter_mut().zip(self.pairs) {
            to[0] = f32::from_bits(u32::from(*second) << 16);
            to[1] = f32::from_bits(u32::from(*first) << 16);
        }
    }
}

/// Whether one of these bf16 is nearer to zero than 2⁻⁵⁵ without being zero.
///
/// A product of two that are not is a multiple of 2⁻¹²⁴, and so is every sum of such products until it is rounded: no
/// denormal number comes up, which products of pairs take for zero and additions do not.
pub(crate) struct Tiny<'a>(pub(crate) &'a [u16]);

impl Kernel for Tiny<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> bool {
        const LEAST: u16 = (127 - 55) << 7;
        self.0.chunks(1024).any(|part| {
            let is_tiny = |bits: &u16| u16::from((bits & 0x7fff).wrapping_sub(1) < LEAST - 1);
            part.iter().map(is_tiny).fold(0, |any, one| any | one) != 0
        })
    }
}

/// Whether one of these sums is nearer to zero than 2⁻¹⁰⁰ without being zero: what it becomes may be denormal, as
/// [`Tiny`] says.
pub(super) struct TinyStarts<'a>(pub(super) &'a [f32]);

impl Kernel for TinyStarts<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> bool {
        const LEAST: u32 = (127 - 100) << 23;
        let is_tiny = |x: &f32| u32::from((x.to_bits() & (u32::MAX >> 1)).wrapping_sub(1) < LEAST - 1);
        self.0.iter().map(is_tiny).fold(0, |any, one| any | one) != 0
    }
}

/// A row to round. Plain arithmetic: the compiler makes vectors of it.
struct Round<'a> {
    input: &'a [f32],
    out: &'a mut [[u16; 2]],
}

impl Kernel for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (whole, rest) = self.input.as_chunks::<2>();
        for (out, x) in self.out.iter_mut().zip(whole) {
            *out = [bf16_bits(x[0]), bf16_bits(x[1])];
        }
        if let ([x], Some(out)) = (rest, self.out.last_mut()) {
            *out = [bf16_bits(*x), 0];
        }
    }
}
