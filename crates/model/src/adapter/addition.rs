//! What is added to one matrix.

use aurore_checkpoint::{LowRank, MatrixSpec};
use aurore_kernels::{Cpu, Format, Matrix, Source};

use crate::scratch::part;

/// The parts' As one below the other, and their Bs side by side, each in its own rows.
pub(crate) struct Addition {
    /// `[ranks, inputs]`
    first: Matrix,
    /// Scales included. `[outputs, ranks]`
    second: Matrix,
}

impl Addition {
    /// The additions to a matrix, each from its row on; `None` without any.
    pub(super) fn new(cpu: &Cpu, spec: &MatrixSpec, parts: &[(usize, &LowRank)]) -> Option<Self> {
        let ranks = ranks(parts);
        (ranks > 0).then(|| {
            let [first, second] = matrices(cpu, spec, parts, ranks);
            Self { first, second }
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.first.bytes() + self.second.bytes()
    }

    /// `y += (x·Aᵀ)·(s·B)ᵀ`
    pub(crate) fn add(&self, cpu: &Cpu, x: &[f32], low: &mut Vec<f32>, y: &mut [f32]) {
        let rows = x.len() / self.first.columns().max(1);
        let low = part(low, rows * self.first.rows());
        cpu.matmul(&self.first, x, low);
        cpu.matmul_add(&self.second, low, y);
    }
}

/// Ranks of all parts together.
pub(super) fn ranks(parts: &[(usize, &LowRank)]) -> usize {
    parts.iter().map(|(_, part)| part.rank).sum()
}

/// `[ranks, inputs]` and `[outputs, ranks]`; what no part fills is zero.
pub(super) fn matrices(
    cpu: &Cpu,
    spec: &MatrixSpec,
    parts: &[(usize, &LowRank)],
    ranks: usize,
) -> [Matrix; 2] {
    let (outputs, inputs) = (spec.rows(), spec.columns);
    let mut first = vec![0.0; ranks * inputs];
    let mut second = vec![0.0; outputs * ranks];
    let mut from = 0;
    for (row, part) in parts {
        first[from * inputs..(from + part.rank) * inputs].copy_from_slice(&part.a);
        let rows = second.chunks_exact_mut(ranks).skip(*row);
        for (to, b) in rows.zip(part.b.chunks_exact(part.rank.max(1))) {
            for (to, b) in to[from..from + part.rank].iter_mut().zip(b) {
                *to = part.scale * b;
            }
        }
        from += part.rank;
    }
    [(inputs, first), (ranks, second)].map(|(columns, values)| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Matrix::pack(cpu, columns, Format::F32, &[Source::F32(&bytes)])
    })
}
