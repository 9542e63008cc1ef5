//! Adapters beside the weights: low-rank additions that a sequence is computed with.
//!
//! A pass has one adapter or none, so what belongs to it is added to all of its rows: `y += (x·Aᵀ)·(s·B)ᵀ` after the
//! product with the weights. Additions are f32. Without an adapter nothing is looked up in a product's way.

mod addition;
mod experts;

use aurore_checkpoint::matrices::{
    attention_input, attention_output, delta_input, delta_output, dense, expert, moe,
};
use aurore_checkpoint::{Adapter, Config, Ffn, LayerType, MatrixSpec, TextConfig};
use aurore_kernels::Cpu;

pub(crate) use self::addition::Addition;
pub(crate) use self::experts::ExpertAdditions;
use crate::ModelError;

/// An adapter in the form in which a network multiplies it.
pub struct LoadedAdapter {
    identity: [u8; 32],
    /// What it was loaded for.
    config: TextConfig,
    layers: Vec<LayerAdditions>,
}

/// What is added in one layer.
#[derive(Default)]
pub(crate) struct LayerAdditions {
    /// To the mixer's joined inputs.
    pub(crate) input: Option<Addition>,
    /// To the mixer's output.
    pub(crate) output: Option<Addition>,
    /// To the dense feed-forward part, or a shared expert of its own shape.
    pub(crate) gate_up: Option<Addition>,
    pub(crate) down: Option<Addition>,
    /// To the routed experts, and a shared one that is computed with them.
    pub(crate) experts: Option<ExpertAdditions>,
}

impl LoadedAdapter {
    /// Lays an adapter out for a network of this configuration.
    pub(crate) fn new(
        cpu: &Cpu,
        adapter: &Adapter,
        config: &Config,
        experts_stay: bool,
    ) -> Result<Self, ModelError> {
        let refuse = |problem: &'static str, hint: &'static str| {
            Err(ModelError::Adapter {
                place: adapter.place().to_owned(),
                problem,
                hint,
            })
        };
        if adapter.sees() {
            return refuse(
                "it changes the vision tower, which all answers share",
                "merge it into the checkpoint (`aurore tune --merge`)",
            );
        }
        if experts_stay && adapter.parts().any(|(name, _)| name.contains(".experts.")) {
            return refuse(
                "it changes experts that stay in their file",
                "leave `--expert-memory` out, or merge it into the checkpoint",
            );
        }
        let layers = config.text.layer_types.iter().enumerate();
        let text = &config.text;
        Ok(Self {
            identity: *adapter.identity(),
            config: text.clone(),
            layers: layers
                .map(|(index, kind)| LayerAdditions::new(cpu, adapter, text, index, *kind))
                .collect(),
        })
    }

    /// A hash of everything in it: two adapters that compute differently have different ones.
    pub fn identity(&self) -> &[u8; 32] {
        &self.identity
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.layers.iter().map(LayerAdditions::bytes).sum()
    }

    /// Whether it was loaded for a network of these sizes.
    pub(crate) fn fits(&self, config: &TextConfig) -> bool {
        let sizes = |config: &TextConfig| {
            [
                config.hidden_size,
                config.num_attention_heads,
                config.num_key_value_heads,
                config.head_dim,
                config.linear_num_key_heads,
                config.linear_num_value_heads,
                config.linear_key_head_dim,
                config.linear_value_head_dim,
            ]
        };
        let own = &self.config;
        sizes(own) == sizes(config) && own.layer_types == config.layer_types && own.ffn == config.ffn
    }

    pub(crate) fn layer(&self, index: usize) -> Option<&LayerAdditions> {
        self.layers.get(index)
    }
}

impl std::fmt::Debug for LoadedAdapter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LoadedAdapter")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl LayerAdditions {
    fn new(cpu: &Cpu, adapter: &Adapter, config: &TextConfig, index: usize, kind: LayerType) -> Self {
        let prefix = format!("model.language_model.layers.{index}");
        let one = |spec: &MatrixSpec| Addition::new(cpu, spec, &adapter.of(spec));
        let [input, output] = match kind {
            LayerType::LinearAttention => {
                let prefix = format!("{prefix}.linear_attn");
                [delta_input(config, &prefix), delta_output(config, &prefix)]
            }
            LayerType::FullAttention => {
                let prefix = format!("{prefix}.self_attn");
                [
                    attention_input(config, &prefix),
                    attention_output(config, &prefix),
                ]
            }
        };
        let mut additions = Self {
            input: one(&input),
            output: one(&output),
            ..Self::default()
        };
        let prefix = format!("{prefix}.mlp");
        let Ffn::Moe { experts, .. } = config.ffn else {
            if let Some([gate_up, down]) = dense(config, &prefix) {
                additions.gate_up = one(&gate_up);
                additions.down = one(&down);
            }
            return additions;
        };
        let mut all: Vec<[MatrixSpec; 2]> = (0..experts)
            .filter_map(|index| expert(config, &prefix, index))
            .collect();
        if let Some([_, _, gate_up, down]) = moe(config, &prefix) {
            let alike = all
                .first()
                .is_some_and(|[first, _]| first.rows() == gate_up.rows());
            if alike {
                all.push([gate_up, down]);
            } else {
                additions.gate_up = one(&gate_up);
                additions.down = one(&down);
            }
        }
        additions.experts = ExpertAdditions::new(cpu, adapter, &all);
        additions
    }

    fn bytes(&self) -> usize {
        let single = [&self.input, &self.output, &self.gate_up, &self.down];
        let single: usize = single.into_iter().flatten().map(Addition::bytes).sum();
        single + self.experts.as_ref().map_or(0, ExpertAdditions::bytes)
    }
}
