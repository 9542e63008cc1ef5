//! The products against sums written out.

use std::sync::Arc;

use super::{Precision, Products, TrainedMatrix, View};
use crate::pairs::bf16_bits;
use crate::{Cpu, Format, Isa, Matrix, Source};

fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn rounded(x: f32) -> f64 {
    f64::from(f32::from_bits(u32::from(bf16_bits(x)) << 16))
}

const SIZES: [[usize; 3]; 10] = [
    [1, 2, 1],
    [3, 4, 6],
    [7, 16, 15],
    [8, 18, 16],
    [17, 32, 34],
    [33, 64, 48],
    [65, 30, 80],
    [40, 300, 49],
    [48, 300, 16],
    [301, 8, 33],
];

fn all() -> Vec<(Isa, Precision)> {
    let mut all: Vec<_> = Isa::available()
        .into_iter()
        .chain([Isa::wide()])
        .map(|isa| (isa, Precision::Exact))
        .collect();
    let pairs = Isa::available().into_iter().chain([Isa::wide()]);
    all.extend(
        pairs
            .filter(|isa| isa.has_pairs())
            .map(|isa| (isa, Precision::Bf16)),
    );
    all
}

/// Compares `found` (+ what was there, 1) with the sum over `k` of `left(row, k) · right(k, column)`.
fn check(
    what: &str,
    precision: Precision,
    [rows, k, columns]: [usize; 3],
    left: impl Fn(usize, usize) -> f32,
    right: impl Fn(usize, usize) -> f32,
    found: &[f32],
    before: f64,
) {
    let value = |x: f32| match precision {
        Precision::Exact => f64::from(x),
        Precision::Bf16 => rounded(x),
    };
    for row in 0..rows {
        for column in 0..columns {
            let sum: f64 = (0..k)
                .map(|k| value(left(row, k)) * value(right(k, column)))
                .sum();
            let found = f64::from(found[row * columns + column]);
            assert!(
                (found - sum - before).abs() < 1e-5 * (k as f64).sqrt() + 1e-5,
                "{what} {rows}×{k}×{columns} at {row}, {column}: {found}, not {}",
                sum + before
            );
        }
    }
}

#[test]
fn forward_and_both_gradients_are_sums_of_products() {
    for (isa, precision) in all() {
        for [rows, inputs, outputs] in SIZES {
            let mut products = Products::new(isa, precision);
            let (x, dy) = (numbers(rows * inputs, 1), numbers(rows * outputs, 2));
            let w = numbers(outputs * inputs, 3);
            let mut weight = TrainedMatrix::new(isa, precision, outputs, inputs);
            weight.set(isa, &w);
            // Odd sides are multiplied exactly.
            let own = if outputs % 2 == 1 {
                Precision::Exact
            } else {
                precision
            };
            for add in [false, true] {
                let before = f64::from(u8::from(add));
                let mut y = vec![1.0; rows * outputs];
                products.forward(&weight, rows, &x, &mut y, add);
                let sizes = [rows, inputs, outputs];
                check(
                    "forward",
                    own,
                    sizes,
                    |r, k| x[r * inputs + k],
                    |k, c| w[c * inputs + k],
                    &y,
                    before,
                );
                let mut dx = vec![1.0; rows * inputs];
                products.input_gradient(&weight, rows, &dy, &mut dx, add);
                let sizes = [rows, outputs, inputs];
                check(
                    "dX",
                    own,
                    sizes,
                    |r, k| dy[r * outputs + k],
                    |k, c| w[k * inputs + c],
                    &dx,
                    before,
                );
            }
            let mut dw = vec![1.0; outputs * inputs];
            products.weight_gradient(rows, inputs, &x, outputs, &dy, &mut dw);
            let sizes = [outputs, rows, inputs];
            check(
                "dW",
                precision,
                sizes,
                |r, k| dy[k * outputs + r],
                |k, c| x[k * inputs + c],
                &dw,
                1.0,
            );
        }
    }
}

#[test]
fn frozen_weights_multiply_as_those_that_learn() {
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let cpu = Cpu::new(None, 1);
    for (isa, precision) in all() {
        // One of more than a tile, and one of odd sides.
        for [rows, inputs, outputs] in [[7, 48, 600], [3, 30, 33], [9, 64, 40], [0, 8, 300]] {
            let w = numbers((outputs + 21) * inputs, 3);
            let (x, dy) = (numbers(rows * inputs, 1), numbers(rows * outputs, 2));
            for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
                let matrix = Arc::new(Matrix::pack(&cpu, inputs, format, &[Source::F32(&bytes(&w))]));
                // From the start, from a panel's, and from elsewhere.
                for first in [0, 16, 5] {
                    let mut own = vec![0.0; outputs * inputs];
                    matrix.copy_rows(isa, first, &mut own);
                    let mut weight = TrainedMatrix::new(isa, precision, outputs, inputs);
                    weight.set(isa, &own);
                    let frozen =
                        TrainedMatrix::frozen(isa, precision, Arc::clone(&matrix), first..first + outputs);
                    let mut products = Products::new(isa, precision);
                    for add in [false, true] {
                        let mut found = [vec![1.0; rows * outputs], vec![1.0; rows * outputs]];
                        products.forward(&weight, rows, &x, &mut found[0], add);
                        products.forward(&frozen, rows, &x, &mut found[1], add);
                        assert_eq!(found[0], found[1], "{format:?} forward {rows}×{inputs}×{outputs}");
                        let mut found = [vec![1.0; rows * inputs], vec![1.0; rows * inputs]];
                        products.input_gradient(&weight, rows, &dy, &mut found[0], add);
                        products.input_gradient(&frozen, rows, &dy, &mut found[1], add);
                        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
                        assert!(
                            found[0].iter().zip(&found[1]).all(close),
                            "{format:?} back {rows}×{inputs}×{outputs}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn strided_products_leave_what_lies_between() {
    for (isa, _) in all() {
        let mut products = Products::new(isa, Precision::Exact);
        let (rows, k, columns, stride) = (5, 9, 19, 23);
        let (left, right) = (numbers(rows * 11, 5), numbers(columns * 10, 6));
        let mut out = vec![7.0; rows * stride];
        // Left in rows 11 apart, right transposed, its columns 10 apart.
        products.product(
            [rows, k, columns],
            View::rows(&left, 11),
            View::transposed(&right, 10),
            &mut out,
            stride,
            false,
        );
        for row in 0..rows {
            for column in 0..columns {
                let sum: f32 = (0..k).map(|k| left[row * 11 + k] * right[column * 10 + k]).sum();
                assert!((out[row * stride + column] - sum).abs() < 1e-5);
            }
            assert!(
                out[row * stride + columns..(row + 1) * stride]
                    .iter()
                    .all(|x| *x == 7.0)
            );
        }
    }
}

#[test]
fn rounded_products_of_any_strides() {
    for (isa, precision) in all() {
        let mut products = Products::new(isa, precision);
        for [rows, k, columns] in SIZES.into_iter().chain([[5, 9, 19], [20, 1, 16]]) {
            let sizes = [rows, k, columns];
            let stride = columns + 3;
            let (left, right) = (
                numbers((rows + 2) * (k + 2), 5),
                numbers((k + 2) * (columns + 2), 6),
            );
            for [left_across, right_across] in [[false; 2], [true, false], [false, true], [true; 2]] {
                let at = |across: bool, row: usize, column: usize, sides: [usize; 2]| {
                    if across {
                        column * (sides[0] + 2) + row
                    } else {
                        row * (sides[1] + 2) + column
                    }
                };
                let view = |data, across: bool, sides: [usize; 2]| {
                    if across {
                        View::transposed(data, sides[0] + 2)
                    } else {
                        View::rows(data, sides[1] + 2)
                    }
                };
                let mut out = vec![1.0; rows * stride];
                let views = [
                    view(&left[..], left_across, [rows, k]),
                    view(&right[..], right_across, [k, columns]),
                ];
                products.rounded_product(sizes, views[0], views[1], &mut out, stride, true);
                let close: Vec<f32> = out
                    .chunks_exact(stride)
                    .flat_map(|row| &row[..columns])
                    .copied()
                    .collect();
                check(
                    "rounded",
                    precision,
                    sizes,
                    |r, i| left[at(left_across, r, i, [rows, k])],
                    |i, c| right[at(right_across, i, c, [k, columns])],
                    &close,
                    1.0,
                );
                assert!(out.chunks_exact(stride).all(|row| row[columns..] == [1.0; 3]));
            }
        }
    }
}

#[test]
#[should_panic(expected = "an operand is too small")]
fn operands_that_are_too_small_are_refused() {
    let mut products = Products::new(Isa::best(), Precision::Exact);
    let short = [0.0; 5];
    let mut out = [0.0; 4];
    products.product(
        [2, 3, 2],
        View::rows(&short, 3),
        View::rows(&[0.0; 6], 2),
        &mut out,
        2,
        false,
    );
}

#[test]
fn a_convolution_and_its_gradients_are_those_written_out() {
    let silu = |x: f64| x / (1.0 + (-x).exp());
    for isa in Isa::available().into_iter().chain([Isa::wide()]) {
        for (tokens, channels) in [(1, 1), (2, 16), (3, 17), (4, 33), (9, 48), (30, 5)] {
            let u = numbers(tokens * channels, 1);
            let taps = numbers(4 * channels, 2);
            let dout = numbers(tokens * channels, 3);
            let at = |t: usize, c: usize| f64::from(u[t * channels + c]);
            let tap = |i: usize, c: usize| f64::from(taps[i * channels + c]);
            // Of token t, the taps i from the first that reads a token.
            let reads = |t: usize| (3 - t.min(3))..4;
            let sum = |t: usize, c: usize| reads(t).map(|i| tap(i, c) * at(t + i - 3, c)).sum::<f64>();
            let products = Products::new(isa, Precision::Exact);
            let mut out = vec![0.0; u.len()];
            products.convolve(&u, &taps, &mut out);
            let (mut slopes, mut dtaps) = (dout.clone(), vec![1.0; taps.len()]);
            products.convolve_back(&u, &taps, &mut slopes, &mut dtaps);
            let (mut du, mut dw) = (vec![0.0; u.len()], vec![1.0; taps.len()]);
            for t in 0..tokens {
                for c in 0..channels {
                    let x = sum(t, c);
                    let near = f64::from(out[t * channels + c]) - silu(x);
                    assert!(near.abs() < 1e-5, "{isa:?}: {tokens}×{channels} at {t}, {c}");
                    let slope = (silu(x + 1e-5) - silu(x - 1e-5)) / 2e-5 * f64::from(dout[t * channels + c]);
                    for i in reads(t) {
                        du[(t + i - 3) * channels + c] += slope * tap(i, c);
                        dw[i * channels + c] += slope * at(t + i - 3, c);
                    }
                }
            }
            for (found, expected) in slopes.iter().zip(&du).chain(dtaps.iter().zip(&dw)) {
                let near = (f64::from(*found) - expected).abs() < 1e-4;
                assert!(near, "{isa:?}: {tokens}×{channels}: {found}, not {expected}");
            }
        }
    }
}
