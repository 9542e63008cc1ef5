//! The feed-forward part: one SwiGLU, or routed experts beside a shared one.

use aurore_checkpoint::{Ffn, TextConfig, Weights};

use super::ops::{self, Matrix};
use crate::ModelError;

pub(super) enum FeedForward {
    Dense(SwiGlu),
    Moe(Box<Moe>),
}

/// `down(silu(gate(x)) ⊙ up(x))` with inner width I.
pub(super) struct SwiGlu {
    /// `[I, H]`
    gate: Matrix,
    /// `[I, H]`
    up: Matrix,
    /// `[H, I]`
    down: Matrix,
}

/// E: number of routed experts.
pub(super) struct Moe {
    /// `[E, H]`
    router: Matrix,
    experts: Vec<SwiGlu>,
    shared: SwiGlu,
    /// `[1, H]`
    shared_gate: Matrix,
    top_k: usize,
    hidden: usize,
}

impl FeedForward {
    pub(super) fn load(weights: &dyn Weights, prefix: &str, config: &TextConfig) -> Result<Self, ModelError> {
        let hidden = config.hidden_size;
        match config.ffn {
            Ffn::Dense { intermediate } => {
                Ok(Self::Dense(SwiGlu::load(weights, prefix, hidden, intermediate)?))
            }
            Ffn::Moe {
                experts,
                top_k,
                intermediate,
                shared_intermediate,
            } => {
                let matrix =
                    |name: &str, rows| Matrix::load(weights, &format!("{prefix}.{name}"), rows, hidden);
                Ok(Self::Moe(Box::new(Moe {
                    router: matrix("gate.weight", experts)?,
                    experts: (0..experts)
                        .map(|index| {
                            let expert = weights.expert(prefix, index)?;
                            let inner = [intermediate, hidden];
                            Ok(SwiGlu {
                                gate: Matrix::new(expert.gate.expect_shape(&inner)?.to_f32(), hidden),
                                up: Matrix::new(expert.up.expect_shape(&inner)?.to_f32(), hidden),
                                down: Matrix::new(
                                    expert.down.expect_shape(&[hidden, intermediate])?.to_f32(),
                                    intermediate,
                                ),
                            })
                        })
                        .collect::<Result<_, ModelError>>()?,
                    shared: SwiGlu::load(
                        weights,
                        &format!("{prefix}.shared_expert"),
                        hidden,
                        shared_intermediate,
                    )?,
                    shared_gate: matrix("shared_expert_gate.weight", 1)?,
                    top_k,
                    hidden,
                })))
            }
        }
    }

    /// `x`: `[T, H]` → `[T, H]`
    pub(super) fn forward(&self, x: &[f32]) -> Vec<f32> {
        match self {
            Self::Dense(dense) => dense.forward(x),
            Self::Moe(moe) => x
                .chunks_exact(moe.hidden)
                .flat_map(|token| moe.forward(token))
                .collect(),
        }
    }
}

impl SwiGlu {
    fn load(weights: &dyn Weights, prefix: &str, hidden: usize, inner: usize) -> Result<Self, ModelError> {
        let matrix = |name: &str, rows, columns| {
            Matrix::load(weights, &format!("{prefix}.{name}.weight"), rows, columns)
        };
        Ok(Self {
            gate: matrix("gate_proj", inner, hidden)?,
            up: matrix("up_proj", inner, hidden)?,
            down: matrix("down_proj", hidden, inner)?,
        })
    }

    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let (gate, up) = (self.gate.apply(x), self.up.apply(x)); // [T, I]
        let inner: Vec<f32> = gate
            .iter()
            .zip(&up)
            .map(|(gate, up)| ops::silu(*gate) * up)
            .collect();
        self.down.apply(&inner)
    }
}

impl Moe {
    /// One token, `[H]` → `[H]`.
    fn forward(&self, token: &[f32]) -> Vec<f32> {
        let mut shares = self.router.apply(token); // [E]
        ops::softmax(&mut shares);
        let mut order: Vec<usize> = (0..shares.len()).collect();
        // Stable: of equal shares the lower index wins.
        order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
        order.truncate(self.top_k);
        let total: f32 = order.iter().map(|expert| shares[*expert]).sum();

        let open = ops::sigmoid(self.shared_gate.apply(token)[0]);
        let mut out: Vec<f32> = self.shared.forward(token).iter().map(|y| open * y).collect();
        for expert in order {
            let weight = shares[expert] / total;
            for (out, y) in out.iter_mut().zip(self.experts[expert].forward(token)) {
                *out += weight * y;
            }
        }
        out
    }
}
