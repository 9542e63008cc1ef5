//! What this machine could do at best, measured now: the yardstick of every benchmark.

use std::hint::black_box;
use std::time::Instant;

use crate::dot::{BlockRows, Dot, DotKernel};
use crate::matrix::PANEL;
use crate::memory::Buffer;
use crate::pairs::{PairKernel, Pairs};
use crate::quant::{BLOCK, GROUPS};
use crate::simd::{Kernel, Simd};
use crate::tiles::{MacroTile, ROW, ROWS, TileKernel, Tiles};
use crate::{Cpu, Isa};

/// Measured limits of all threads together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes read from memory per second, four streams a thread, huge pages where there are any.
    pub read_bytes_per_second: f64,
    /// f32 operations per second in registers; a multiply-add counts as two.
    pub operations_per_second: f64,
    /// bf16 operations per second of pairs, sums in f32, where there are any; a multiply-add counts as two.
    pub pair_operations_per_second: Option<f64>,
    /// int8 operations per second of vectors, from the first-level cache; a multiply-add counts as two.
    pub int8_operations_per_second: f64,
    /// The same on tiles, where there are any.
    pub tile_operations_per_second: Option<f64>,
}

impl Limits {
    /// bf16 operations per second, sums in f32, by what is fastest at them: tiles, which hold half as many numbers of
    /// bf16 as of int8 and take the same time, pairs, or f32.
    pub fn bf16_operations_per_second(&self) -> f64 {
        let tiles = self.tile_operations_per_second.map_or(0.0, |int8| int8 / 2.0);
        let pairs = self.pair_operations_per_second.unwrap_or_default();
        tiles.max(pairs).max(self.operations_per_second)
    }
}

/// Elements that are read: far more than caches hold.
const ELEMENTS: usize = 64 << 20;
/// Elements that a thread claims at once.
const PIECE: usize = 1 << 18;
const STREAMS: usize = 4;
/// Rounds of 12 vector multiply-adds that a task makes.
const ROUNDS: usize = 200_000;

impl Cpu {
    /// Measures for about a quarter of a second and takes the best of several tries. It needs
    /// 256 MiB meanwhile.
    pub fn limits(&self) -> Limits {
        let buffer = Buffer::<f32>::zeroed(ELEMENTS);
        let data = buffer.as_slice();
        let lanes = self.isa.lanes();
        let tasks = 4 * self.pool.threads();
        let mut limits = Limits {
            read_bytes_per_second: 0.0,
            operations_per_second: 0.0,
            pair_operations_per_second: None,
            int8_operations_per_second: 0.0,
            tile_operations_per_second: None,
        };
        for _ in 0..5 {
            let start = Instant::now();
            self.pool.run(ELEMENTS / PIECE, |piece| {
                black_box(self.isa.run(Read {
                    data: &data[piece * PIECE..][..PIECE],
                }));
            });
            let bytes = ELEMENTS * size_of::<f32>();
            let speed = bytes as f64 / start.elapsed().as_secs_f64();
            limits.read_bytes_per_second = limits.read_bytes_per_second.max(speed);

            let start = Instant::now();
            self.pool.run(tasks, |_| {
                let factor = black_box(0.999);
                black_box(self.isa.run(Multiply { factor }));
            });
            let operations = tasks * ROUNDS * 12 * lanes * 2;
            let speed = operations as f64 / start.elapsed().as_secs_f64();
            limits.operations_per_second = limits.operations_per_second.max(speed);

            let start = Instant::now();
            self.pool.run(tasks, |_| {
                self.isa.run_dot(MultiplyBytes);
            });
            let operations = tasks * BLOCKS * INT8_ROWS * BLOCK * PANEL * 2;
            let speed = operations as f64 / start.elapsed().as_secs_f64();
            limits.int8_operations_per_second = limits.int8_operations_per_second.max(speed);

            if self.isa.has_pairs() {
                let start = Instant::now();
                self.pool.run(tasks, |_| self.isa.run_pairs(MultiplyPairs));
                let operations = tasks * ROUNDS * 12 * PANEL * 2 * 2;
                let speed = operations as f64 / start.elapsed().as_secs_f64();
                let best = limits.pair_operations_per_second.unwrap_or_default().max(speed);
                limits.pair_operations_per_second = Some(best);
            }

            if self.isa.has_tiles() {
                let start = Instant::now();
                self.pool.run(tasks, |_| self.isa.run_tiles(MultiplyTiles));
                let operations = tasks * BLOCKS * 2 * ROWS * BLOCK * 2 * PANEL * 2;
                let speed = operations as f64 / start.elapsed().as_secs_f64();
                let best = limits.tile_operations_per_second.unwrap_or_default().max(speed);
                limits.tile_operations_per_second = Some(best);
            }
        }
        limits
    }
}

struct Read<'a> {
    data: &'a [f32],
}

impl Kernel for Read<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let stream = self.data.len() / STREAMS / S::LANES * S::LANES;
        let mut sums = [s.splat(0.0); STREAMS];
        let mut i = 0;
        while i < stream {
            for (number, sum) in sums.iter_mut().enumerate() {
                // SAFETY: STREAMS streams of `stream` elements lie in `data`, a multiple of LANES.
                *sum = s.add(*sum, unsafe {
                    s.load(self.data.as_ptr().add(number * stream + i))
                });
            }
            i += S::LANES;
        }
        sums.into_iter().map(|sum| s.sum(sum)).sum()
    }
}

struct MultiplyPairs;

impl PairKernel for MultiplyPairs {
    #[inline(always)]
    fn run<D: Pairs>(self, d: D) {
        let numbers = black_box([[0x3f80u16, 0x3f80]; PANEL]);
        let mut sums = [d.zero(); 12];
        // SAFETY: `numbers` holds 16 pairs, `out` 16 sums.
        unsafe {
            let weights = d.weights(numbers.as_ptr());
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = d.add(*sum, weights, numbers.as_ptr());
                }
            }
            let mut out = [0.0; PANEL];
            for sum in sums {
                d.store(out.as_mut_ptr(), sum);
                black_box(&out);
            }
        }
    }
}

struct Multiply {
    factor: f32,
}

impl Kernel for Multiply {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let factor = s.splat(self.factor);
        let mut sums = [s.splat(1.0); 12];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = s.mul_add(*sum, factor, factor);
            }
        }
        sums.into_iter().map(|sum| s.sum(sum)).sum()
    }
}

/// Rows that a block of q8 is multiplied with at once.
const INT8_ROWS: usize = 4;
/// Blocks of q8 that a task multiplies.
const BLOCKS: usize = 5_000;

struct MultiplyBytes;

impl DotKernel for MultiplyBytes {
    type Output = ();

    #[inline(always)]
    fn run<D: Dot>(self, d: D) {
        let weights = [1_i8; BLOCK * PANEL];
        let input = [1_i8; BLOCK];
        let (offsets, bases, scale, start) = ([[0; 2]; GROUPS], [0; GROUPS], 1.0, 0);
        for _ in 0..BLOCKS {
            let rows = BlockRows::<INT8_ROWS> {
                values: [input.as_ptr(); INT8_ROWS],
                offsets: [offsets.as_ptr(); INT8_ROWS],
                bases: [bases.as_ptr(); INT8_ROWS],
                scales: [&raw const scale; INT8_ROWS],
                starts: [&raw const start; INT8_ROWS],
            };
            // SAFETY: a whole block of weights and inputs.
            unsafe {
                black_box(d.q8([black_box(weights.as_ptr())], BLOCK / 4, rows));
            }
        }
    }
}

struct MultiplyTiles;

impl TileKernel for MultiplyTiles {
    #[inline(always)]
    fn run<T: Tiles>(self, _: Isa, tiles: T) {
        let input = [1_u8; 2 * ROWS * BLOCK];
        let weights = [1_u8; BLOCK * PANEL];
        let mut sums = [0_u8; 2 * ROWS * 2 * ROW];
        for _ in 0..BLOCKS {
            // SAFETY: 32 rows of a block of inputs, a panel's block, and 32 rows of two panels.
            unsafe {
                tiles.int8(MacroTile {
                    input: black_box(input.as_ptr()),
                    input_stride: BLOCK,
                    input_step: ROW,
                    panels: [[weights.as_ptr(); 2]; 2],
                    runs: 1,
                    steps: BLOCK / ROW,
                    sums: [sums.as_mut_ptr(), sums.as_mut_ptr().add(ROW)],
                    sums_stride: 2 * ROW,
                    two: true,
                    add: false,
                });
            }
        }
        black_box(&sums);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::cpus;

    #[test]
    fn limits_are_positive() {
        let limits = cpus()[0].limits();
        assert!(limits.read_bytes_per_second > 1e6 && limits.read_bytes_per_second.is_finite());
        assert!(limits.operations_per_second > 1e6 && limits.operations_per_second.is_finite());
        assert!(limits.int8_operations_per_second > 1e6 && limits.int8_operations_per_second.is_finite());
    }
}
