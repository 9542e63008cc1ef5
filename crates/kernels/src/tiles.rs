//! Matrix tiles: what AMX computes, and the same in plain Rust.
//!
//! A tile has 16 rows of 64 bytes. `C [16, 16] += A [16, 64 bytes] · B`, where row t of B holds, for
//! each of 16 outputs, the columns that 4 bytes take: just what lies together in a packed matrix.

use crate::Isa;

/// Rows of a tile.
pub(crate) const ROWS: usize = 16;
/// Bytes of a tile's row.
pub(crate) const ROW: usize = 64;
/// Bytes of a tile.
pub(crate) const TILE: usize = ROWS * ROW;

/// Operands of a macro-tile: one or two tiles of rows times two panels, `steps` tiles along K.
#[derive(Clone, Copy)]
pub(crate) struct MacroTile {
    /// First byte of the rows' first tile; the second begins 16 rows further.
    pub(crate) input: *const u8,
    /// Bytes from row to row.
    pub(crate) input_stride: usize,
    /// The two panels: `steps` tiles of B, one behind the other.
    pub(crate) panels: [*const u8; 2],
    pub(crate) steps: usize,
    /// The sums, `[16 or 32][32]` of 4 bytes.
    pub(crate) sums: *mut u8,
    /// Bytes from row to row.
    pub(crate) sums_stride: usize,
    /// 32 rows rather than 16.
    pub(crate) two: bool,
}

/// Tiles that this thread may use.
///
/// # Safety
/// The operands must be valid for 16 or 32 rows, `steps` tiles and two panels.
pub(crate) trait Tiles: Copy {
    /// `sums = input · panels`, i8 by i8 into i32.
    unsafe fn int8(self, operands: MacroTile);
}

/// An algorithm on tiles.
pub(crate) trait TileKernel {
    /// Runs it; `isa` is the instruction set of everything around the tiles.
    fn run<T: Tiles>(self, isa: Isa, tiles: T);
}

/// Tiles in plain Rust, with the instructions' semantics.
#[derive(Clone, Copy)]
pub(crate) struct Emulated;

impl Tiles for Emulated {
    unsafe fn int8(self, operands: MacroTile) {
        let rows = if operands.two { 2 * ROWS } else { ROWS };
        for row in 0..rows {
            for (panel, from) in operands.panels.into_iter().enumerate() {
                let mut sums = [0_i32; 16];
                for step in 0..operands.steps {
                    // SAFETY: the caller's.
                    let (a, b) = unsafe {
                        let a = operands.input.add(row * operands.input_stride + step * ROW);
                        let b = from.add(step * TILE).cast::<[[[i8; 4]; 16]; ROWS]>();
                        (a.cast::<[[i8; 4]; 16]>().read(), &*b)
                    };
                    for (a, b) in a.into_iter().zip(b) {
                        for (sum, b) in sums.iter_mut().zip(b) {
                            for (a, b) in a.into_iter().zip(b) {
                                *sum += i32::from(a) * i32::from(*b);
                            }
                        }
                    }
                }
                // SAFETY: the caller's.
                unsafe {
                    let to = operands.sums.add(row * operands.sums_stride + panel * ROW);
                    to.cast::<[i32; 16]>().write_unaligned(sums);
                }
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
}
