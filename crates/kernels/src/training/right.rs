//! Right operands: columns in panels, pairs of bf16 over the numbers that are summed. Pair products and tiles read
//! the same.

use crate::Isa;
use crate::matrix::PANEL;
use crate::memory::Buffer;
use crate::pairs::{PairKernel, Pairs};
use crate::tiles::ROWS;

use super::View;

/// A matrix in pairs: `[panels][pairs][16]`.
#[derive(Default)]
pub(super) struct PairPanels {
    data: Buffer<u16>,
    /// Pairs that are summed over.
    pairs: usize,
}

/// Panels that are read: `[panels][pairs][16]`.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) data: &'a [[u16; 2]],
    /// Pairs that are summed over; whole tiles of them where tiles multiply.
    pub(super) pairs: usize,
}

impl PairPanels {
    /// Rounds `matrix`, `[k, columns]`. What is missing of a last pair, tile or panel is zero.
    pub(super) fn round(&mut self, isa: Isa, matrix: View<'_>, [k, columns]: [usize; 2]) {
        let pairs = k.div_ceil(2);
        self.pairs = if isa.has_tiles() {
            pairs.next_multiple_of(ROWS)
        } else {
            pairs
        };
        let panels = columns.div_ceil(PANEL);
        let length = panels * self.pairs * PANEL;
        // What it outgrows is not the system's again before all of it is: panels come in a few sizes.
        if self.data.as_slice().len() < 2 * length {
            self.data = Buffer::zeroed(2 * length);
        }
        let (out, _) = self.data.as_mut_slice().as_chunks_mut::<2>();
        let out = &mut out[..length];
        if pairs < self.pairs {
            for panel in out.chunks_exact_mut(self.pairs * PANEL) {
                panel[pairs * PANEL..].fill([0; 2]);
            }
        }
        if columns % PANEL > 0 && panels > 0 {
            out[(panels - 1) * self.pairs * PANEL..].fill([0; 2]);
        }
        let sizes = [k, columns];
        let pairs = self.pairs;
        if matrix.column_stride == 1 {
            isa.run_pairs(Interleave {
                matrix: matrix.data,
                sizes,
                stride: matrix.row_stride,
                pairs,
                out,
            });
        } else {
            isa.run_pairs(Across {
                matrix: matrix.data,
                sizes,
                stride: matrix.column_stride,
                pairs,
                out,
            });
        }
    }

    /// Panels as a right operand.
    pub(super) fn panels(&self) -> Panels<'_> {
        Panels {
            data: self.data.as_slice().as_chunks().0,
            pairs: self.pairs,
        }
    }

    /// Panels as the left operand of pair products: each column is a row.
    pub(super) fn as_left(&self) -> super::pairs::Left<'_> {
        super::pairs::Left {
            data: self.data.as_slice().as_chunks().0,
            panel: self.pairs * PANEL,
            row: 1,
            pair: PANEL,
        }
    }
}

/// Pairs of rows.
struct Interleave<'a> {
    /// `[k, columns]`, rows `stride` apart.
    matrix: &'a [f32],
    sizes: [usize; 2],
    stride: usize,
    pairs: usize,
    out: &'a mut [[u16; 2]],
}

impl PairKernel for Interleave<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let [k, columns] = self.sizes;
        let whole = columns / PANEL;
        let last = whole * PANEL..columns;
        let zeros = [0.0; PANEL];
        for pair in 0..k.div_ceil(2) {
            let even = &self.matrix[2 * pair * self.stride..][..columns];
            let both = 2 * pair + 1 < k;
            let odd = if both {
                &self.matrix[(2 * pair + 1) * self.stride..][..columns]
            } else {
                &zeros[..]
            };
            for panel in 0..whole {
                let from = if both { panel * PANEL } else { 0 };
                let to = &mut self.out[(panel * self.pairs + pair) * PANEL..][..PANEL];
                let (even, odd) = (&even[panel * PANEL..][..PANEL], &odd[from..][..PANEL]);
                // SAFETY: all three have 16 elements.
                unsafe { d.interleave(even.as_ptr(), odd.as_ptr(), to.as_mut_ptr()) };
            }
            if !last.is_empty() {
                let mut room = [zeros; 2];
                room[0][..last.len()].copy_from_slice(&even[last.clone()]);
                if both {
                    room[1][..last.len()].copy_from_slice(&odd[last.clone()]);
                }
                let to = &mut self.out[(whole * self.pairs + pair) * PANEL..][..PANEL];
                // SAFETY: as above.
                unsafe { d.interleave(room[0].as_ptr(), room[1].as_ptr(), to.as_mut_ptr()) };
            }
        }
    }
}

/// Pairs inside columns that lie one behind the other.
struct Across<'a> {
    /// `[columns, k]`, columns `stride` apart.
    matrix: &'a [f32],
    sizes: [usize; 2],
    stride: usize,
    pairs: usize,
    out: &'a mut [[u16; 2]],
}

impl PairKernel for Across<'_> {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let [k, columns] = self.sizes;
        let mut rounded = [[[0u16; 2]; PANEL]; PANEL];
        for first in (0..columns).step_by(PANEL) {
            let width = PANEL.min(columns - first);
            if width < PANEL {
                rounded = [[[0; 2]; PANEL]; PANEL];
            }
            let panel = &mut self.out[first * self.pairs..][..self.pairs * PANEL];
            for at in (0..k).step_by(2 * PANEL) {
                let count = (2 * PANEL).min(k - at);
                for (column, rounded) in rounded.iter_mut().enumerate().take(width) {
                    let from = &self.matrix[(first + column) * self.stride + at..][..count];
                    round_part(d, from, rounded);
                }
                let to = &mut panel[at / 2 * PANEL..];
                if to.len() >= PANEL * PANEL {
                    // SAFETY: both have 16 rows of 16 pairs.
                    unsafe { d.transpose(rounded.as_ptr().cast(), to.as_mut_ptr(), PANEL) };
                } else {
                    let mut room = [[0u16; 2]; PANEL * PANEL];
                    // SAFETY: as above.
                    unsafe { d.transpose(rounded.as_ptr().cast(), room.as_mut_ptr(), PANEL) };
                    to.copy_from_slice(&room[..to.len()]);
                }
            }
        }
    }
}

/// Rounds at most 32 numbers, with zeros behind.
#[inline(always)]
pub(super) fn round_part<D: Pairs>(d: D, from: &[f32], to: &mut [[u16; 2]; PANEL]) {
    let to = to.as_mut_ptr().cast::<u16>();
    if from.len() < 2 * PANEL {
        let mut room = [0.0; 2 * PANEL];
        room[..from.len()].copy_from_slice(from);
        // SAFETY: both have 32 numbers.
        unsafe {
            d.round(room.as_ptr(), to);
            d.round(room.as_ptr().add(PANEL), to.add(PANEL));
        }
        return;
    }
    // SAFETY: both have 32 numbers.
    unsafe {
        d.round(from.as_ptr(), to);
        d.round(from.as_ptr().add(PANEL), to.add(PANEL));
    }
}
