//! LoRA: frozen matrices `W` and additions `s·B·A` that learn, `A` of few rows (Hu et al., 2021).
//!
//! `A` begins with random numbers and `B` with zeros, so that a run begins with the checkpoint's own answers.

mod settings;

use std::collections::BTreeMap;

use aurore_checkpoint::{
    Adapter, AdapterConfig, AdapterSlot, AdapterTarget, Config, LowRank, Part, adapter_slots,
};

pub use self::settings::{LoraSettings, Projections};
use crate::numbers::Numbers;
use crate::parameters::{Parameter, Parameters};

/// What is appended to a tensor's official name for the two that learn beside it.
pub(crate) const FIRST: &str = ".lora_A";
pub(crate) const SECOND: &str = ".lora_B";

impl LoraSettings {
    /// What an addition is multiplied with.
    pub fn scale(&self) -> f32 {
        self.alpha / self.rank.max(1) as f32
    }

    /// The tensors that get additions.
    fn slots(&self, config: &Config) -> Vec<AdapterSlot> {
        let wanted = |slot: &AdapterSlot| {
            let projections = match slot.target {
                AdapterTarget::Attention => Projections::Attention,
                AdapterTarget::DeltaNet => Projections::Deltanet,
                AdapterTarget::FeedForward => Projections::Mlp,
                AdapterTarget::Vision => Projections::Vision,
                AdapterTarget::DeltaGates => return false,
            };
            self.on.contains(&projections)
        };
        let mut slots = adapter_slots(config);
        slots.retain(wanted);
        slots
    }

    /// What learns, at the start of a run: per tensor `A`, `[rank, inputs]`, and `B`, `[outputs, rank]`; with one more
    /// axis in front where experts are fused.
    pub fn begin(&self, config: &Config, seed: u64) -> Parameters {
        let mut list = Vec::new();
        for (number, slot) in self.slots(config).into_iter().enumerate() {
            let mut numbers = Numbers::new(seed, number as u64);
            let reach = 1.0 / (slot.inputs.max(1) as f32).sqrt();
            for (end, sides) in [
                (FIRST, [self.rank, slot.inputs]),
                (SECOND, [slot.outputs, self.rank]),
            ] {
                let experts = slot.fused.then_some(slot.matrices);
                let shape: Vec<usize> = experts.into_iter().chain(sides).collect();
                let count = shape.iter().product();
                let values = if end == FIRST {
                    (0..count)
                        .map(|_| reach * (2.0 * numbers.uniform() - 1.0))
                        .collect()
                } else {
                    vec![0.0; count]
                };
                list.push(Parameter {
                    name: format!("{}{end}", slot.name),
                    shape,
                    part: part(slot.target),
                    values,
                });
            }
        }
        Parameters::new(list)
    }

    /// What learnt, as an adapter. `base`: what it was learnt beside.
    pub fn adapter(&self, config: &Config, parameters: &Parameters, base: &str) -> (Adapter, AdapterConfig) {
        let values = |name: &str, end: &str| {
            let found = parameters.find(&format!("{name}{end}"));
            found.map_or(&[][..], |id| &parameters.get(id).values)
        };
        let mut parts = BTreeMap::new();
        for slot in self.slots(config) {
            let a = values(&slot.name, FIRST).chunks_exact(self.rank * slot.inputs);
            let b = values(&slot.name, SECOND).chunks_exact(slot.outputs * self.rank);
            let part = |(a, b): (&[f32], &[f32])| LowRank {
                rank: self.rank,
                outputs: slot.outputs,
                inputs: slot.inputs,
                scale: self.scale(),
                a: a.to_vec(),
                b: b.to_vec(),
            };
            parts.insert(slot.name.clone(), a.zip(b).map(part).collect());
        }
        let about = AdapterConfig {
            base: base.to_owned(),
            rank: self.rank,
            alpha: self.alpha,
            root: false,
        };
        (Adapter::new("the adapter that learns".to_owned(), parts), about)
    }
}

fn part(target: AdapterTarget) -> Part {
    match target {
        AdapterTarget::Attention => Part::FullAttention,
        AdapterTarget::DeltaNet | AdapterTarget::DeltaGates => Part::LinearAttention,
        AdapterTarget::FeedForward => Part::Mlp,
        AdapterTarget::Vision => Part::Vision,
    }
}
