use super::{Activations, BLOCK, GROUP, bf16_value, q4, q8};
use crate::testing::{cpus, noise};

#[test]
fn q8_is_within_half_a_step() {
    for len in [1, 3, 64, 255, 256] {
        let weights = noise(len as u64, len);
        let mut values = [0; BLOCK];
        let scale = bf16_value(q8::round(&weights, &mut values));
        for (value, weight) in values.iter().zip(&weights) {
            assert!((f32::from(*value) * scale - weight).abs() <= scale * 0.5001);
        }
    }
}

#[test]
fn q4_is_near_its_groups() {
    for len in [1, 31, 32, 33, 200, 256] {
        // Groups of different sizes share a block.
        let weights: Vec<f32> = noise(len as u64, len)
            .iter()
            .enumerate()
            .map(|(i, w)| w * (1.0 + (i / GROUP) as f32))
            .collect();
        let block = q4::round(&weights);
        let unit = bf16_value(block.scale);
        for (i, weight) in weights.iter().enumerate() {
            let factor = f32::from(block.factors[i / GROUP]);
            let found = unit * factor * (f32::from(block.nibbles[i]) - 8.0);
            // Half a step, a step at the far end, and the rounding of the factor.
            let most = weights[i / GROUP * GROUP..]
                .iter()
                .take(GROUP)
                .fold(0.0_f32, |most, w| most.max(w.abs()));
            assert!(
                (found - weight).abs() <= most / 8.0 + 8.0 * unit,
                "{found} {weight}"
            );
        }
    }
}

#[test]
fn blocks_of_zeros_and_of_nothing_finite() {
    let mut values = [9; BLOCK];
    assert_eq!(q8::round(&[0.0; 7], &mut values), 0);
    assert_eq!(values[..7], [0; 7]);
    assert_eq!(q4::round(&[0.0; 40]).scale, 0);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut weights = [1.0; 40];
        weights[35] = bad;
        assert!(!bf16_value(q8::round(&weights, &mut values)).is_finite());
        assert!(!bf16_value(q4::round(&weights).scale).is_finite());
    }
}

#[test]
fn inputs_round_alike_everywhere() {
    for k in [1, 63, 64, 256, 300, 1027] {
        let mut input = noise(5, 3 * k);
        input[0] = 1e-38;
        let mut first: Option<Vec<i8>> = None;
        for cpu in cpus() {
            let mut buffer = Activations::default();
            let rows = buffer.quantise(&cpu, &input, k, true);
            let count = 3 * rows.blocks() * BLOCK;
            // SAFETY: so much was made room for.
            let bytes = unsafe { std::slice::from_raw_parts(buffer.values.start::<i8>(), count) };
            for row in 0..3 {
                for (i, x) in input[row * k..][..k].iter().enumerate() {
                    let (block, within) = (i / BLOCK, i % BLOCK);
                    let at = (block * 3 + row) * BLOCK + within;
                    let scale = buffer.scales[at / BLOCK];
                    let found = f32::from(bytes[at]) * scale;
                    assert!((found - x).abs() <= (scale * 0.5001).max(1e-36));
                }
                for block in 0..rows.blocks() {
                    let width = rows.width(block);
                    let start = (block * 3 + row) * BLOCK;
                    let values = &bytes[start..start + width];
                    let sum = |values: &[i8]| values.iter().map(|&x| i32::from(x)).sum::<i32>();
                    assert_eq!(buffer.starts[start / BLOCK], -128 * sum(values));
                    for (group, values) in values.chunks(GROUP).enumerate() {
                        let half = |half: usize| {
                            -8 * values.chunks(4).map(|x| sum(&x[2 * half..][..2])).sum::<i32>()
                        };
                        let offsets = buffer.offsets[start / GROUP + group].map(i32::from);
                        assert_eq!(offsets, [half(0), half(1)]);
                        assert_eq!(buffer.bases[start / GROUP + group], half(0) + half(1));
                    }
                }
            }
            let values = bytes.to_vec();
            assert_eq!(*first.get_or_insert(values.clone()), values);
        }
    }
}
