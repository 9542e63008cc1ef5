//! The feed-forward part of a layer: one SwiGLU, or sparse experts with a shared one.

use aurore_checkpoint::matrices::{dense, expert, moe};
use aurore_checkpoint::{Ffn, MatrixSpec, TextConfig};
use aurore_kernels::{Cpu, Matrix};

use crate::ModelError;
use crate::load::Loader;
use crate::scratch::{Scratch, part};

pub(crate) enum FeedForward {
    Dense(Box<SwiGlu>),
    Moe(Box<Moe>),
}

/// `down(silu(gate(x)) ⊙ up(x))`
pub(crate) struct SwiGlu {
    /// `[2 · intermediate, hidden]`, gate rows first
    gate_up: Matrix,
    /// `[hidden, intermediate]`
    down: Matrix,
}

pub(crate) struct Moe {
    experts: usize,
    top_k: usize,
    /// `[experts, hidden]`
    router: Matrix,
    /// As in [`SwiGlu`], per expert; the shared one is the last if it has the others' shape.
    gate_up: Vec<Matrix>,
    down: Vec<Matrix>,
    /// The shared expert if it has a shape of its own.
    shared: Option<SwiGlu>,
    /// `[1, hidden]`
    shared_gate: Matrix,
}

impl FeedForward {
    pub(crate) fn load(loader: &Loader<'_>, config: &TextConfig, prefix: &str) -> Result<Self, ModelError> {
        let Ffn::Moe { experts, top_k, .. } = config.ffn else {
            let [gate_up, down] = dense(config, prefix).ok_or_else(no_place)?;
            return SwiGlu::load(loader, &gate_up, &down).map(|dense| Self::Dense(Box::new(dense)));
        };
        let (mut gate_up, mut down) = (Vec::new(), Vec::new());
        for index in 0..experts {
            let [gate_up_spec, down_spec] = expert(config, prefix, index).ok_or_else(no_place)?;
            gate_up.push(loader.matrix(&gate_up_spec)?);
            down.push(loader.matrix(&down_spec)?);
        }
        let [router, shared_gate, shared_gate_up, shared_down] = moe(config, prefix).ok_or_else(no_place)?;
        let mut shared = Some(SwiGlu::load(loader, &shared_gate_up, &shared_down)?);
        let alike = |shared: &mut SwiGlu| gate_up[0].rows() == shared.gate_up.rows();
        if let Some(shared) = shared.take_if(alike) {
            gate_up.push(shared.gate_up);
            down.push(shared.down);
        }
        Ok(Self::Moe(Box::new(Moe {
            experts,
            top_k,
            router: loader.matrix(&router)?,
            gate_up,
            down,
            shared,
            shared_gate: loader.matrix(&shared_gate)?,
        })))
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.bytes(),
            Self::Moe(moe) => {
                let experts: usize = moe.gate_up.iter().chain(&moe.down).map(Matrix::bytes).sum();
                let shared = moe.shared.as_ref().map_or(0, SwiGlu::bytes);
                experts + shared + moe.router.bytes() + moe.shared_gate.bytes()
            }
        }
    }

    /// Bytes of the experts that one token does not go to.
    pub(crate) fn idle_bytes(&self) -> usize {
        match self {
            Self::Dense(_) => 0,
            Self::Moe(moe) => {
                let expert = moe.gate_up[0].bytes() + moe.down[0].bytes();
                expert * (moe.experts - moe.top_k)
            }
        }
    }

    /// `x += ffn(normed)`
    pub(crate) fn forward(&self, cpu: &Cpu, scratch: &mut Scratch, tokens: usize) {
        match self {
            Self::Dense(dense) => {
                let hidden = dense.down.rows();
                let normed = &scratch.normed[..tokens * hidden];
                let inner = dense.inner(cpu, normed, &mut scratch.projected, &mut scratch.mixed);
                cpu.matmul_add(&dense.down, inner, &mut scratch.x[..tokens * hidden]);
            }
            Self::Moe(moe) => moe.forward(cpu, scratch, tokens),
        }
    }
}

/// The list of matrices and the configuration disagree on what kind of layer this is.
fn no_place() -> ModelError {
    ModelError::Config("its feed-forward layers are of another kind".to_owned())
}

impl SwiGlu {
    fn load(loader: &Loader<'_>, gate_up: &MatrixSpec, down: &MatrixSpec) -> Result<Self, ModelError> {
        Ok(Self {
            gate_up: loader.matrix(gate_up)?,
            down: loader.matrix(down)?,
        })
    }

    fn bytes(&self) -> usize {
        self.gate_up.bytes() + self.down.bytes()
    }

    /// `silu(gate(x)) ⊙ up(x)`, `[tokens, intermediate]`, in `inner`.
    fn inner<'a>(&self, cpu: &Cpu, x: &[f32], gate_up: &mut Vec<f32>, inner: &'a mut Vec<f32>) -> &'a [f32] {
        let tokens = x.len() / self.gate_up.columns();
        let gate_up = part(gate_up, tokens * self.gate_up.rows());
        cpu.matmul(&self.gate_up, x, gate_up);
        let inner = part(inner, gate_up.len() / 2);
        cpu.silu_mul(gate_up, self.down.columns(), inner);
        inner
    }
}

impl Moe {
    /// Two task lists over all experts: gate and up, then down. Rows are sorted by expert; the shared
    /// expert's, one per token, come last.
    fn forward(&self, cpu: &Cpu, scratch: &mut Scratch, tokens: usize) {
        let hidden = self.router.columns();
        let x = &scratch.normed[..tokens * hidden];
        let buffers = &mut scratch.experts;
        let gates = part(&mut buffers.gates, tokens);
        cpu.matmul(&self.shared_gate, x, gates);
        let logits = part(&mut buffers.logits, tokens * self.experts);
        cpu.matmul(&self.router, x, logits);
        let routing = &mut buffers.routing;
        routing.route(logits, self.experts, self.top_k);
        let routed = routing.tokens.len();
        let shared = part(&mut buffers.shared, tokens * hidden);
        match &self.shared {
            None => routing.add_for_all(self.experts, tokens),
            Some(expert) => {
                let inner = expert.inner(cpu, x, &mut scratch.projected, &mut scratch.mixed);
                cpu.matmul(&expert.down, inner, shared);
            }
        }
        let (rows, width) = (routing.tokens.len(), self.down[0].columns());
        let gate_up = part(&mut scratch.projected, rows * 2 * width);
        let index = Some(routing.tokens.as_slice());
        cpu.matmul_grouped(&self.gate_up, &routing.groups, index, x, gate_up);
        let inner = part(&mut scratch.mixed, rows * width);
        cpu.silu_mul(gate_up, width, inner);
        let results = part(&mut buffers.rows, rows * hidden);
        cpu.matmul_grouped(&self.down, &routing.groups, None, inner, results);
        let (results, last) = results.split_at(routed * hidden);
        let shared = if last.is_empty() { shared } else { last };
        let x = &mut scratch.x[..tokens * hidden];
        cpu.combine_experts(routing, results, gates, shared, hidden, x);
    }
}
