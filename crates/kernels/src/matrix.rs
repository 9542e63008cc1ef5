//! Weight matrices in the layout that the products read.

use half::{bf16, f16};

use crate::Cpu;
use crate::memory::Buffer;
use crate::simd::interleaved;

/// Element type of a matrix in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// bfloat16; sources in other types are rounded to nearest even.
    Bf16,
    /// f32.
    F32,
}

/// Row-major little-endian elements of a file or of memory.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// 4 bytes an element.
    F32(&'a [u8]),
    /// 2 bytes an element.
    Bf16(&'a [u8]),
    /// 2 bytes an element, IEEE half precision.
    F16(&'a [u8]),
}

impl Source<'_> {
    /// Number of elements.
    pub fn elements(self) -> usize {
        match self {
            Self::F32(bytes) => bytes.len() / 4,
            Self::Bf16(bytes) | Self::F16(bytes) => bytes.len() / 2,
        }
    }

    #[inline]
    fn f32(self, index: usize) -> f32 {
        match self {
            Self::F32(bytes) => f32::from_le_bytes(word(bytes, index)),
            Self::Bf16(bytes) => bf16::from_le_bytes(word(bytes, index)).to_f32(),
            Self::F16(bytes) => f16::from_le_bytes(word(bytes, index)).to_f32(),
        }
    }

    #[inline]
    fn bf16(self, index: usize) -> u16 {
        match self {
            Self::Bf16(bytes) => u16::from_le_bytes(word(bytes, index)),
            _ => bf16::from_f32(self.f32(index)).to_bits(),
        }
    }
}

#[inline]
fn word<const N: usize>(bytes: &[u8], index: usize) -> [u8; N] {
    bytes.as_chunks().0[index]
}

/// `W [rows, columns]` of `y = x · Wᵀ`.
///
/// The rows are the outputs. `2 · LANES` of them form a panel, which is stored column by column
/// (`[columns][2 · LANES]`), so that a vector holds neighbouring outputs and an output's sum runs in
/// one lane. bf16 panels are interleaved. Missing rows of the last panel are zero.
pub struct Matrix {
    rows: usize,
    columns: usize,
    /// Rows in a panel.
    panel: usize,
    pub(crate) elements: Elements,
}

pub(crate) enum Elements {
    Bf16(Buffer<u16>),
    F32(Buffer<f32>),
}

impl Matrix {
    /// Packs the rows of all parts, one part below the other.
    ///
    /// # Panics
    /// When a part's size is not a multiple of `columns`.
    pub fn pack(cpu: &Cpu, columns: usize, format: Format, parts: &[Source<'_>]) -> Self {
        let panel = 2 * cpu.isa.lanes();
        let mut rows = 0;
        for part in parts {
            assert!(
                columns > 0 && part.elements().is_multiple_of(columns),
                "a part is not [rows, {columns}]"
            );
            rows += part.elements() / columns;
        }
        let panels = rows.div_ceil(panel);
        let size = panel * columns;
        let find = |mut row: usize| {
            for &part in parts {
                let rows = part.elements() / columns;
                if row < rows {
                    return Some((part, row * columns));
                }
                row -= rows;
            }
            None
        };
        let elements = match format {
            Format::Bf16 => {
                let mut buffer = Buffer::zeroed(panels * size);
                cpu.pieces(buffer.as_mut_slice(), size, panels * size, |number, piece| {
                    for i in 0..panel {
                        let Some((part, start)) = find(number * panel + i) else {
                            break;
                        };
                        let place = interleaved(i, panel / 2);
                        for k in 0..columns {
                            piece[k * panel + place] = part.bf16(start + k);
                        }
                    }
                });
                Elements::Bf16(buffer)
            }
            Format::F32 => {
                let mut buffer = Buffer::zeroed(panels * size);
                cpu.pieces(buffer.as_mut_slice(), size, panels * size, |number, piece| {
                    for i in 0..panel {
                        let Some((part, start)) = find(number * panel + i) else {
                            break;
                        };
                        for k in 0..columns {
                            piece[k * panel + i] = part.f32(start + k);
                        }
                    }
                });
                Elements::F32(buffer)
            }
        };
        Self {
            rows,
            columns,
            panel,
            elements,
        }
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows in a panel, `2 · LANES` of the instruction set that packed it.
    pub(crate) fn panel(&self) -> usize {
        self.panel
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        match &self.elements {
            Elements::Bf16(buffer) => buffer.as_slice().len() * 2,
            Elements::F32(buffer) => buffer.as_slice().len() * 4,
        }
    }

    /// Copies row `row` to `to` as f32: an embedding look-up.
    ///
    /// # Panics
    /// When there is no such row or `to` is not `columns` long.
    pub fn copy_row(&self, row: usize, to: &mut [f32]) {
        assert!(
            row < self.rows && to.len() == self.columns,
            "row {row} of {}",
            self.rows
        );
        let start = row / self.panel * self.panel * self.columns;
        let within = row % self.panel;
        match &self.elements {
            Elements::Bf16(buffer) => {
                let place = start + interleaved(within, self.panel / 2);
                for (k, x) in to.iter_mut().enumerate() {
                    *x = bf16::from_bits(buffer.as_slice()[place + k * self.panel]).to_f32();
                }
            }
            Elements::F32(buffer) => {
                for (k, x) in to.iter_mut().enumerate() {
                    *x = buffer.as_slice()[start + within + k * self.panel];
                }
            }
        }
    }
}
