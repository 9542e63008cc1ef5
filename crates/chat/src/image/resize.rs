//! Bicubic resampling, equal to Pillow's to the bit.
//!
//! The kernel is Keys' cubic with a = −0.5; when shrinking, its support is widened by the scale (antialiasing).
//! Rows first, then columns, each pass in fixed point with 22 fractional bits and rounded to 8 bits, as
//! `Resample.c` of Pillow does for 8-bit pictures. The models were trained on such pixels.

const FRACTION_BITS: u32 = 32 - 8 - 2;
const CHANNELS: usize = 3;

/// Weights of the source pixels that make one target pixel.
struct Taps {
    /// First source pixel.
    start: usize,
    /// Fixed-point weight of each source pixel from `start` on.
    weights: Vec<i32>,
}

/// Resamples `[height, width, 3]` pixels to `target` (width, height).
///
/// `pixels` must hold `width * height * 3` bytes and all sides be at least 1: else the result is black.
pub fn resize_bicubic(pixels: &[u8], (width, height): (u32, u32), target: (u32, u32)) -> Vec<u8> {
    let (source_width, source_height) = (width as usize, height as usize);
    let (target_width, target_height) = (target.0 as usize, target.1 as usize);
    if pixels.len() != source_width * source_height * CHANNELS || pixels.is_empty() {
        return vec![0; target_width * target_height * CHANNELS];
    }
    let rows = if source_width == target_width {
        pixels.to_vec()
    } else {
        resize_rows(pixels, source_width, target_width)
    };
    if source_height == target_height {
        rows
    } else {
        resize_columns(&rows, target_width, source_height, target_height)
    }
}

fn resize_rows(pixels: &[u8], source_width: usize, target_width: usize) -> Vec<u8> {
    let taps = taps(source_width, target_width);
    let mut result = Vec::with_capacity(pixels.len() / source_width * target_width);
    for row in pixels.chunks_exact(source_width * CHANNELS) {
        for tap in &taps {
            let mut sums = [HALF; CHANNELS];
            let window = &row[tap.start * CHANNELS..];
            for (weight, pixel) in tap.weights.iter().zip(window.chunks_exact(CHANNELS)) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            result.extend(sums.map(to_byte));
        }
    }
    result
}

fn resize_columns(pixels: &[u8], width: usize, source_height: usize, target_height: usize) -> Vec<u8> {
    let stride = width * CHANNELS;
    let mut result = Vec::with_capacity(target_height * stride);
    let mut sums = vec![HALF; stride];
    for tap in taps(source_height, target_height) {
        sums.fill(HALF);
        let window = &pixels[tap.start * stride..];
        for (weight, row) in tap.weights.iter().zip(window.chunks_exact(stride)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += i32::from(*value) * weight;
            }
        }
        result.extend(sums.iter().map(|sum| to_byte(*sum)));
    }
    result
}

const HALF: i32 = 1 << (FRACTION_BITS - 1);

fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}

fn taps(source: usize, target: usize) -> Vec<Taps> {
    let scale = source as f64 / target as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    (0..target)
        .map(|index| {
            let center = (index as f64 + 0.5) * scale;
            // Casts truncate toward zero, as in C.
            let start = ((center - support + 0.5) as i64).max(0) as usize;
            let end = ((center + support + 0.5) as i64).clamp(0, source as i64) as usize;
            let mut weights: Vec<f64> = (start..end)
                .map(|x| cubic((x as f64 - center + 0.5) * (1.0 / stretch)))
                .collect();
            let total: f64 = weights.iter().sum();
            if total != 0.0 {
                for weight in &mut weights {
                    *weight /= total;
                }
            }
            let fixed = |weight: f64| {
                let scaled = weight * f64::from(1u32 << FRACTION_BITS);
                (scaled + 0.5f64.copysign(scaled)) as i32
            };
            Taps {
                start,
                weights: weights.into_iter().map(fixed).collect(),
            }
        })
        .collect()
}

/// Keys' cubic convolution kernel, a = −0.5, in the order of operations of Pillow's `bicubic_filter`.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
