//! Functions of one number that loops over them can be vectorised with, and their derivatives.

/// `e^x` within a few units in the last place; zero below -40, flat beyond 60.
///
/// `x = n ln 2 + r`, `|r| ≤ ln 2 / 2`, and `e^r` by a polynomial (Cephes `expf`).
///
/// Shares, decays and gates smaller than `e^-40` change no sum of which they are a part, but what they are multiplied
/// with would be too small for a normal number, and such products take a processor a hundred times as long.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest integer in a number's low bits.
    const ROUND: f32 = 12_582_912.0;
    let none = x < -40.0;
    let x = x.clamp(-40.0, 60.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_66;
    p = p * r + 0.5;
    let y = r * r * p + r + 1.0;
    let power = shifted.to_bits().wrapping_add(127) << 23;
    let y = y * f32::from_bits(power);
    if none { 0.0 } else { y }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `x · sigmoid(x)`
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// `ln(1 + e^x) = max(x, 0) + ln(1 + t)`, `t = e^-|x|`, with `ln(1 + t) = 2 artanh(t / (2 + t))` by its series.
#[inline(always)]
pub(crate) fn softplus(x: f32) -> f32 {
    let t = exp(-x.abs());
    let z = t / (2.0 + t);
    let square = z * z;
    let mut p = 1.0 / 13.0_f32;
    for odd in [11.0_f32, 9.0, 7.0, 5.0, 3.0, 1.0] {
        p = p * square + 1.0 / odd;
    }
    // In this order a NaN stays one.
    (if x < 0.0 { 0.0 } else { x }) + 2.0 * z * p
}

const TANH: f32 = 1.595_769_2; // 2 √(2/π)
const CUBE: f32 = 0.044_715;

/// GELU by its tanh form: `x · sigmoid(2u)`, `u = √(2/π)·(x + 0.044715 x³)`.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    x * sigmoid(TANH * x * (1.0 + CUBE * x * x))
}

/// The derivative of [`gelu_tanh`].
#[inline(always)]
pub(crate) fn gelu_tanh_slope(x: f32) -> f32 {
    let s = sigmoid(TANH * x * (1.0 + CUBE * x * x));
    s + x * s * (1.0 - s) * TANH * (1.0 + 3.0 * CUBE * x * x)
}

/// `erf(x)` by a quotient of polynomials (as in Eigen), flat beyond ±4.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let mut over = -2.726_142e-10_f32;
    over = over * square + 2.770_681_5e-8;
    over = over * square - 2.101_024e-6;
    over = over * square - 5.692_506_2e-5;
    over = over * square - 7.349_906_4e-4;
    over = over * square - 2.954_6e-3;
    over = over * square - 1.609_603_3e-2;
    let mut under = -1.456_607_2e-5_f32;
    under = under * square - 2.133_740_6e-4;
    under = under * square - 1.682_827e-3;
    under = under * square - 7.373_329e-3;
    under = under * square - 1.426_473_9e-2;
    x * over / under
}

/// GELU by its definition: `x/2 · (1 + erf(x/√2))`.
#[inline(always)]
pub(crate) fn gelu_erf(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The derivative of [`gelu_erf`]: `Φ(x) + x·φ(x)`.
#[inline(always)]
pub(crate) fn gelu_erf_slope(x: f32) -> f32 {
    const DENSITY: f32 = 0.398_942_3; // 1/√(2π)
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)) + x * DENSITY * exp(-0.5 * x * x)
}

/// Numbers that a loop makes before they are summed: a sum inside it would keep it from being vectorised.
pub(crate) const PARTS: usize = 64;

/// `Σ aᵢ·bᵢ`, in sixteen partial sums.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0f32; 16];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    fold(sums) + rest
}

/// The greatest of them, -∞ of none; NaN is passed over.
#[inline(always)]
pub(crate) fn greatest(a: &[f32]) -> f32 {
    let (chunks, rest) = a.as_chunks::<16>();
    let mut most = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for lane in 0..16 {
            most[lane] = if chunk[lane] > most[lane] {
                chunk[lane]
            } else {
                most[lane]
            };
        }
    }
    most.iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |most, x| if *x > most { *x } else { most })
}

/// `Σ aᵢ`, in sixteen partial sums.
#[inline(always)]
pub(crate) fn total(a: &[f32]) -> f32 {
    let (chunks, rest) = a.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for chunk in chunks {
        for lane in 0..16 {
            sums[lane] += chunk[lane];
        }
    }
    fold(sums) + rest.iter().sum::<f32>()
}

#[inline(always)]
fn fold(mut sums: [f32; 16]) -> f32 {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `slope` against the central difference of `f`.
    fn check(name: &str, f: impl Fn(f32) -> f32, slope: impl Fn(f32) -> f32) {
        for step in -80..=80 {
            let (x, h) = (step as f32 / 10.0, 1e-2);
            let difference = (f(x + h) - f(x - h)) / (2.0 * h);
            assert!(
                (slope(x) - difference).abs() < 2e-4,
                "{name} at {x}: {} and {difference}",
                slope(x)
            );
        }
    }

    #[test]
    fn slopes_are_those_of_the_functions() {
        check("gelu by tanh", gelu_tanh, gelu_tanh_slope);
        check("gelu by erf", gelu_erf, gelu_erf_slope);
    }

    #[test]
    fn exponential_is_exact_to_a_few_roundings() {
        for step in -4_000..=6_000 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 5e-7, "e^{x}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-40.1) == 0.0 && exp(f32::NEG_INFINITY) == 0.0);
        assert!(exp(1e9).is_finite() && (1.0 / exp(1e9)).is_normal());
    }

    #[test]
    fn softplus_is_exact_to_a_few_roundings() {
        for step in -8_000..=8_000 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp().ln_1p();
            // Below -40 it is zero.
            assert!(
                (f64::from(softplus(x)) - exact).abs() < 1e-6 * exact + 5e-18,
                "at {x}"
            );
        }
        assert!(softplus(f32::NAN).is_nan());
    }

    #[test]
    fn sums_take_every_element() {
        let a: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(total(&a), 666.0);
        assert_eq!(dot(&a, &[2.0; 37]), 1332.0);
        assert_eq!(greatest(&a), 36.0);
    }
}
