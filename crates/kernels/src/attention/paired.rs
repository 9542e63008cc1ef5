//! The products of attention on bf16 pairs: queries with keys, and weights with values, both rounded to bf16 as the
//! keys and values are.

use super::{Attention, KvFormat};
use crate::Cpu;
use crate::ahead::AHEAD;
use crate::dense::{From, PANEL, Sums};
use crate::pairs::{PairKernel, Pairs};
use crate::simd::Simd;

/// Bytes of a panel's pairs: a cache line.
const LINE: usize = 4 * PANEL;
/// Rows that take their time from reading panels.
const FEW: usize = 4;
/// Widest head, in pairs, that is rounded on the stack.
pub(super) const MOST: usize = 128;

impl Attention {
    /// Whether queries and weights are rounded to bf16 and multiplied in pairs: a matter of the processor, the model
    /// and the format alone.
    pub(super) fn in_pairs(&self, cpu: &Cpu) -> bool {
        self.format == KvFormat::Bf16 && self.padded() / 2 <= MOST && cpu.in_pairs()
    }
}

/// Numbers to round, a multiple of 16.
///
/// # Safety
/// Whoever makes one vouches for the pointers.
pub(super) struct Round {
    pub(super) from: *const f32,
    pub(super) to: *mut u16,
    pub(super) count: usize,
}

impl PairKernel for Round {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        for i in (0..self.count).step_by(PANEL) {
            // SAFETY: below the count.
            unsafe { d.round(self.from.add(i), self.to.add(i)) };
        }
    }
}

/// `sums (+)= rows · panels`. Each sum is one chain over the pairs from the first to the last.
///
/// # Safety
/// Whoever makes one vouches for the pointers.
pub(super) struct PairProduct {
    pub(super) rows: usize,
    /// Pairs along the sums.
    pub(super) pairs: usize,
    pub(super) panels: usize,
    /// `[rows][left_stride]`
    pub(super) left: *const [u16; 2],
    pub(super) left_stride: usize,
    /// `[panels][panel_stride][16]`
    pub(super) right: *const [u16; 2],
    /// In pairs.
    pub(super) panel_stride: usize,
    pub(super) from: From,
    pub(super) sums: Sums,
    /// Whether few rows read the panels in one stream rather than in several.
    pub(super) one_stream: bool,
    /// What will be read after the last panel: one stream asks for it.
    pub(super) next: *const [u16; 2],
}

impl PairKernel for PairProduct {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let mut panel = 0;
        // SAFETY: for rows and panels below these numbers.
        unsafe {
            while panel < self.panels {
                panel += match self.panels - panel {
                    1.. if self.one_stream && self.rows <= FEW => self.all_rows::<D, 1>(d, panel),
                    4.. if self.rows <= FEW => self.all_rows::<D, 4>(d, panel),
                    2.. => self.all_rows::<D, 2>(d, panel),
                    _ => self.all_rows::<D, 1>(d, panel),
                };
            }
        }
    }
}

impl PairProduct {
    /// All rows, `P` panels from `panel` on; returns P.
    #[inline(always)]
    unsafe fn all_rows<D: Pairs, const P: usize>(&self, d: D, panel: usize) -> usize {
        let mut row = 0;
        while row < self.rows {
            // SAFETY: the caller's, for rows that there are.
            row += unsafe {
                match self.rows - row {
                    1 => self.block::<D, 1, P>(d, row, panel),
                    2 => self.block::<D, 2, P>(d, row, panel),
                    3 => self.block::<D, 3, P>(d, row, panel),
                    8.. if P <= 2 => self.block::<D, 8, P>(d, row, panel),
                    _ => self.block::<D, 4, P>(d, row, panel),
                }
            };
        }
        P
    }

    /// `R` rows times `P` panels; returns R.
    #[inline(always)]
    unsafe fn block<D: Pairs, const R: usize, const P: usize>(
        &self,
        d: D,
        row: usize,
        panel: usize,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe {
            // Loops, no closures: those would be functions without the instruction set.
            let mut left = [self.left; R];
            let mut right = [self.right; P];
            for r in 0..R {
                left[r] = self.left.add((row + r) * self.left_stride);
            }
            for p in 0..P {
                right[p] = self.right.add((panel + p) * self.panel_stride * PANEL);
            }
            let Sums {
                start,
                row_stride,
                panel_stride,
            } = self.sums;
            let mut to = [[start; P]; R];
            let mut sums = [[d.zero(); P]; R];
            for r in 0..R {
                for p in 0..P {
                    to[r][p] = start.add((row + r) * row_stride + (panel + p) * panel_stride);
                    match self.from {
                        From::Zero => {}
                        From::There => sums[r][p] = d.load(to[r][p]),
                        From::Scaled(factors) => {
                            sums[r][p] = d.scale(d.load(to[r][p]), *factors.add(row + r));
                        }
                        From::ScaledAll(factor) => sums[r][p] = d.scale(d.load(to[r][p]), factor),
                    }
                }
            }
            // From this pair on, what is asked for lies behind the last panel.
            let left_over = (self.panels - panel) * self.panel_stride;
            let cut = left_over.saturating_sub(AHEAD / LINE);
            let behind = self.next.wrapping_byte_add(AHEAD).wrapping_sub(left_over * PANEL);
            for pair in 0..self.pairs {
                if P == 1 && R <= FEW {
                    let ahead = right[0].wrapping_byte_add(AHEAD);
                    let from = if pair < cut { ahead } else { behind };
                    d.vectors().prefetch_later(from.wrapping_add(pair * PANEL));
                }
                let mut weights = [d.weights(right[0].add(pair * PANEL)); P];
                for p in 1..P {
                    weights[p] = d.weights(right[p].add(pair * PANEL));
                }
                for r in 0..R {
                    for p in 0..P {
                        sums[r][p] = d.add(sums[r][p], weights[p], left[r].add(pair));
                    }
                }
            }
            for r in 0..R {
                for p in 0..P {
                    d.store(to[r][p], sums[r][p]);
                }
            }
        }
        R
    }
}
