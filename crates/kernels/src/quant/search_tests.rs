use std::sync::Arc;

use super::{BLOCK, Correlation, Moments, Rounding};
use crate::testing::{cpus, noise};
use crate::{Cpu, Format, Matrix, Source};

const FORMATS: [Format; 2] = [Format::Q8, Format::Q4];

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn pack(cpu: &Cpu, columns: usize, format: Format, weights: &[f32], rounding: Rounding<'_>) -> Matrix {
    Matrix::pack_with(cpu, columns, format, &[Source::F32(&bytes(weights))], rounding)
}

/// Mean over outputs of the squared error of products with inputs of those second moments.
fn error(matrix: &Matrix, weights: &[f32], moments: impl Fn(usize, usize) -> f32) -> f64 {
    let columns = matrix.columns();
    let mut row = vec![0.0; columns];
    let mut sum = 0.0;
    for (r, weights) in weights.chunks(columns).enumerate() {
        matrix.copy_row(r, &mut row);
        let wrong: Vec<f32> = row.iter().zip(weights).map(|(a, b)| a - b).collect();
        for i in 0..columns {
            for j in 0..columns {
                sum += f64::from(wrong[i] * wrong[j] * moments(i, j));
            }
        }
    }
    sum / (weights.len() / columns) as f64
}

/// Weights like those of networks: many small ones, few large.
fn weights(columns: usize) -> Vec<f32> {
    noise(3, 5 * columns).iter().map(|x| x * x * x).collect()
}

#[test]
fn a_search_is_better_than_the_nearest_and_the_same_everywhere() {
    let alike = |i, j| f32::from(u8::from(i == j));
    for columns in [1, 15, 32, 33, 64, 255, 256, 300] {
        let weights = weights(columns);
        for format in FORMATS {
            let found: Vec<_> = cpus()
                .iter()
                .map(|cpu| pack(cpu, columns, format, &weights, Rounding::Search(&[])))
                .collect();
            assert!(found.iter().all(|matrix| matrix.raw() == found[0].raw()));
            let nearest = pack(&cpus()[0], columns, format, &weights, Rounding::Nearest);
            let [searched, nearest] = [&found[0], &nearest].map(|matrix| error(matrix, &weights, alike));
            assert!(searched <= nearest, "{format:?} {columns}: {searched} {nearest}");
            // Eight bits leave a search little to win.
            if columns >= 255 && format == Format::Q4 {
                assert!(
                    searched < 0.95 * nearest,
                    "{format:?} {columns}: {searched} {nearest}"
                );
            }
        }
    }
}

#[test]
fn what_counts_more_is_rounded_better() {
    let columns = 300;
    let weights = weights(columns);
    let importance: Vec<f32> = (0..columns)
        .map(|k| if k % 32 == 5 { 100.0 } else { 0.1 })
        .collect();
    let moments = |i: usize, j: usize| if i == j { importance[i] } else { 0.0 };
    let cpu = &cpus()[0];
    for format in FORMATS {
        let [alike, weighted] = [&[][..], &importance[..]]
            .map(|importance| pack(cpu, columns, format, &weights, Rounding::Search(importance)))
            .map(|matrix| error(&matrix, &weights, moments));
        assert!(weighted < 0.7 * alike, "{format:?}: {weighted} {alike}");
    }
}

#[test]
fn zeros_and_weights_that_are_not_finite_stay_what_they_are() {
    let cpu = &cpus()[0];
    for format in FORMATS {
        let mut row = vec![0.0; 70];
        let zeros = pack(cpu, 70, format, &[0.0; 70], Rounding::Search(&[]));
        zeros.copy_row(0, &mut row);
        assert!(row.iter().all(|x| *x == 0.0));
        for bad in [f32::NAN, f32::INFINITY] {
            let mut weights = [1.0; 70];
            weights[40] = bad;
            let matrix = pack(cpu, 70, format, &weights, Rounding::Search(&[]));
            matrix.copy_row(0, &mut row);
            assert!(!row[40].is_finite(), "{format:?}");
        }
    }
}

#[test]
fn a_correlation_is_what_algebra_says() {
    // H = [[4, 2], [2, 3]]: H⁻¹ = [[3, -2], [-2, 4]] / 8, so an error of weight 0 is made good by
    // -2/3 of it at weight 1.
    let two = Correlation::new(2, &[4.0, 2.0, 2.0, 3.0], 0.0).unwrap();
    let mut row = [0.0, 10.0];
    two.pass_on(cpus()[0].isa, &mut row, 0, 3.0);
    assert!((row[1] - 12.0).abs() < 1e-5, "{row:?}");
    assert!(
        Correlation::new(2, &[1.0, 1.0, 1.0, 1.0], 0.0).is_none(),
        "cannot be inverted"
    );
    assert!(Correlation::new(2, &[1.0, 1.0, 1.0, 1.0], 0.01).is_some());
    assert!(Correlation::new(2, &[f32::NAN; 4], 0.01).is_none());
    assert!(Correlation::new(2, &[0.0; 4], 0.01).is_none());
    assert!(Correlation::new(2, &[1.0], 0.01).is_none());
}

#[test]
fn feedback_is_better_still_where_inputs_go_together() {
    let columns = BLOCK + 44;
    let weights = weights(columns);
    let cpu = &cpus()[0];
    // Inputs made of a few causes and some noise.
    let (causes, noise) = (noise(8, 150 * 24), noise(9, 150 * columns));
    let mixing = crate::testing::noise(10, 24 * columns);
    let inputs: Vec<f32> = (0..150 * columns)
        .map(|at| {
            let (row, k) = (at / columns, at % columns);
            let mixed: f32 = (0..24)
                .map(|c| causes[row * 24 + c] * mixing[c * columns + k])
                .sum();
            mixed + 0.3 * noise[at]
        })
        .collect();
    let mut plain = pack(cpu, columns, Format::F32, &weights, Rounding::Nearest);
    let moments = Arc::new(Moments::new(columns, true));
    plain.watch(Arc::clone(&moments));
    let mut out = vec![0.0; 150 * plain.rows()];
    cpu.matmul(&plain, &inputs, &mut out);
    assert_eq!(moments.rows(), 150);
    let correlation = moments.correlation(0.01).unwrap();
    let importance = moments.importance().unwrap();
    for format in FORMATS {
        let wrong = |rounding| {
            let matrix = pack(cpu, columns, format, &weights, rounding);
            let mut found = vec![0.0; out.len()];
            cpu.matmul(&pack_f32(cpu, &matrix), &inputs, &mut found);
            let squares = found.iter().zip(&out).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>()
        };
        let (searched, fed) = (
            wrong(Rounding::Search(&importance)),
            wrong(Rounding::Feedback(&correlation)),
        );
        assert!(fed < 0.5 * searched, "{format:?}: {fed} {searched}");
    }
}

/// The numbers that a matrix stands for, in f32.
fn pack_f32(cpu: &Cpu, matrix: &Matrix) -> Matrix {
    let mut values = vec![0.0; matrix.rows() * matrix.columns()];
    for (row, to) in values.chunks_mut(matrix.columns()).enumerate() {
        matrix.copy_row(row, to);
    }
    pack(cpu, matrix.columns(), Format::F32, &values, Rounding::Nearest)
}

#[test]
fn moments_of_squares_are_the_diagonal_of_those_of_pairs() {
    let cpu = &cpus()[0];
    let input = noise(4, 3 * 5);
    let [squares, pairs] = [false, true].map(|pairs| Moments::new(5, pairs));
    assert_eq!(squares.importance(), None);
    for moments in [&squares, &pairs] {
        moments.add(cpu, &input[..5]);
        moments.add(cpu, &input[5..]);
    }
    assert_eq!(squares.importance(), pairs.importance());
    assert!(squares.correlation(0.1).is_none() && pairs.correlation(0.1).is_some());
}
