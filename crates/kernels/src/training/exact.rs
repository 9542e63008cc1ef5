//! f32 products of operands that lie anywhere: any strides, any sizes.

use super::Products;
use crate::dense::{From, PANEL, Panels, Rows, Sums, product};
use crate::simd::{Kernel, Simd};

/// A matrix that is read: element (row, column) lies at `row · row_stride + column · column_stride`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) data: &'a [f32],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> View<'a> {
    /// Rows that begin `stride` elements apart.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        Self {
            data,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose of rows that begin `stride` elements apart.
    pub fn transposed(data: &'a [f32], stride: usize) -> Self {
        Self {
            data,
            row_stride: 1,
            column_stride: stride,
        }
    }

    /// Whether all elements of that many rows and columns are there.
    pub(super) fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

impl Products {
    /// `out = left · right`, or `out += left · right`, in f32. `left`: `[rows, k]`, `right`: `[k, columns]`; rows of
    /// `out` begin `stride` elements apart.
    ///
    /// # Panics
    /// When an operand is too small for `[rows, k, columns]`.
    pub fn product(
        &mut self,
        [rows, k, columns]: [usize; 3],
        left: View<'_>,
        right: View<'_>,
        out: &mut [f32],
        stride: usize,
        add: bool,
    ) {
        assert!(
            left.holds(rows, k) && right.holds(k, columns),
            "an operand is too small"
        );
        if rows == 0 || columns == 0 {
            return;
        }
        assert!(
            stride >= columns && (rows - 1) * stride + columns <= out.len(),
            "the sums have no room"
        );
        let panels = columns.div_ceil(PANEL);
        self.panels
            .resize((panels * k * PANEL).max(self.panels.len()), 0.0);
        pack(right, k, columns, &mut self.panels);
        let (whole, rest) = (columns / PANEL, columns % PANEL);
        if rest > 0 {
            self.tail.clear();
            self.tail.resize(rows * PANEL, 0.0);
            if add {
                for (row, tail) in self.tail.chunks_exact_mut(PANEL).enumerate() {
                    tail[..rest].copy_from_slice(&out[row * stride + whole * PANEL..][..rest]);
                }
            }
        }
        self.isa.run(Strided {
            sizes: [rows, k, whole],
            left,
            panels: &self.panels,
            out,
            stride,
            tail: (rest > 0).then_some(&mut self.tail),
            add,
        });
        if rest > 0 {
            for (row, tail) in self.tail.chunks_exact(PANEL).enumerate() {
                out[row * stride + whole * PANEL..][..rest].copy_from_slice(&tail[..rest]);
            }
        }
    }
}

/// `[k, columns]` to `[panels][k][16]`; what is missing of the last panel is zero.
fn pack(right: View<'_>, k: usize, columns: usize, panels: &mut [f32]) {
    for (panel, to) in panels
        .chunks_exact_mut((k * PANEL).max(1))
        .take(columns.div_ceil(PANEL))
        .enumerate()
    {
        let first = panel * PANEL;
        let width = PANEL.min(columns - first);
        if width < PANEL {
            to.fill(0.0);
        }
        if right.column_stride == 1 {
            for (i, to) in to.chunks_exact_mut(PANEL).enumerate() {
                let from = i * right.row_stride + first;
                to[..width].copy_from_slice(&right.data[from..from + width]);
            }
        } else {
            for column in 0..width {
                let from = &right.data[(first + column) * right.column_stride..];
                for (i, to) in to.chunks_exact_mut(PANEL).enumerate() {
                    to[column] = from[i * right.row_stride];
                }
            }
        }
    }
}

struct Strided<'a> {
    /// Rows, k, whole panels.
    sizes: [usize; 3],
    left: View<'a>,
    panels: &'a [f32],
    out: &'a mut [f32],
    stride: usize,
    tail: Option<&'a mut Vec<f32>>,
    add: bool,
}

impl Kernel for Strided<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [rows, k, whole] = self.sizes;
        let left = Rows {
            start: self.left.data.as_ptr(),
            row_stride: self.left.row_stride,
            k_stride: self.left.column_stride,
        };
        let right = Panels {
            start: self.panels.as_ptr(),
            panel_stride: k * PANEL,
        };
        let from = if self.add { From::There } else { From::Zero };
        let sums = Sums {
            start: self.out.as_mut_ptr(),
            row_stride: self.stride,
            panel_stride: PANEL,
        };
        // SAFETY: `Products::product` checked that the operands hold these sizes and that the sums have room for the
        // whole panels; the tail has `rows` panels of its own.
        unsafe {
            product(s, rows, k, whole, left, right, from, sums);
            if let Some(tail) = self.tail {
                let sums = Sums {
                    start: tail.as_mut_ptr(),
                    row_stride: PANEL,
                    panel_stride: PANEL,
                };
                product(s, rows, k, 1, left, right.panel(whole), from, sums);
            }
        }
    }
}
