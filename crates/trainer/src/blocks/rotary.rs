//! Rotary embeddings: pairs (j, j + pairs) of a head turn by angles of their token.

use aurore_model::positions::Rope;

use crate::ops::vectorised;

/// Cosines and sines of every token, `[T, pairs]`.
#[derive(Clone, Debug)]
pub(crate) struct Angles {
    pairs: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    /// Those of a language model's positions (time, height, width).
    pub(crate) fn text(rope: &Rope, positions: &[[u32; 3]]) -> Self {
        let pairs = rope.pairs();
        let (mut cos, mut sin) = (
            vec![0.0; positions.len() * pairs],
            vec![0.0; positions.len() * pairs],
        );
        let rows = cos.chunks_exact_mut(pairs).zip(sin.chunks_exact_mut(pairs));
        for (position, (cos, sin)) in positions.iter().zip(rows) {
            rope.write(*position, cos, sin);
        }
        Self { pairs, cos, sin }
    }

    /// Those of the vision tower: a patch's row turns the first half of the pairs of a head of width `dim`, its
    /// column the rest.
    pub(crate) fn vision(dim: usize, places: &[[u32; 2]]) -> Self {
        const THETA: f32 = 10_000.0;
        let pairs = dim / 2;
        let frequencies: Vec<f32> = (0..pairs / 2)
            .map(|j| 1.0 / THETA.powf((2 * j) as f32 / pairs as f32))
            .collect();
        let angles = places.iter().flat_map(|place| {
            let turn = |coordinate: u32| frequencies.iter().map(move |f| coordinate as f32 * f);
            place
                .iter()
                .flat_map(move |coordinate| turn(*coordinate))
                .collect::<Vec<f32>>()
        });
        let (cos, sin) = angles.map(|angle: f32| (angle.cos(), angle.sin())).unzip();
        Self { pairs, cos, sin }
    }

    /// Turns the first `heads` heads of width `dim` of every row of `stride` numbers.
    pub(crate) fn turn(
        &self,
        isa: aurore_kernels::Isa,
        x: &mut [f32],
        stride: usize,
        heads: usize,
        dim: usize,
    ) {
        rotate(
            isa,
            x,
            [stride, heads, dim, self.pairs],
            &self.cos,
            &self.sin,
            1.0,
        );
    }

    /// The transpose of [`turn`](Self::turn): what gradients go through.
    pub(crate) fn turn_back(
        &self,
        isa: aurore_kernels::Isa,
        x: &mut [f32],
        stride: usize,
        heads: usize,
        dim: usize,
    ) {
        rotate(
            isa,
            x,
            [stride, heads, dim, self.pairs],
            &self.cos,
            &self.sin,
            -1.0,
        );
    }
}

vectorised! {
    fn rotate(x: &'a mut [f32], sizes: [usize; 4], cos: &'a [f32], sin: &'a [f32], sign: f32) {
        let [stride, heads, dim, pairs] = sizes;
        let angles = cos.chunks_exact(pairs).zip(sin.chunks_exact(pairs));
        for (row, (cos, sin)) in x.chunks_exact_mut(stride).zip(angles) {
            for head in row[..heads * dim].chunks_exact_mut(dim) {
                let (first, second) = head[..2 * pairs].split_at_mut(pairs);
                for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                    let (x, y, s) = (*a, *b, sign * s);
                    *a = x * c - y * s;
                    *b = y * c + x * s;
                }
            }
        }
    }
}
