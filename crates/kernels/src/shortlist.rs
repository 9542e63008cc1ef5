//! The greatest outputs of a large matrix, exactly, without reading all of it.
//!
//! An 8-bit copy ŵ of each output's weights w says how far `x·w` may be from `x̂·ŵ`: no further than
//! `|w - ŵ|·|x̂| + |w|·|x - x̂|` (Cauchy and Schwarz) and what rounding adds to sums. Outputs that may be among the
//! greatest are then multiplied with the matrix itself. The input is rounded twice, the second time what the first left
//! over: the copy is read from memory once for both, and what is left over after that hardly counts.

use crate::matrix::{Elements, PANEL};
use crate::memory::Buffer;
use crate::pool::Share;
use crate::quant::{BLOCK, bf16_above, bf16_value, padded};
use crate::{Cpu, Format, Matrix, Vectorised};

/// Outputs whose least values are looked at together.
const STRETCH: usize = 64;
/// Of this many panels of outputs one may be read here and there, before reading all is not much dearer.
const FEW: usize = 8;

/// What [`Cpu::matmul_greatest`] looks at first.
pub struct Shortlist {
    /// The matrix in 8 bits.
    rough: Matrix,
    /// `|w - ŵ|` of every output. `[rows]`
    errors: Vec<f32>,
    /// The greatest of them.
    error: f32,
    /// The greatest `|w|` or `|ŵ|`.
    longest: f32,
}

impl Shortlist {
    /// For a matrix in bf16; `None` for another. It takes half as much memory.
    pub fn new(cpu: &Cpu, matrix: &Matrix) -> Option<Self> {
        let Elements::Bf16(weights) = &matrix.elements else {
            return None;
        };
        let (rows, columns) = (matrix.rows(), matrix.columns());
        let (panels, padded) = (rows.div_ceil(PANEL), padded(columns));
        let blocks = padded.div_ceil(BLOCK);
        let size = columns.next_multiple_of(2) * PANEL;
        let mut values = Buffer::<i8>::zeroed(panels * PANEL * padded);
        let mut scales = Buffer::<u16>::zeroed(panels * blocks * PANEL);
        let mut lengths = vec![[[0.0f32; PANEL]; 2]; panels];
        let (to_scales, to_lengths) = (
            Share(scales.as_mut_slice().as_mut_ptr()),
            Share(lengths.as_mut_ptr()),
        );
        let task = |panel: usize, values: &mut [i8]| {
            // SAFETY: this panel's, which no other task has.
            let (scales, lengths) = unsafe {
                (
                    std::slice::from_raw_parts_mut(
                        to_scales.get().add(panel * blocks * PANEL),
                        blocks * PANEL,
                    ),
                    &mut *to_lengths.get().add(panel),
                )
            };
            cpu.isa.vectorise(Copy {
                weights: weights.as_slice()[panel * size..][..size]
                    .as_chunks()
                    .0
                    .as_chunks()
                    .0,
                values: values.as_chunks_mut().0.as_chunks_mut().0,
                scales: scales.as_chunks_mut().0,
                lengths,
            });
        };
        cpu.pieces(values.as_mut_slice(), PANEL * padded, rows * columns * 8, task);
        let part = |of: usize| lengths.iter().flat_map(move |panel| panel[of]).take(rows);
        let errors: Vec<f32> = part(0).collect();
        let most = |of: usize| part(of).fold(0.0, f32::max);
        Some(Self {
            error: most(0),
            longest: most(1),
            rough: Matrix::from_elements(rows, columns, Elements::Q8 { values, scales }),
            errors,
        })
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.rough.bytes() + size_of_val(self.errors.as_slice())
    }

    /// Bytes for a matrix of that many rows and columns; `None` when they are more than memory can be.
    pub fn planned(rows: usize, columns: usize) -> Option<usize> {
        let rough = crate::Layout::new(Format::Q8, rows, columns)?;
        (rough.elements + rough.scales).checked_add(rows.checked_mul(size_of::<f32>())?)
    }

    /// Numbers that [`Cpu::matmul_greatest`] wants room for.
    pub fn room(&self) -> usize {
        2 * self.rough.rows()
    }
}

/// Lengths are taken to be longer than their sums say, which are off by less: 2⁻²⁴ of them for each addition.
const LONGER: f32 = 1.01;
/// And by this much: the square of a smaller number may be none.
const LEAST: f32 = 1e-15;

/// The value as f32, not less.
fn above(x: f64) -> f32 {
    (x * (1.0 + 1e-6)) as f32
}

impl Cpu {
    /// Of one row's product `input · Wᵀ` the `count` greatest of the first `below` outputs, and what equals the least of
    /// them, to the bit as [`matmul`](Self::matmul) gives them; any other is negative infinity, or exact too. `shortlist`
    /// is `matrix`'s; `rough` has [`Shortlist::room`], and `wanted` is used to list outputs.
    ///
    /// Returns whether the shortlist was short: if not, all is computed, which then takes half as long again as without.
    ///
    /// # Panics
    /// When the slices' sizes do not fit together.
    pub fn matmul_greatest(
        &self,
        matrix: &Matrix,
        shortlist: &Shortlist,
        [count, below]: [usize; 2],
        input: &[f32],
        rough: &mut [f32],
        wanted: &mut Vec<u32>,
        out: &mut [f32],
    ) -> bool {
        let (n, k) = (matrix.rows(), matrix.columns());
        assert!(
            (shortlist.rough.rows(), shortlist.rough.columns()) == (n, k),
            "another matrix's shortlist"
        );
        assert!(
            input.len() == k && out.len() == n && rough.len() == 2 * n,
            "[1, {k}] to [1, {n}] by {} numbers",
            rough.len()
        );
        let found = self.may_be_greatest(matrix, shortlist, [count, below], input, rough, wanted, out);
        if found {
            out.fill(f32::NEG_INFINITY);
            self.matmul_some(matrix, wanted, input, out);
        } else {
            self.matmul(matrix, input, out);
        }
        found
    }

    /// Lists those outputs, if they are few. `out` is used for other things.
    fn may_be_greatest(
        &self,
        matrix: &Matrix,
        shortlist: &Shortlist,
        [count, below]: [usize; 2],
        input: &[f32],
        rough: &mut [f32],
        wanted: &mut Vec<u32>,
        out: &mut [f32],
    ) -> bool {
        wanted.clear();
        let (n, below) = (matrix.rows(), below.min(matrix.rows()));
        let stretches = below.div_ceil(STRETCH);
        let most = n.div_ceil(PANEL) / FEW;
        // The same memory whatever is found.
        wanted.reserve(most);
        if count == 0 || 2 * stretches > n || count > stretches.min(most) {
            return false;
        }
        let Some((length, slack)) = self.sketch(matrix, shortlist, input, rough) else {
            return false;
        };
        let (first, second) = rough.split_at(n);
        let bounds = Bounds {
            rough: [first, second],
            errors: &shortlist.errors[..below],
            length,
            slack,
        };
        let (tops, sorted) = out[..2 * stretches].split_at_mut(stretches);
        self.isa.vectorise(Tops { bounds, tops });
        // So many outputs, one of each of those stretches, are at least as large.
        sorted.copy_from_slice(tops);
        let (_, least, _) = sorted.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
        let least = *least;
        let widest = 2.0 * (shortlist.error * length + slack);
        for (number, top) in tops.iter().enumerate() {
            if top + widest < least {
                continue;
            }
            for row in number * STRETCH..below.min((number + 1) * STRETCH) {
                let value = bounds.value(row);
                if value + bounds.reach(row) >= least {
                    if wanted.len() == most {
                        return false;
                    }
                    wanted.push(row as u32);
                }
            }
        }
        true
    }

    /// Multiplies the copy with the input rounded twice; `|x̂|`, and how far outputs may be off beside what `|w - ŵ|`
    /// says. `None` where no number says so.
    fn sketch(
        &self,
        matrix: &Matrix,
        shortlist: &Shortlist,
        input: &[f32],
        rough: &mut [f32],
    ) -> Option<(f32, f32)> {
        let k = input.len();
        let mut workspace = self.take_activations();
        let mut rows = std::mem::take(&mut workspace.gathered);
        if rows.len() < 3 * k {
            rows.resize(3 * k, 0.0);
        }
        let (twice, copy) = rows[..3 * k].split_at_mut(2 * k);
        let (seen, left) = twice.split_at_mut(k);
        seen.copy_from_slice(input);
        if self.paired(matrix) {
            for x in seen.iter_mut() {
                *x = bf16_value(half::bf16::from_f32(*x).to_bits());
            }
        }
        // Lengths of the input, of both its roundings, of their sum, and of what is left over.
        let mut lengths = [0.0f64; 5];
        let length = |of: &[f32]| of.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
        lengths[0] = length(seen);
        workspace.quantise(self, seen, k, false).values(0, copy);
        lengths[1] = length(copy);
        for (left, (x, copy)) in left.iter_mut().zip(seen.iter().zip(&*copy)) {
            *left = x - copy;
        }
        let first = copy;
        let second = workspace.quantise(self, left, k, false);
        for (at, (x, first)) in seen.iter().zip(&*first).enumerate() {
            let second = f64::from(second.value(0, at));
            let sum = f64::from(*first) + second;
            lengths[2] += second * second;
            lengths[3] += sum * sum;
            lengths[4] += (f64::from(*x) - sum) * (f64::from(*x) - sum);
        }
        let [seen_length, first, second, both, left_over] = lengths.map(f64::sqrt);
        let longest = f64::from(shortlist.longest);
        // Sums of k products, whatever their order: each product and each addition is off by 2⁻²⁴ of it at most.
        let rounding = (k + 16) as f64 * f64::from(f32::EPSILON);
        let slack = longest * (left_over + rounding * (seen_length + first + second));
        // Numbers too small for their places, and the bounds' own rounding.
        let slack = slack + 1e-5 * longest * both + 1e-30;
        let is_sound = slack.is_finite() && longest * (seen_length + both) < 1e30;
        if is_sound {
            self.matmul(&shortlist.rough, &rows[..2 * k], rough);
        }
        workspace.gathered = rows;
        self.give_activations(workspace);
        is_sound.then_some((above(both), above(slack)))
    }
}

/// A panel's weights in 8 bits, a scale for each output and block of columns.
struct Copy<'a> {
    /// Pairs of columns, bf16: `[columns / 2][16]`
    weights: &'a [[[u16; 2]; PANEL]],
    /// Four columns each: `[columns / 4][16]`
    values: &'a mut [[[i8; 4]; PANEL]],
    /// bf16. `[blocks][16]`
    scales: &'a mut [[u16; PANEL]],
    /// Lengths of what the copy leaves out, and of the weights or the copy, whichever is longer.
    lengths: &'a mut [[f32; PANEL]; 2],
}

impl Vectorised for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        const NONE: [[u16; 2]; PANEL] = [[0; 2]; PANEL];
        let mut sums = [[0.0f32; PANEL]; 3];
        let blocks = self.values.chunks_mut(BLOCK / 4).zip(self.scales);
        for ((values, scales), weights) in blocks.zip(self.weights.chunks(BLOCK / 2)) {
            let mut most = [0.0f32; PANEL];
            for pair in weights {
                for lane in 0..PANEL {
                    let [first, second] = pair[lane].map(|bits| bf16_value(bits).abs());
                    most[lane] = most[lane].max(first).max(second);
                }
            }
            let (mut scale, mut factor) = ([0.0f32; PANEL], [0.0f32; PANEL]);
            for lane in 0..PANEL {
                scales[lane] = bf16_above(most[lane] / 127.0);
                scale[lane] = bf16_value(scales[lane]);
                // What is so small is left out as a whole.
                let is_none = most[lane] < 1e-30;
                factor[lane] = if is_none { 0.0 } else { 1.0 / scale[lane] };
            }
            for (place, values) in values.iter_mut().enumerate() {
                let first = weights.get(2 * place).unwrap_or(&NONE);
                let second = weights.get(2 * place + 1).unwrap_or(&NONE);
                for lane in 0..PANEL {
                    let [a, b] = first[lane].map(bf16_value);
                    let [c, d] = second[lane].map(bf16_value);
                    let mut bytes = 0;
                    for (at, w) in [a, b, c, d].into_iter().enumerate() {
                        // Adding this leaves the nearest integer in a number's low bits.
                        const ROUND: f32 = 12_582_912.0;
                        let rounded = (w * factor[lane]).clamp(-127.0, 127.0) + ROUND;
                        let copy = (rounded - ROUND) * scale[lane];
                        bytes |= (rounded.to_bits() & 0xff) << (8 * at);
                        sums[0][lane] += (w - copy) * (w - copy);
                        sums[1][lane] += w * w;
                        sums[2][lane] += copy * copy;
                    }
                    values[lane] = bytes.to_le_bytes().map(|byte| byte as i8);
                }
            }
        }
        for lane in 0..PANEL {
            let [error, own, other] = sums.map(|sums| sums[lane].sqrt());
            // Sums of f32 are off by little, and squares of the least numbers are none.
            self.lengths[0][lane] = error * LONGER + LEAST;
            self.lengths[1][lane] = own.max(other) * LONGER + LEAST;
        }
    }
}

/// What is known of the outputs.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    /// Products of the copy with the two roundings. `[rows]` each
    rough: [&'a [f32]; 2],
    errors: &'a [f32],
    length: f32,
    slack: f32,
}

impl Bounds<'_> {
    #[inline(always)]
    fn value(&self, row: usize) -> f32 {
        self.rough[0][row] + self.rough[1][row]
    }

    #[inline(always)]
    fn reach(&self, row: usize) -> f32 {
        self.errors[row] * self.length + self.slack
    }
}

/// The greatest least value of every stretch.
struct Tops<'a> {
    bounds: Bounds<'a>,
    tops: &'a mut [f32],
}

impl Vectorised for Tops<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        const LANES: usize = 16;
        let Self { bounds, tops } = self;
        let rows = bounds.errors.len();
        for (number, top) in tops.iter_mut().enumerate() {
            let (from, to) = (number * STRETCH, rows.min((number + 1) * STRETCH));
            let mut most = [f32::NEG_INFINITY; LANES];
            let (first, second, errors) = (
                &bounds.rough[0][from..to],
                &bounds.rough[1][from..to],
                &bounds.errors[from..to],
            );
            let (firsts, seconds, ends) = (
                first.as_chunks::<LANES>(),
                second.as_chunks::<LANES>(),
                errors.as_chunks::<LANES>(),
            );
            for ((first, second), error) in firsts.0.iter().zip(seconds.0).zip(ends.0) {
                for lane in 0..LANES {
                    let reach = error[lane] * bounds.length + bounds.slack;
                    let least = first[lane] + second[lane] - reach;
                    most[lane] = if least > most[lane] { least } else { most[lane] };
                }
            }
            let mut all = f32::NEG_INFINITY;
            for least in most {
                all = all.max(least);
            }
            for row in from + firsts.0.len() * LANES..to {
                all = all.max(bounds.value(row) - bounds.reach(row));
            }
            *top = all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use crate::testing::{bytes, cpus, noise};

    /// Which are the `count` greatest, lower numbers first among equals, with their bits.
    fn greatest(values: &[f32], count: usize) -> Vec<(u32, usize)> {
        let mut all: Vec<usize> = (0..values.len()).collect();
        all.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
        all[..count]
            .iter()
            .map(|row| (values[*row].to_bits(), *row))
            .collect()
    }

    struct Case<'a> {
        cpu: &'a Cpu,
        matrix: Matrix,
        shortlist: Shortlist,
    }

    impl<'a> Case<'a> {
        fn new(cpu: &'a Cpu, k: usize, weights: &[f32]) -> Self {
            let source = bytes(weights);
            let of = |format| Matrix::pack(cpu, k, format, &[Source::F32(&source)]);
            assert!(Shortlist::new(cpu, &of(Format::F32)).is_none());
            let matrix = of(Format::Bf16);
            let shortlist = Shortlist::new(cpu, &matrix).unwrap();
            assert_eq!(
                Some(shortlist.bytes()),
                Shortlist::planned(matrix.rows(), matrix.columns())
            );
            Self {
                cpu,
                matrix,
                shortlist,
            }
        }

        /// Whether the list was short; that the greatest are right in any case.
        fn check(&self, count: usize, below: usize, input: &[f32], what: &str) -> bool {
            let n = self.matrix.rows();
            let mut all = vec![0.0; n];
            self.cpu.matmul(&self.matrix, input, &mut all);
            let mut out = vec![f32::NAN; n];
            let mut rough = vec![f32::NAN; self.shortlist.room()];
            let (matrix, shortlist, mut wanted) = (&self.matrix, &self.shortlist, Vec::new());
            let is_short = self.cpu.matmul_greatest(
                matrix,
                shortlist,
                [count, below],
                input,
                &mut rough,
                &mut wanted,
                &mut out,
            );
            let what = format!(
                "{:?} {:?}, {count} of {below}: {what}",
                self.cpu.isa,
                self.matrix.format()
            );
            assert_eq!(
                greatest(&out[..below], count),
                greatest(&all[..below], count),
                "{what}"
            );
            for (out, all) in out.iter().zip(&all) {
                let is_out = is_short && *out == f32::NEG_INFINITY;
                assert!(
                    is_out || out.to_bits() == all.to_bits(),
                    "{what}: {out} for {all}"
                );
            }
            is_short
        }
    }

    #[test]
    fn the_greatest_are_those_of_the_whole_product() {
        let (n, k) = (4_021, 300);
        let weights = noise(1, n * k);
        for cpu in cpus() {
            let case = Case::new(&cpu, k, &weights);
            for seed in 0..4 {
                let mut input = noise(20 + seed, k);
                assert!(case.check(1, n, &input, "noise"));
                case.check(20, n, &input, "noise");
                assert!(case.check(1, 3_000, &input, "some"));
                // A few numbers that are much greater than the rest.
                input[3] *= 300.0;
                input[290] *= -500.0;
                assert!(case.check(1, n, &input, "great numbers"));
            }
        }
    }

    #[test]
    fn outputs_that_hardly_differ_are_told_apart() {
        let (n, k) = (2_000, 129);
        let mut weights = noise(1, n * k);
        let input = noise(2, k);
        // The likeliest output a few times, some of them a little less so, and ties.
        let best: Vec<f32> = input.iter().map(|x| x * 0.5).collect();
        for (number, row) in [1_999, 7, 640, 641, 1_000].into_iter().enumerate() {
            weights[row * k..][..k].copy_from_slice(&best);
            weights[row * k + 5] *= 1.0 - number.div_euclid(2) as f32 * 1e-2;
        }
        for cpu in cpus() {
            let case = Case::new(&cpu, k, &weights);
            for count in [1, 2, 3, 5] {
                assert!(case.check(count, n, &input, "alike"), "{count}");
            }
        }
    }

    #[test]
    fn where_nothing_can_be_said_all_is_computed() {
        let (n, k) = (1_500, 64);
        // All outputs alike; more wanted than a list may have; numbers that are none.
        let alike: Vec<f32> = (0..n * k).map(|i| (i % k) as f32).collect();
        let mut input = noise(3, k);
        for cpu in cpus() {
            let case = Case::new(&cpu, k, &alike);
            assert!(!case.check(1, n, &input, "alike"));
            let case = Case::new(&cpu, k, &noise(4, n * k));
            assert!(!case.check(n / 2, n, &input, "many"));
            assert!(!case.check(0, n, &input, "none"));
            for wrong in [f32::NAN, f32::INFINITY, 1e35] {
                let right = std::mem::replace(&mut input[9], wrong);
                assert!(!case.check(1, n, &input, "not a number"));
                input[9] = right;
            }
            // Nothing at all is exact: every output is zero.
            assert!(!case.check(1, n, &[0.0; 64], "zeros"));
        }
    }
}
