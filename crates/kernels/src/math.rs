//! Functions of one number, on vectors.

use crate::simd::Simd;

/// `e^x` within 2 units in the last place from -87 to 88; 0 below -87.6 and about 2.4e38 above 88.4.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2; ln 2 in two parts so that r is exact; e^r by a polynomial
/// (Cephes `expf`).
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // The limit comes first, so that a NaN in `x` is what stays.
    let x = s.max(s.splat(-88.0), s.min(s.splat(88.376_26), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-0.693_359_4), x);
    let r = s.mul_add(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        p = s.mul_add(p, r, s.splat(coefficient));
    }
    let y = s.add(s.mul_add(s.mul(r, r), p, r), s.splat(1.0));
    s.mul(y, s.pow2(n))
}

/// `e^x` for x up to about 80, within a few units in the last place; 0 below -87.6. As [`exp`] with
/// a shorter reduction and polynomial (a minimax fit of degree 6): for weights of a softmax.
#[inline(always)]
pub(crate) fn exp_below<S: Simd>(s: S, x: S::V) -> S::V {
    // The limit comes first, so that a NaN in `x` is what stays.
    let x = s.max(s.splat(-88.0), x);
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-std::f32::consts::LN_2), x);
    let mut p = s.splat(1.406_160_4e-3);
    for coefficient in [8.379_107e-3, 4.166_476_8e-2, 0.166_663_65, 0.500_000_06, 1.0, 1.0] {
        p = s.mul_add(p, r, s.splat(coefficient));
    }
    s.mul(p, s.pow2(n))
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.quotient(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// `x · sigmoid(x)`
#[inline(always)]
pub(crate) fn silu<S: Simd>(s: S, x: S::V) -> S::V {
    s.quotient(x, s.add(s.splat(1.0), exp(s, s.sub(s.splat(0.0), x))))
}

/// GELU by its tanh form: `x/2 · (1 + tanh u) = x · sigmoid(2u)`, u = √(2/π)·(x + 0.044715 x³).
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let cubic = s.mul_add(s.mul(x, x), s.splat(0.044_715), s.splat(1.0));
    s.mul(x, sigmoid(s, s.mul(s.mul(x, cubic), s.splat(1.595_769_2))))
}

/// GELU by its definition: `x/2 · (1 + erf(x/√2))`. erf is a quotient of polynomials (as in Eigen),
/// flat beyond ±4.
#[inline(always)]
pub(crate) fn gelu_erf<S: Simd>(s: S, x: S::V) -> S::V {
    let y = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let y = s.max(s.splat(-4.0), s.min(s.splat(4.0), y));
    let square = s.mul(y, y);
    let mut over = s.splat(-2.726_142e-10);
    for c in [
        2.770_681_5e-8,
        -2.101_024e-6,
        -5.692_506_2e-5,
        -7.349_906_4e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ] {
        over = s.mul_add(over, square, s.splat(c));
    }
    let mut under = s.splat(-1.456_607_2e-5);
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        under = s.mul_add(under, square, s.splat(c));
    }
    let erf = s.div(s.mul(y, over), under);
    let half = s.mul(x, s.splat(0.5));
    s.mul_add(half, erf, half)
}

/// `ln(1 + e^x)`; x itself above 20.
pub fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}
