//! Matrix tiles: what AMX computes, and the same in plain Rust.
//!
//! A tile has 16 rows of 64 bytes. `C [16, 16] += A [16, 64 bytes] · B`, where row t of B holds, for
//! each of 16 outputs, the columns that 4 bytes take: just what lies together in a packed matrix.
//! A row of C depends on its row of A alone, to the bit.

use crate::Isa;

/// Rows of a tile.
pub(crate) const ROWS: usize = 16;
/// Bytes of a tile's row.
pub(crate) const ROW: usize = 64;
/// Bytes of a tile.
pub(crate) const TILE: usize = ROWS * ROW;

/// Most rows of a macro-tile.
pub(crate) const MACRO_ROWS: usize = 2 * ROWS;

/// Operands of a macro-tile: one or two tiles of rows times two panels, `steps` tiles along K.
#[derive(Clone, Copy)]
pub(crate) struct MacroTile {
    /// First byte of the rows' first tile; the second begins 16 rows further.
    pub(crate) input: *const u8,
    /// Bytes from row to row.
    pub(crate) input_stride: usize,
    /// Bytes from a tile to the next one along K.
    pub(crate) input_step: usize,
    /// The two panels: `steps` tiles of B, one behind the other. `runs` such pairs, each going on where the one before
    /// it ends along K.
    pub(crate) panels: [[*const u8; 2]; 2],
    pub(crate) runs: usize,
    pub(crate) steps: usize,
    /// Each panel's sums, 16 or 32 rows of 64 bytes.
    pub(crate) sums: [*mut u8; 2],
    /// Bytes from row to row.
    pub(crate) sums_stride: usize,
    /// 32 rows rather than 16.
    pub(crate) two: bool,
    /// The sums start from what is there rather than from zero.
    pub(crate) add: bool,
}

/// Most tiles of rows of a column.
pub(crate) const COLUMN_TILES: usize = 4;

/// Operands of a column: one to four tiles of rows times one panel.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Tiles of rows.
    pub(crate) tiles: usize,
    /// First byte of the rows' first tile; the others begin 16 rows further each.
    pub(crate) input: *const u8,
    /// Bytes from row to row.
    pub(crate) input_stride: usize,
    /// Bytes from a tile to the next one along K.
    pub(crate) input_step: usize,
    /// `steps` tiles of B, one behind the other.
    pub(crate) panel: *const u8,
    /// What lies behind them in memory is read next, and asked for.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "only a processor's own tiles ask")
    )]
    pub(crate) ask: bool,
    pub(crate) steps: usize,
    /// Rows of 64 bytes, one behind the other.
    pub(crate) sums: *mut u8,
}

/// Operands of a strip: a tile of rows times one panel, which is read straight on from memory.
#[derive(Clone, Copy)]
pub(crate) struct Strip {
    /// First byte of the rows' first tile.
    pub(crate) input: *const u8,
    /// Bytes from row to row.
    pub(crate) input_stride: usize,
    /// Bytes from a tile to the next one along K.
    pub(crate) input_step: usize,
    /// `steps` tiles of B, one behind the other.
    pub(crate) panel: *const u8,
    /// What lies behind them in memory is read next, and asked for.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "only a processor's own tiles ask")
    )]
    pub(crate) ask: bool,
    pub(crate) steps: usize,
    /// 16 rows of 64 bytes, one behind the other.
    pub(crate) sums: *mut u8,
    /// The sums start from what is there rather than from zero.
    pub(crate) add: bool,
}

/// Operands of a row's strips: one row times some panels, which are read straight on from memory. All sums start from
/// what is there.
#[derive(Clone, Copy)]
pub(crate) struct RowStrips {
    /// The row's first tile.
    pub(crate) input: *const u8,
    /// Bytes from a tile to the next one along K.
    pub(crate) input_step: usize,
    /// The first panel's `steps` tiles of B, one behind the other.
    pub(crate) panels: *const u8,
    pub(crate) steps: usize,
    /// Bytes from a panel's last tile to the next panel's first.
    pub(crate) gap: usize,
    pub(crate) count: usize,
    /// `[count]` of 64 bytes.
    pub(crate) sums: *mut u8,
}

impl Strip {
    /// Plain Rust takes it for a macro-tile whose second panel's sums go nowhere.
    fn doubled(self, nowhere: &mut [u8; TILE]) -> MacroTile {
        MacroTile {
            input: self.input,
            input_stride: self.input_stride,
            input_step: self.input_step,
            panels: [[self.panel; 2]; 2],
            runs: 1,
            steps: self.steps,
            sums: [self.sums, nowhere.as_mut_ptr()],
            sums_stride: ROW,
            two: false,
            add: self.add,
        }
    }
}

/// Tiles that this thread may use.
///
/// # Safety
/// The operands must be valid for 16 or 32 rows, `steps` tiles and one or two panels.
pub(crate) trait Tiles: Copy {
    /// `sums (+)= input · panels`, i8 by i8 into i32.
    unsafe fn int8(self, operands: MacroTile);

    /// `sums (+)= input · panels`, bf16 by bf16 into f32: of a tile, first the products at even and those at odd
    /// columns each in a chain of their own, then both together to the sum. Denormal numbers are zero.
    unsafe fn bf16(self, operands: MacroTile);

    /// As [`int8`](Self::int8), from zero.
    unsafe fn int8_column(self, operands: Column);

    /// As [`bf16`](Self::bf16).
    unsafe fn bf16_strip(self, operands: Strip);

    /// As [`bf16`](Self::bf16), of one row.
    unsafe fn bf16_row(self, operands: RowStrips);
}

/// An algorithm on tiles.
pub(crate) trait TileKernel {
    /// Runs it; `isa` is the instruction set of everything around the tiles.
    fn run<T: Tiles>(self, isa: Isa, tiles: T);
}

/// Tiles in plain Rust, with the instructions' semantics.
#[derive(Clone, Copy)]
pub(crate) struct Emulated;

impl Emulated {
    /// Each sum by itself: `product` adds four bytes of a row times as many of a column of B.
    ///
    /// # Safety
    /// As for [`Tiles`].
    unsafe fn each<S: Copy + Default>(
        operands: MacroTile,
        product: impl Fn(&[[u8; 4]; ROWS], &dyn Fn(usize) -> [u8; 4], S) -> S,
    ) {
        let rows = if operands.two { 2 * ROWS } else { ROWS };
        for row in 0..rows {
            for (panel, to) in operands.sums.into_iter().enumerate() {
                for column in 0..16 {
                    // SAFETY: the caller's.
                    unsafe {
                        let to = to.add(row * operands.sums_stride).cast::<S>().add(column);
                        let mut sum = if operands.add {
                            to.read_unaligned()
                        } else {
                            S::default()
                        };
                        for step in 0..operands.runs * operands.steps {
                            let from = operands.panels[step / operands.steps][panel];
                            let a = operands
                                .input
                                .add(row * operands.input_stride + step * operands.input_step);
                            let a = a.cast::<[[u8; 4]; ROWS]>().read();
                            let b = from
                                .add(step % operands.steps * TILE)
                                .cast::<[[[u8; 4]; 16]; ROWS]>();
                            sum = product(&a, &|k| (*b)[k][column], sum);
                        }
                        to.write_unaligned(sum);
                    }
                }
            }
        }
    }
}

impl Tiles for Emulated {
    unsafe fn int8(self, operands: MacroTile) {
        let product = |a: &[[u8; 4]; ROWS], b: &dyn Fn(usize) -> [u8; 4], sum: i32| {
            a.iter().enumerate().fold(sum, |sum, (k, a)| {
                let products = a
                    .iter()
                    .zip(b(k))
                    .map(|(a, b)| i32::from(*a as i8) * i32::from(b as i8));
                sum + products.sum::<i32>()
            })
        };
        // SAFETY: the caller's.
        unsafe { Self::each(operands, product) }
    }

    unsafe fn bf16(self, operands: MacroTile) {
        let value = |low: u8, high: u8| f32::from_bits(u32::from_le_bytes([0, 0, low, high]));
        let product = |a: &[[u8; 4]; ROWS], b: &dyn Fn(usize) -> [u8; 4], sum: f32| {
            let (mut even, mut odd) = (0.0, 0.0);
            for (k, a) in a.iter().enumerate() {
                let b = b(k);
                even += value(a[0], a[1]) * value(b[0], b[1]);
                odd += value(a[2], a[3]) * value(b[2], b[3]);
            }
            sum + (even + odd)
        };
        // SAFETY: the caller's.
        unsafe { Self::each(operands, product) }
    }

    unsafe fn int8_column(self, operands: Column) {
        for tile in 0..operands.tiles {
            // SAFETY: the caller's, and there is room for the second panel's sums.
            unsafe {
                let strip = Strip {
                    input: operands.input.add(tile * ROWS * operands.input_stride),
                    input_stride: operands.input_stride,
                    input_step: operands.input_step,
                    panel: operands.panel,
                    ask: false,
                    steps: operands.steps,
                    sums: operands.sums.add(tile * TILE),
                    add: false,
                };
                self.int8(strip.doubled(&mut [0; TILE]));
            }
        }
    }

    unsafe fn bf16_strip(self, operands: Strip) {
        // SAFETY: the caller's, and there is room for the second panel's sums.
        unsafe { self.bf16(operands.doubled(&mut [0; TILE])) }
    }

    unsafe fn bf16_row(self, operands: RowStrips) {
        let mut sums = [0; TILE];
        for panel in 0..operands.count {
            // SAFETY: the caller's; of a tile of rows that are all the same one, the first is it.
            unsafe {
                let to = operands.sums.add(panel * ROW);
                to.copy_to_nonoverlapping(sums.as_mut_ptr(), ROW);
                let strip = Strip {
                    input: operands.input,
                    input_stride: 0,
                    input_step: operands.input_step,
                    panel: operands
                        .panels
                        .add(panel * (operands.steps * TILE + operands.gap)),
                    ask: false,
                    steps: operands.steps,
                    sums: sums.as_mut_ptr(),
                    add: true,
                };
                self.bf16_strip(strip);
                sums.as_ptr().copy_to_nonoverlapping(to, ROW);
            }
        }
    }
}

/// Tiles that compute nothing.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(crate) struct Wrong;

#[cfg(test)]
impl Tiles for Wrong {
    unsafe fn int8(self, _: MacroTile) {}

    unsafe fn bf16(self, _: MacroTile) {}

    unsafe fn int8_column(self, _: Column) {}

    unsafe fn bf16_strip(self, _: Strip) {}

    unsafe fn bf16_row(self, _: RowStrips) {}
}
