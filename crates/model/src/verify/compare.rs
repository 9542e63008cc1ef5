//! How far two lists of numbers are from one another.

use aurore_checkpoint::Expected;

/// Differences between what was found and what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Largest absolute difference; NaN when anything found is not a number.
    pub max_abs: f64,
    /// Root mean square difference.
    pub rms: f64,
    /// Mean over positions of the divergence from the expected distribution, in nats; logits only.
    pub kl: Option<f64>,
    /// Share of positions with the same likeliest token, or one as likely; logits only.
    pub top1: Option<f64>,
}

impl Comparison {
    /// Compares any numbers.
    pub(super) fn of_values(found: &[f32], expected: &[f32]) -> Self {
        let mut max_abs = 0.0f64;
        let mut squares = 0.0;
        for (found, expected) in found.iter().zip(expected) {
            let difference = (f64::from(*found) - f64::from(*expected)).abs();
            if difference.is_nan() || difference > max_abs {
                max_abs = difference;
            }
            squares += difference * difference;
            if max_abs.is_nan() {
                break;
            }
        }
        Self {
            max_abs,
            rms: (squares / expected.len().max(1) as f64).sqrt(),
            kl: None,
            top1: None,
        }
    }

    /// Compares logits, `[rows, columns]` both.
    pub(super) fn of_logits(found: &[f32], expected: &Expected) -> Self {
        let (mut divergence, mut hits, mut rows) = (0.0, 0, 0);
        for (found, expected) in found
            .chunks_exact(expected.columns)
            .zip(expected.values.chunks_exact(expected.columns))
        {
            divergence += kl(expected, found);
            let (own, best) = (argmax(found), argmax(expected));
            hits += usize::from(expected[best] - expected[own] < super::MARGIN);
            rows += 1;
        }
        let rows = f64::from(rows.max(1));
        Self {
            kl: Some(divergence / rows),
            top1: Some(hits as f64 / rows),
            ..Self::of_values(found, &expected.values)
        }
    }
}

/// Root mean square.
pub(super) fn rms(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

/// The first of the largest numbers; 0 when there is none.
pub(crate) fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

/// `Σ p·(ln p − ln q)` of the softmaxes of two rows of logits.
pub(crate) fn kl(p: &[f32], q: &[f32]) -> f64 {
    let log_sum = |row: &[f32]| {
        let max = f64::from(row[argmax(row)]);
        max + row.iter().map(|x| (f64::from(*x) - max).exp()).sum::<f64>().ln()
    };
    let (p_sum, q_sum) = (log_sum(p), log_sum(q));
    p.iter()
        .zip(q)
        .map(|(p, q)| {
            let (p, q) = (f64::from(*p) - p_sum, f64::from(*q) - q_sum);
            p.exp() * (p - q)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_diverge_by_nothing_and_shifted_rows_too() {
        let expected = Expected {
            columns: 3,
            values: vec![1.0, 2.0, 4.0, 0.0, -1.0, 3.0],
        };
        let same = Comparison::of_logits(&expected.values, &expected);
        assert_eq!((same.max_abs, same.top1), (0.0, Some(1.0)));
        let shifted: Vec<f32> = expected.values.iter().map(|x| x + 1.0).collect();
        let shifted = Comparison::of_logits(&shifted, &expected);
        assert!(shifted.kl.unwrap().abs() < 1e-12);
        assert_eq!(shifted.max_abs, 1.0);
    }

    #[test]
    fn divergence_is_that_of_two_coins() {
        // p = (1/2, 1/2), q = (3/4, 1/4)
        let expected = Expected {
            columns: 2,
            values: vec![0.0, 0.0],
        };
        let found = Comparison::of_logits(&[3f32.ln(), 0.0], &expected);
        let by_hand = 0.5 * (0.5f64 / 0.75).ln() + 0.5 * (0.5f64 / 0.25).ln();
        assert!((found.kl.unwrap() - by_hand).abs() < 1e-7);
    }

    #[test]
    fn not_a_number_is_seen() {
        assert!(
            Comparison::of_values(&[0.0, f32::NAN, 1.0], &[0.0; 3])
                .max_abs
                .is_nan()
        );
    }
}
