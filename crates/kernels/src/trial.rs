//! A trial of an instruction set before it is chosen: its integer products against plain Rust's.
//!
//! What few processors have, and virtual machines do not always pass on whole, is the fastest where it is right.
//! Integer products are equal to the bit on every instruction set, so a trial costs a fraction
//! of a millisecond and leaves no doubt about what was tried.

use crate::{Cpu, Format, Isa, Matrix, Source};

/// Rows: whole tiles, and what is left of them.
const ROWS: usize = 37;
/// Outputs: pairs of panels, a panel alone, and part of one.
const OUTPUTS: usize = 55;
/// Columns: a whole block, and what is left of one.
const COLUMNS: usize = 334;

/// Whether q8 and q4 products of one and of many rows are those of plain Rust.
pub(crate) fn passes(isa: Isa) -> bool {
    let Some(plain) = Isa::named("portable") else {
        return false;
    };
    let (cpu, plain) = (Cpu::new(Some(isa), 1), Cpu::new(Some(plain), 1));
    let weights: Vec<u8> = numbers(1, OUTPUTS * COLUMNS).flat_map(f32::to_le_bytes).collect();
    let input: Vec<f32> = numbers(2, ROWS * COLUMNS).collect();
    [Format::Q8, Format::Q4].into_iter().all(|format| {
        let matrix = Matrix::pack(&plain, COLUMNS, format, &[Source::F32(&weights)]);
        [1, ROWS].into_iter().all(|rows| {
            let multiply = |cpu: &Cpu| {
                let mut out = vec![0.0; rows * OUTPUTS];
                cpu.matmul(&matrix, &input[..rows * COLUMNS], &mut out);
                out
            };
            multiply(&cpu) == multiply(&plain)
        })
    })
}

/// Numbers between -1 and 1.
fn numbers(seed: u32, count: usize) -> impl Iterator<Item = f32> {
    (0..count as u32).map(move |i| {
        let spread = (i + seed * 0x1_0001).wrapping_mul(0x9e37_79b9).rotate_left(11) >> 8;
        spread as f32 / (1 << 23) as f32 - 1.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_here_passes() {
        for isa in Isa::available().into_iter().chain([Isa::wide()]) {
            assert!(passes(isa), "{isa:?}");
        }
        assert!(!passes(Isa::wrong()));
    }
}
