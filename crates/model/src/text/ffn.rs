//! The feed-forward part of a layer: one SwiGLU, or sparse experts with a shared one.

use std::sync::Arc;

use aurore_checkpoint::matrices::{dense, expert, moe};
use aurore_checkpoint::{Ffn, MatrixSpec, TextConfig};
use aurore_kernels::{Cpu, Matrix};

use crate::ModelError;
use crate::adapter::LayerAdditions;
use crate::experts::{ExpertStore, Rows};
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
    intermediate: usize,
    /// `[experts, hidden]`
    router: Matrix,
    routed: Routed,
    /// The shared expert, if it is not among the routed ones.
    shared: Option<SwiGlu>,
    /// `[1, hidden]`
    shared_gate: Matrix,
}

/// The routed experts of a layer.
enum Routed {
    /// As in [`SwiGlu`], per expert; the shared one is the last if it has the others' shape.
    Memory { gate_up: Vec<Matrix>, down: Vec<Matrix> },
    /// Those of this layer in the store.
    File { layer: usize, store: Arc<ExpertStore> },
}

impl FeedForward {
    pub(crate) fn load(loader: &Loader<'_>, config: &TextConfig, layer: usize) -> Result<Self, ModelError> {
        let prefix = &format!("model.language_model.layers.{layer}.mlp");
        let Ffn::Moe {
            experts,
            top_k,
            intermediate,
            ..
        } = config.ffn
        else {
            let [gate_up, down] = dense(config, prefix).ok_or_else(no_place)?;
            return SwiGlu::load(loader, &gate_up, &down).map(|dense| Self::Dense(Box::new(dense)));
        };
        let [router, shared_gate, shared_gate_up, shared_down] = moe(config, prefix).ok_or_else(no_place)?;
        let mut shared = Some(SwiGlu::load(loader, &shared_gate_up, &shared_down)?);
        let routed = if let Some(store) = loader.experts {
            let store = Arc::clone(store);
            Routed::File { layer, store }
        } else {
            let (mut gate_up, mut down) = (Vec::new(), Vec::new());
            for index in 0..experts {
                let [gate_up_spec, down_spec] = expert(config, prefix, index).ok_or_else(no_place)?;
                gate_up.push(loader.matrix(&gate_up_spec)?);
                down.push(loader.matrix(&down_spec)?);
            }
            let alike = |shared: &mut SwiGlu| gate_up[0].rows() == shared.gate_up.rows();
            if let Some(shared) = shared.take_if(alike) {
                gate_up.push(shared.gate_up);
                down.push(shared.down);
            }
            Routed::Memory { gate_up, down }
        };
        Ok(Self::Moe(Box::new(Moe {
            experts,
            top_k,
            intermediate,
            router: loader.matrix(&router)?,
            routed,
            shared,
            shared_gate: loader.matrix(&shared_gate)?,
        })))
    }

    /// Bytes in memory, without those of a store of experts.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.bytes(),
            Self::Moe(moe) => {
                let experts: usize = match &moe.routed {
                    Routed::Memory { gate_up, down } => gate_up.iter().chain(down).map(Matrix::bytes).sum(),
                    Routed::File { .. } => 0,
                };
                let shared = moe.shared.as_ref().map_or(0, SwiGlu::bytes);
                experts + shared + moe.router.bytes() + moe.shared_gate.bytes()
            }
        }
    }

    /// Bytes that one token meets.
    pub(crate) fn bytes_per_token(&self) -> usize {
        let Self::Moe(moe) = self else {
            return self.bytes();
        };
        match &moe.routed {
            Routed::Memory { gate_up, down } => {
                let expert = gate_up[0].bytes() + down[0].bytes();
                self.bytes() - expert * (moe.experts - moe.top_k)
            }
            Routed::File { store, .. } => self.bytes() + store.bytes_per_token(),
        }
    }

    /// `x += ffn(normed)`
    ///
    /// # Errors
    /// When an expert cannot be read from its file.
    pub(crate) fn forward(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        tokens: usize,
        additions: Option<&LayerAdditions>,
    ) -> Result<(), ModelError> {
        match self {
            Self::Dense(dense) => {
                let hidden = dense.down.rows();
                let normed = &scratch.normed[..tokens * hidden];
                let room = [&mut scratch.projected, &mut scratch.mixed];
                let inner = dense.inner(cpu, normed, additions, room, &mut scratch.low);
                let x = &mut scratch.x[..tokens * hidden];
                cpu.matmul_add(&dense.down, inner, x);
                if let Some(addition) = additions.and_then(|own| own.down.as_ref()) {
                    addition.add(cpu, inner, &mut scratch.low, x);
                }
                Ok(())
            }
            Self::Moe(moe) => moe.forward(cpu, scratch, tokens, additions),
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

    /// `silu(gate(x)) ⊙ up(x)`, `[tokens, intermediate]`, in the second of two buffers.
    fn inner<'a>(
        &self,
        cpu: &Cpu,
        x: &[f32],
        additions: Option<&LayerAdditions>,
        [gate_up, inner]: [&'a mut Vec<f32>; 2],
        low: &mut Vec<f32>,
    ) -> &'a [f32] {
        let tokens = x.len() / self.gate_up.columns();
        let gate_up = part(gate_up, tokens * self.gate_up.rows());
        cpu.matmul(&self.gate_up, x, gate_up);
        if let Some(addition) = additions.and_then(|own| own.gate_up.as_ref()) {
            addition.add(cpu, x, low, gate_up);
        }
        let inner = part(inner, gate_up.len() / 2);
        cpu.silu_mul(gate_up, self.down.columns(), inner);
        inner
    }
}

impl Moe {
    /// Two task lists over all experts: gate and up, then down. Rows are sorted by expert; the shared
    /// expert's, one per token, come last.
    fn forward(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        tokens: usize,
        additions: Option<&LayerAdditions>,
    ) -> Result<(), ModelError> {
        let hidden = self.router.columns();
        let x = &scratch.normed[..tokens * hidden];
        let buffers = &mut scratch.experts;
        let gates = part(&mut buffers.gates, tokens);
        cpu.matmul(&self.shared_gate, x, gates);
        let logits = part(&mut buffers.logits, tokens * self.experts);
        cpu.matmul(&self.router, x, logits);
        let routing = &mut buffers.routing;
        cpu.route(routing, logits, self.experts, self.top_k);
        let routed = routing.tokens.len();
        let reading = match &self.routed {
            Routed::Memory { .. } => None,
            Routed::File { layer, store } => Some(store.begin(*layer, &routing.groups, tokens)),
        };
        let shared = part(&mut buffers.shared, tokens * hidden);
        match &self.shared {
            None => routing.add_for_all(self.experts, tokens),
            Some(expert) => {
                let room = [&mut scratch.projected, &mut scratch.mixed];
                let inner = expert.inner(cpu, x, additions, room, &mut scratch.low);
                cpu.matmul(&expert.down, inner, shared);
                if let Some(addition) = additions.and_then(|own| own.down.as_ref()) {
                    addition.add(cpu, inner, &mut scratch.low, shared);
                }
            }
        }
        let (rows, width) = (routing.tokens.len(), self.intermediate);
        let gate_up = part(&mut scratch.projected, rows * 2 * width);
        let inner = part(&mut scratch.mixed, rows * width);
        let results = part(&mut buffers.rows, rows * hidden);
        match (&self.routed, reading) {
            (Routed::Memory { gate_up: first, down }, _) => {
                let index = Some(routing.tokens.as_slice());
                let (groups, low) = (&routing.groups, &mut scratch.low);
                let added = additions.and_then(|own| own.experts.as_ref());
                cpu.matmul_grouped(first, groups, index, x, gate_up);
                if let Some(added) = added {
                    added.gate_up.add(cpu, groups, index, x, low, gate_up);
                }
                cpu.silu_mul(gate_up, width, inner);
                cpu.matmul_grouped(down, groups, None, inner, results);
                if let Some(added) = added {
                    added.down.add(cpu, groups, None, inner, low, results);
                }
            }
            (Routed::File { .. }, reading) => {
                let rows = Rows {
                    routing,
                    x,
                    gate_up,
                    inner,
                    results,
                };
                if let Some(reading) = reading {
                    reading.finish(cpu, rows)?;
                }
            }
        }
        let (results, last) = results.split_at(routed * hidden);
        let shared = if last.is_empty() { shared } else { last };
        let x = &mut scratch.x[..tokens * hidden];
        cpu.combine_experts(routing, results, gates, shared, hidden, x);
        Ok(())
    }
}
