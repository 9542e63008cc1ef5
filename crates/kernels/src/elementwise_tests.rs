use super::{Gated, Gelu};
use crate::math::{exp, exp_below};
use crate::simd::{Kernel, Simd};
use crate::testing::{SIZES, assert_close, cpus, noise};

/// erf by Simpson's rule.
fn erf(x: f64) -> f64 {
    let f = |i: i32| (-(x * f64::from(i) / 2000.0).powi(2)).exp();
    let inner: f64 = (1..2000).map(|i| f(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (f(0) + inner + f(2000)) * x / 6000.0 * 2.0 / std::f64::consts::PI.sqrt()
}

fn sigmoid(x: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(x)).exp())
}

fn wide(seed: u64, len: usize) -> Vec<f32> {
    noise(seed, len).into_iter().map(|x| x * 7.0).collect()
}

#[test]
fn gates_equal_their_formulas() {
    for cpu in cpus() {
        for width in SIZES.into_iter().skip(1) {
            let x = wide(1, 4 * 2 * width);
            let mut out = vec![0.0; 4 * width];
            cpu.silu_mul(&x, width, &mut out);
            let expected: Vec<f32> = x
                .chunks(2 * width)
                .flat_map(|row| {
                    (0..width)
                        .map(|i| (f64::from(row[i]) * sigmoid(row[i]) * f64::from(row[width + i])) as f32)
                })
                .collect();
            assert_close(&out, &expected, 1e-6, &format!("{:?} {width}", cpu.isa));
            let (gate, factor) = x.split_at(4 * width);
            cpu.isa.run(Gated {
                gate,
                factor,
                out: &mut out,
                silu: false,
            });
            let expected: Vec<f32> = gate
                .iter()
                .zip(factor)
                .map(|(&g, &f)| (sigmoid(g) * f64::from(f)) as f32)
                .collect();
            assert_close(&out, &expected, 1e-6, "sigmoid");
        }
    }
}

#[test]
fn gelus_equal_their_formulas() {
    for cpu in cpus() {
        for width in SIZES.into_iter().skip(1) {
            let (x, bias) = (wide(1, 3 * width), noise(2, width));
            let sums: Vec<f32> = x.iter().enumerate().map(|(i, x)| x + bias[i % width]).collect();
            for (gelu, expected) in [
                (None, sums.clone()),
                (
                    Some(Gelu::Erf),
                    sums.iter()
                        .map(|&x| (f64::from(x) / 2.0 * (1.0 + erf(f64::from(x) / 2_f64.sqrt()))) as f32)
                        .collect(),
                ),
                (
                    Some(Gelu::Tanh),
                    sums.iter()
                        .map(|&x| {
                            let x = f64::from(x);
                            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                            (x / 2.0 * (1.0 + u.tanh())) as f32
                        })
                        .collect(),
                ),
            ] {
                let mut out = x.clone();
                cpu.bias_gelu(&mut out, &bias, gelu);
                assert_close(&out, &expected, 2e-6, &format!("{:?} {gelu:?} {width}", cpu.isa));
            }
        }
    }
}

/// `x = e^x` by one of the two functions.
struct Exp<'a> {
    x: &'a mut [f32],
    below: bool,
}

impl Kernel for Exp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for x in self.x {
            let v = s.splat(*x);
            *x = s.to_array(if self.below { exp_below(s, v) } else { exp(s, v) })[0];
        }
    }
}

#[test]
fn exponentials_are_near_and_their_ends_are_right() {
    for cpu in cpus() {
        for below in [false, true] {
            let x: Vec<f32> = noise(3, 2000).into_iter().map(|x| x * 87.0).collect();
            let mut y = x.clone();
            cpu.isa.run(Exp { x: &mut y, below });
            for (&x, &y) in x.iter().zip(&y) {
                // The shorter one's reduction is rounded once, where multiply-adds are not fused.
                let tolerance = if below {
                    3e-7 + 6e-8 * f64::from(x.abs())
                } else {
                    3e-7
                };
                let expected = f64::from(x).exp();
                let near = (f64::from(y) / expected - 1.0).abs() < tolerance || expected < 1.3e-38;
                assert!(near, "{:?}: e^{x} is not {y}", cpu.isa);
            }
            let mut ends = [f32::NEG_INFINITY, -1e30, f32::NAN, 0.0];
            cpu.isa.run(Exp { x: &mut ends, below });
            assert_eq!((ends[0], ends[1], ends[3]), (0.0, 0.0, 1.0));
            assert!(ends[2].is_nan());
            let mut high = [1e30];
            cpu.isa.run(Exp {
                x: &mut high,
                below: false,
            });
            assert!(high[0] > 1e38);
        }
    }
}
