use super::Conv;
use crate::testing::{SIZES, assert_close, assert_same, cpus, noise};

fn twin(conv: Conv, input: &[f32], weight: &[f32], history: &[f32], tokens: usize) -> Vec<f32> {
    let Conv {
        channels,
        taps,
        stride,
    } = conv;
    let mut out = Vec::new();
    for t in 0..tokens {
        for c in 0..channels {
            let mut sum = 0.0_f64;
            for i in 0..taps {
                let u = if t + i < taps - 1 {
                    history[(t + i) * channels + c]
                } else {
                    input[(t + i + 1 - taps) * stride + c]
                };
                sum += f64::from(u * weight[i * channels + c]);
            }
            out.push((sum / (1.0 + (-sum).exp())) as f32);
        }
    }
    out
}

#[test]
fn convolution_equals_the_twin_in_any_pieces() {
    for cpu in cpus() {
        for channels in SIZES.into_iter().skip(1) {
            let conv = Conv {
                channels,
                taps: 4,
                stride: channels + 3,
            };
            let tokens = 9;
            let (input, weight) = (noise(1, tokens * conv.stride), noise(2, 4 * channels));
            let start = noise(3, 3 * channels);
            let mut history = start.clone();
            let mut whole = vec![0.0; tokens * channels];
            cpu.causal_conv_silu(conv, &input, &weight, &mut history, &mut whole);
            assert_close(
                &whole,
                &twin(conv, &input, &weight, &start, tokens),
                2e-6,
                &format!("{:?}", cpu.isa),
            );
            for cuts in [[1, 2], [2, 3], [4, 8]] {
                let mut kept = start.clone();
                let mut pieces = Vec::new();
                for (from, to) in [(0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], tokens)] {
                    let mut out = vec![0.0; (to - from) * channels];
                    cpu.causal_conv_silu(conv, &input[from * conv.stride..], &weight, &mut kept, &mut out);
                    pieces.extend(out);
                }
                assert_same(&pieces, &whole, "pieces");
                assert_same(&kept, &history, "history");
            }
        }
    }
}
