//! Rows of a packed matrix as f32 again, many at once.

use crate::Isa;
use crate::matrix::{Elements, Matrix, PANEL, Q4_SCALES};
use crate::quant::{self, BLOCK, GROUP, GROUPS, bf16_value};
use crate::simd::{Kernel, Simd};

/// Columns that are copied of one row before the next: their panel's part stays in the first-level cache.
const WIDTH: usize = 64;

impl Matrix {
    /// Copies rows from `first` on to `to`, `[rows, columns]`, as f32. What [`copy_row`](Self::copy_row) does for one,
    /// with the same numbers.
    ///
    /// # Panics
    /// When `to` is not made of rows, or there are fewer of them.
    pub fn copy_rows(&self, isa: Isa, first: usize, to: &mut [f32]) {
        let columns = self.columns();
        assert!(
            columns > 0 && to.len().is_multiple_of(columns) && first + to.len() / columns <= self.rows(),
            "rows from {first} of {}",
            self.rows()
        );
        isa.run(Expand {
            matrix: self,
            first,
            to,
        });
    }
}

struct Expand<'a> {
    matrix: &'a Matrix,
    first: usize,
    to: &'a mut [f32],
}

impl Kernel for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let columns = self.matrix.columns();
        for start in (0..columns).step_by(WIDTH) {
            let width = WIDTH.min(columns - start);
            for (row, to) in self.to.chunks_exact_mut(columns).enumerate() {
                piece(
                    self.matrix,
                    self.first + row,
                    start,
                    &mut to[start..start + width],
                );
            }
        }
    }
}

/// Columns from `start` on, a multiple of [`WIDTH`], of one row.
#[inline(always)]
fn piece(matrix: &Matrix, row: usize, start: usize, to: &mut [f32]) {
    let (panel, i) = (row / PANEL, row % PANEL);
    let columns = matrix.columns();
    let padded = quant::padded(columns);
    let blocks = padded.div_ceil(BLOCK);
    match &matrix.elements {
        Elements::Bf16(buffer) => {
            let from = &buffer.as_slice()[panel * PANEL * columns.next_multiple_of(2)..][start * PANEL..];
            for (pair, to) in from.chunks(2 * PANEL).zip(to.chunks_mut(2)) {
                for (to, bits) in to.iter_mut().zip(&pair[2 * i..2 * i + 2]) {
                    *to = bf16_value(*bits);
                }
            }
        }
        Elements::F32(buffer) => {
            let from = &buffer.as_slice()[(panel * columns + start) * PANEL..];
            for (from, to) in from.chunks(PANEL).zip(to) {
                *to = from[i];
            }
        }
        Elements::Q8 { values, scales } => {
            let from = &values.as_slice()[(panel * padded + start) * PANEL..];
            let scale = bf16_value(scales.as_slice()[(panel * blocks + start / BLOCK) * PANEL + i]);
            for (quad, to) in from.chunks(4 * PANEL).zip(to.chunks_mut(4)) {
                for (to, value) in to.iter_mut().zip(&quad[4 * i..4 * i + 4]) {
                    *to = scale * f32::from(*value);
                }
            }
        }
        Elements::Q4 { nibbles, scales } => {
            let from = &nibbles.as_slice()[(panel * padded + start) * PANEL / 2..];
            let scales = &scales.as_slice()[(panel * blocks + start / BLOCK) * Q4_SCALES..];
            let at = GROUPS * PANEL + 2 * i;
            let scale = bf16_value(u16::from_le_bytes([scales[at], scales[at + 1]]));
            for (number, (octet, to)) in from.chunks(4 * PANEL).zip(to.chunks_mut(8)).enumerate() {
                let group = (start + 8 * number) % BLOCK / GROUP;
                let factor = i16::from(scales[group * PANEL + i] as i8);
                let bytes = &octet[4 * i..4 * i + 4];
                let low = bytes.iter().map(|byte| byte & 15);
                let high = bytes.iter().map(|byte| byte >> 4);
                for (to, nibble) in to.iter_mut().zip(low.chain(high)) {
                    *to = scale * f32::from(factor * (i16::from(nibble) - 8));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cpu, Format, Isa, Matrix, Source};

    #[test]
    fn many_rows_are_those_that_are_copied_one_by_one() {
        let cpu = Cpu::new(None, 1);
        for (rows, columns) in [(5, 63), (33, 64), (40, 300), (17, 1)] {
            let bytes: Vec<u8> = (0..rows * columns)
                .flat_map(|i| ((i * i) as f32 * 0.37).sin().to_le_bytes())
                .collect();
            for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
                let matrix = Matrix::pack(&cpu, columns, format, &[Source::F32(&bytes)]);
                for first in [0, 3] {
                    let mut together = vec![9.0; (rows - first) * columns];
                    for isa in Isa::available() {
                        matrix.copy_rows(isa, first, &mut together);
                        for (row, own) in together.chunks_exact(columns).enumerate() {
                            let mut alone = vec![0.0; columns];
                            matrix.copy_row(first + row, &mut alone);
                            assert_eq!(own, alone, "{format:?} {rows}×{columns} row {row}");
                        }
                    }
                }
            }
        }
    }
}
