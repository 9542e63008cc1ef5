use crate::testing::{SIZES, assert_close, assert_same, cpus, noise};

fn mean_square(x: &[f32]) -> f64 {
    x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / x.len() as f64
}

fn silu(x: f32) -> f64 {
    f64::from(x) / (1.0 + (-f64::from(x)).exp())
}

#[test]
fn rms_norm_equals_its_formula_and_ignores_other_rows() {
    for cpu in cpus() {
        for width in SIZES.into_iter().skip(1) {
            let (x, weight) = (noise(1, 9 * width), noise(2, width));
            let mut out = vec![0.0; x.len()];
            cpu.rms_norm(&x, &weight, 1e-6, &mut out);
            let expected: Vec<f32> = x
                .chunks(width)
                .flat_map(|row| {
                    let scale = 1.0 / (mean_square(row) + 1e-6).sqrt();
                    row.iter()
                        .zip(&weight)
                        .map(move |(&x, &w)| (f64::from(x) * scale * f64::from(w)) as f32)
                })
                .collect();
            assert_close(&out, &expected, 2e-6, &format!("{:?} {width}", cpu.isa));
            let mut alone = vec![0.0; width];
            cpu.rms_norm(&x[3 * width..4 * width], &weight, 1e-6, &mut alone);
            assert_same(&alone, &out[3 * width..4 * width], "alone");
        }
    }
}

#[test]
fn layer_norm_equals_its_formula() {
    for cpu in cpus() {
        for width in SIZES.into_iter().skip(1) {
            let (x, weight, bias) = (noise(1, 5 * width), noise(2, width), noise(3, width));
            let mut out = vec![0.0; x.len()];
            cpu.layer_norm(&x, &weight, &bias, 1e-6, &mut out);
            let mut expected = Vec::new();
            for row in x.chunks(width) {
                let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / width as f64;
                let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / width as f64;
                for i in 0..width {
                    let unit = (f64::from(row[i]) - mean) / (variance + 1e-6).sqrt();
                    expected.push((unit * f64::from(weight[i]) + f64::from(bias[i])) as f32);
                }
            }
            // A row of one element has no variance: whatever rounding leaves is divided by 0.001.
            assert_close(&out, &expected, 2e-5, &format!("{:?} {width}", cpu.isa));
        }
    }
}

#[test]
fn gated_norm_equals_its_formula() {
    for cpu in cpus() {
        for width in SIZES.into_iter().skip(1) {
            let (heads, tokens, stride) = (3, 4, 3 * width + 7);
            let x = noise(1, tokens * heads * width);
            let (gate, weight) = (noise(2, tokens * stride), noise(3, width));
            let mut out = x.clone();
            cpu.gated_rms_norm(&mut out, &weight, 1e-6, &gate, heads, stride);
            let mut expected = Vec::new();
            for (row, values) in x.chunks(width).enumerate() {
                let scale = 1.0 / (mean_square(values) + 1e-6).sqrt();
                for i in 0..width {
                    let z = gate[row / heads * stride + row % heads * width + i];
                    expected.push((f64::from(values[i]) * scale * f64::from(weight[i]) * silu(z)) as f32);
                }
            }
            assert_close(&out, &expected, 3e-6, &format!("{:?} {width}", cpu.isa));
        }
    }
}

#[test]
fn nan_reaches_its_row_only() {
    for cpu in cpus() {
        let (mut x, weight) = (noise(1, 3 * 33), noise(2, 33));
        x[40] = f32::NAN;
        let mut out = vec![0.0; x.len()];
        cpu.rms_norm(&x, &weight, 1e-6, &mut out);
        let bad: Vec<bool> = out.chunks(33).map(|row| row.iter().all(|v| v.is_nan())).collect();
        assert_eq!(bad, [false, true, false]);
        assert!(out[..33].iter().all(|v| v.is_finite()));
    }
}
