//! Weight matrices in the layout that the products read.

use std::sync::{Arc, OnceLock};

use half::{bf16, f16};

use crate::matmul::paired::Tiny;
use crate::memory::{self, Buffer, Plain};
use crate::pool::Share;
use crate::quant::{self, BLOCK, GROUP, GROUPS, Rounding, bf16_value};
use crate::{Cpu, Isa, Moments};

/// Outputs in a panel, for every instruction set.
pub(crate) const PANEL: usize = 16;
/// Bytes of a q4 block's factors and scales in a panel: `[8 groups][16] i8`, `[16] bf16`.
pub(crate) const Q4_SCALES: usize = GROUPS * PANEL + 2 * PANEL;

/// Element type of a matrix in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// bfloat16; sources in other types are rounded to nearest even.
    Bf16,
    /// f32.
    F32,
    /// int8 with a scale per output and 256 inputs; 8.06 bits a weight.
    Q8,
    /// 4 bits with a factor per 32 and a scale per 256 inputs; 4.31 bits a weight.
    Q4,
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
/// The rows are the outputs. 16 of them form a panel; missing rows of the last panel are zero. One
/// layout serves all instruction sets, the products of one row and those of many:
///
/// - f32: `[panels][columns][16]`
/// - bf16: `[panels][columns / 2][16][2 columns]`, an odd last column paired with zeros
/// - q8: `[panels][columns / 4][16][4 columns]`, columns padded to 64; scales `[panels][blocks][16]`
/// - q4: `[panels][columns / 8][16][4]` bytes: low nibbles are the first four of eight columns, high
///   nibbles the last four; then per panel and block `[8 groups][16]` factors and `[16]` scales
pub struct Matrix {
    rows: usize,
    columns: usize,
    pub(crate) elements: Elements,
    /// Told of every input.
    pub(crate) watch: Option<Arc<Moments>>,
    /// What [`has_tiny`](Self::has_tiny) found.
    tiny: OnceLock<bool>,
}

pub(crate) enum Elements {
    Bf16(Buffer<u16>),
    F32(Buffer<f32>),
    Q8 {
        values: Buffer<i8>,
        /// bf16
        scales: Buffer<u16>,
    },
    Q4 {
        nibbles: Buffer<u8>,
        scales: Buffer<u8>,
    },
}

/// Bytes of a matrix's two arrays: elements, and scales (none for floating point).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the elements.
    pub elements: usize,
    /// Bytes of the scales.
    pub scales: usize,
}

impl Layout {
    /// Changes whenever the bytes of a matrix mean something else.
    pub const VERSION: u32 = 1;

    /// The layout of a `[rows, columns]` matrix; `None` when it is larger than memory can be.
    pub fn new(format: Format, rows: usize, columns: usize) -> Option<Self> {
        let panels = rows.div_ceil(PANEL);
        let outputs = panels.checked_mul(PANEL)?;
        let padded = columns.checked_next_multiple_of(64)?;
        let blocks = panels.checked_mul(padded.div_ceil(BLOCK))?;
        let (elements, scales) = match format {
            Format::F32 => (outputs.checked_mul(columns)?.checked_mul(4)?, 0),
            Format::Bf16 => (
                outputs
                    .checked_mul(columns.checked_next_multiple_of(2)?)?
                    .checked_mul(2)?,
                0,
            ),
            Format::Q8 => (outputs.checked_mul(padded)?, blocks.checked_mul(2 * PANEL)?),
            Format::Q4 => (outputs.checked_mul(padded)? / 2, blocks.checked_mul(Q4_SCALES)?),
        };
        isize::try_from(elements.checked_add(scales)?)
            .is_ok()
            .then_some(Self { elements, scales })
    }
}

impl Matrix {
    /// Packs the rows of all parts, one part below the other, rounded to nearest.
    ///
    /// # Panics
    /// When a part's size is not a multiple of `columns`.
    pub fn pack(cpu: &Cpu, columns: usize, format: Format, parts: &[Source<'_>]) -> Self {
        Self::pack_with(cpu, columns, format, parts, Rounding::Nearest)
    }

    /// The same with a choice of rounding.
    ///
    /// # Panics
    /// When a part's size is not a multiple of `columns`, or the rounding is for other columns.
    pub fn pack_with(
        cpu: &Cpu,
        columns: usize,
        format: Format,
        parts: &[Source<'_>],
        rounding: Rounding<'_>,
    ) -> Self {
        assert!(rounding.fits(columns), "the rounding is for other columns");
        let mut rows = 0;
        for part in parts {
            assert!(
                columns > 0 && part.elements().is_multiple_of(columns),
                "a part is not [rows, {columns}]"
            );
            rows += part.elements() / columns;
        }
        let panels = rows.div_ceil(PANEL);
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
        // The rows of a panel that there are.
        let rows_of = |panel: usize| (0..PANEL).filter_map(move |i| Some((i, find(panel * PANEL + i)?)));
        let padded = quant::padded(columns);
        let blocks = padded.div_ceil(BLOCK);
        let work = panels * PANEL * columns;
        let elements = match format {
            Format::Bf16 => {
                let size = columns.next_multiple_of(2) * PANEL;
                let mut buffer = Buffer::zeroed(panels * size);
                cpu.pieces(buffer.as_mut_slice(), size, work, |number, piece| {
                    for (i, (part, start)) in rows_of(number) {
                        for k in 0..columns {
                            piece[k / 2 * 2 * PANEL + 2 * i + k % 2] = part.bf16(start + k);
                        }
                    }
                });
                Elements::Bf16(buffer)
            }
            Format::F32 => {
                let size = columns * PANEL;
                let mut buffer = Buffer::zeroed(panels * size);
                cpu.pieces(buffer.as_mut_slice(), size, work, |number, piece| {
                    for (i, (part, start)) in rows_of(number) {
                        for k in 0..columns {
                            piece[k * PANEL + i] = part.f32(start + k);
                        }
                    }
                });
                Elements::F32(buffer)
            }
            Format::Q8 => {
                let mut values = Buffer::<i8>::zeroed(panels * PANEL * padded);
                let mut scales = Buffer::<u16>::zeroed(panels * blocks * PANEL);
                let to = Share(scales.as_mut_slice().as_mut_ptr());
                cpu.pieces(
                    values.as_mut_slice(),
                    PANEL * padded,
                    work * 8,
                    |number, piece| {
                        let mut row = vec![0.0; columns];
                        let mut rounded = [0; BLOCK];
                        for (i, (part, start)) in rows_of(number) {
                            for (k, weight) in row.iter_mut().enumerate() {
                                *weight = part.f32(start + k);
                            }
                            for block in 0..columns.div_ceil(BLOCK) {
                                let from = block * BLOCK;
                                let count = BLOCK.min(columns - from);
                                let scale = rounding.q8(cpu.isa, &mut row, from, &mut rounded);
                                // SAFETY: this panel's scales, which no other task has.
                                unsafe { to.get().add((number * blocks + block) * PANEL + i).write(scale) };
                                for (k, value) in rounded[..count].iter().enumerate() {
                                    let k = from + k;
                                    piece[(k / 4 * PANEL + i) * 4 + k % 4] = *value;
                                }
                            }
                        }
                    },
                );
                Elements::Q8 { values, scales }
            }
            Format::Q4 => {
                let mut nibbles = Buffer::<u8>::zeroed(panels * PANEL * padded / 2);
                let mut scales = Buffer::<u8>::zeroed(panels * blocks * Q4_SCALES);
                let to = Share(scales.as_mut_slice().as_mut_ptr());
                cpu.pieces(
                    nibbles.as_mut_slice(),
                    PANEL * padded / 2,
                    work * 8,
                    |number, piece| {
                        let mut row = vec![0.0; columns];
                        piece.fill(0x88);
                        for (i, (part, start)) in rows_of(number) {
                            for (k, weight) in row.iter_mut().enumerate() {
                                *weight = part.f32(start + k);
                            }
                            for block in 0..columns.div_ceil(BLOCK) {
                                let from = block * BLOCK;
                                let count = BLOCK.min(columns - from);
                                let rounded = rounding.q4(cpu.isa, &mut row, from);
                                // SAFETY: this panel's scales, which no other task has.
                                let to = unsafe {
                                    let start = to.get().add((number * blocks + block) * Q4_SCALES);
                                    std::slice::from_raw_parts_mut(start, Q4_SCALES)
                                };
                                for (group, factor) in rounded.factors.iter().enumerate() {
                                    to[group * PANEL + i] = *factor as u8;
                                }
                                to[GROUPS * PANEL + 2 * i..][..2]
                                    .copy_from_slice(&rounded.scale.to_le_bytes());
                                for (k, nibble) in rounded.nibbles[..count].iter().enumerate() {
                                    let k = from + k;
                                    let byte = &mut piece[(k / 8 * PANEL + i) * 4 + k % 4];
                                    *byte = if k % 8 < 4 {
                                        *byte & 0xf0 | nibble
                                    } else {
                                        *byte & 0x0f | nibble << 4
                                    };
                                }
                            }
                        }
                    },
                );
                Elements::Q4 { nibbles, scales }
            }
        };
        Self::from_elements(rows, columns, elements)
    }

    /// A matrix whose elements are as its shape says.
    pub(crate) fn from_elements(rows: usize, columns: usize, elements: Elements) -> Self {
        Self {
            rows,
            columns,
            elements,
            watch: None,
            tiny: OnceLock::new(),
        }
    }

    /// A matrix from the bytes that [`raw`](Self::raw) gave; `None` when they are not as many as
    /// [`Layout`] says. They are copied to huge pages.
    pub fn from_raw(
        format: Format,
        rows: usize,
        columns: usize,
        elements: &[u8],
        scales: &[u8],
    ) -> Option<Self> {
        let layout = Layout::new(format, rows, columns)?;
        if elements.len() != layout.elements || scales.len() != layout.scales {
            return None;
        }
        let elements = match format {
            Format::F32 => Elements::F32(Buffer::from_bytes(elements)),
            Format::Bf16 => Elements::Bf16(Buffer::from_bytes(elements)),
            Format::Q8 => Elements::Q8 {
                values: Buffer::from_bytes(elements),
                scales: Buffer::from_bytes(scales),
            },
            Format::Q4 => Elements::Q4 {
                nibbles: Buffer::from_bytes(elements),
                scales: Buffer::from_bytes(scales),
            },
        };
        Some(Self::from_elements(rows, columns, elements))
    }

    /// `count` places for matrices of a format and shape, zeros until bytes are put into
    /// [`slot`](Self::slot); `None` when they are larger than memory can be.
    pub fn slots(format: Format, rows: usize, columns: usize, count: usize) -> Option<Vec<Self>> {
        fn all<A: Plain, B: Plain>(
            count: usize,
            layout: Layout,
            elements: impl Fn(Buffer<A>, Buffer<B>) -> Elements,
        ) -> Option<Vec<Elements>> {
            let slots = memory::slots(count, layout.elements, layout.scales)?;
            Some(slots.into_iter().map(|(a, b)| elements(a, b)).collect())
        }
        let layout = Layout::new(format, rows, columns)?;
        let slots = match format {
            Format::F32 => all(count, layout, |buffer, _: Buffer<u8>| Elements::F32(buffer)),
            Format::Bf16 => all(count, layout, |buffer, _: Buffer<u8>| Elements::Bf16(buffer)),
            Format::Q8 => all(count, layout, |values, scales| Elements::Q8 { values, scales }),
            Format::Q4 => all(count, layout, |nibbles, scales| Elements::Q4 { nibbles, scales }),
        };
        let matrix = |elements| Self::from_elements(rows, columns, elements);
        Some(slots?.into_iter().map(matrix).collect())
    }

    /// The bytes of a matrix that [`slots`](Self::slots) made: elements, scales, and what fills up the last
    /// page of 4,096. It begins at such a page. Any bytes are some matrix.
    pub fn slot(&mut self) -> Option<&mut [u8]> {
        self.tiny = OnceLock::new();
        // SAFETY: both buffers of the slot are borrowed with this matrix.
        unsafe {
            match &mut self.elements {
                Elements::F32(buffer) => buffer.room(),
                Elements::Bf16(buffer) => buffer.room(),
                Elements::Q8 { values, .. } => values.room(),
                Elements::Q4 { nibbles, .. } => nibbles.room(),
            }
        }
    }

    /// The bytes in memory, little-endian numbers: elements, and scales.
    pub fn raw(&self) -> [&[u8]; 2] {
        match &self.elements {
            Elements::F32(buffer) => [buffer.as_bytes(), &[]],
            Elements::Bf16(buffer) => [buffer.as_bytes(), &[]],
            Elements::Q8 { values, scales } => [values.as_bytes(), scales.as_bytes()],
            Elements::Q4 { nibbles, scales } => [nibbles.as_bytes(), scales.as_bytes()],
        }
    }

    /// Whether one of its bf16 is [`Tiny`]. They are looked through once.
    pub(crate) fn has_tiny(&self, isa: Isa) -> bool {
        let Elements::Bf16(elements) = &self.elements else {
            return false;
        };
        *self.tiny.get_or_init(|| isa.run(Tiny(elements.as_slice())))
    }

    /// Lets products tell `moments` of their inputs, for calibration; they get slower.
    ///
    /// # Panics
    /// When the moments are for other columns.
    pub fn watch(&mut self, moments: Arc<Moments>) {
        assert!(moments.columns() == self.columns, "moments for other columns");
        self.watch = Some(moments);
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Element type.
    pub fn format(&self) -> Format {
        match &self.elements {
            Elements::Bf16(_) => Format::Bf16,
            Elements::F32(_) => Format::F32,
            Elements::Q8 { .. } => Format::Q8,
            Elements::Q4 { .. } => Format::Q4,
        }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let [elements, scales] = self.raw();
        elements.len() + scales.len()
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
        let (panel, i) = (row / PANEL, row % PANEL);
        let padded = quant::padded(self.columns);
        let blocks = padded.div_ceil(BLOCK);
        match &self.elements {
            Elements::Bf16(buffer) => {
                let start = panel * PANEL * self.columns.next_multiple_of(2) + 2 * i;
                for (k, x) in to.iter_mut().enumerate() {
                    *x = bf16_value(buffer.as_slice()[start + k / 2 * 2 * PANEL + k % 2]);
                }
            }
            Elements::F32(buffer) => {
                let start = panel * PANEL * self.columns + i;
                for (k, x) in to.iter_mut().enumerate() {
                    *x = buffer.as_slice()[start + k * PANEL];
                }
            }
            Elements::Q8 { values, scales } => {
                let values = &values.as_slice()[panel * PANEL * padded..];
                for (k, x) in to.iter_mut().enumerate() {
                    let scale = scales.as_slice()[(panel * blocks + k / BLOCK) * PANEL + i];
                    *x = bf16_value(scale) * f32::from(values[(k / 4 * PANEL + i) * 4 + k % 4]);
                }
            }
            Elements::Q4 { nibbles, scales } => {
                let nibbles = &nibbles.as_slice()[panel * PANEL * padded / 2..];
                for (k, x) in to.iter_mut().enumerate() {
                    let scales = &scales.as_slice()[(panel * blocks + k / BLOCK) * Q4_SCALES..];
                    let factor = scales[k % BLOCK / GROUP * PANEL + i] as i8;
                    let at = GROUPS * PANEL + 2 * i;
                    let scale = bf16_value(u16::from_le_bytes([scales[at], scales[at + 1]]));
                    let byte = nibbles[(k / 8 * PANEL + i) * 4 + k % 4];
                    let nibble = if k % 8 < 4 { byte & 15 } else { byte >> 4 };
                    *x = scale * f32::from(i16::from(factor) * (i16::from(nibble) - 8));
                }
            }
        }
    }
}
