//! That a packed checkpoint holds what its configuration calls for.

use std::collections::{BTreeMap, HashSet};

use super::{EntryKind, Packed};
use crate::{CheckpointError, Config, Part, RowSource, layout, matrices};

/// Official names and shapes of the tensors of a configuration that are in no matrix: norms, biases,
/// convolutions, position tables.
pub fn single_tensors(config: &Config, with_mtp: bool) -> Vec<(String, Vec<usize>)> {
    let within: HashSet<String> = matrices(config, true)
        .into_iter()
        .flat_map(|spec| spec.parts)
        .filter_map(|(source, _)| match source {
            RowSource::Tensor(name) => Some(name),
            RowSource::Expert { .. } => None,
        })
        .collect();
    layout(config)
        .into_iter()
        .filter(|slot| slot.part != Part::Mtp || with_mtp)
        .filter(|slot| slot.fused_experts().is_none() && !within.contains(&slot.name))
        .map(|slot| (slot.name, slot.shape))
        .collect()
}

impl Packed {
    /// Checks every entry against the configuration: none missing, none that has no place, every shape right.
    pub fn validate(&self, config: &Config) -> Result<(), CheckpointError> {
        let with_mtp = self
            .entries()
            .iter()
            .any(|entry| entry.kind == EntryKind::Tensor && entry.name.starts_with("mtp."));
        let mut expected: BTreeMap<(EntryKind, String), Vec<usize>> = single_tensors(config, with_mtp)
            .into_iter()
            .map(|(name, shape)| ((EntryKind::Tensor, name), shape))
            .collect();
        for spec in matrices(config, with_mtp) {
            let shape = vec![spec.rows(), spec.columns];
            expected.insert((EntryKind::Matrix, spec.key), shape);
        }
        let file = || self.path().display().to_string();
        for entry in self
            .entries()
            .iter()
            .filter(|entry| entry.kind != EntryKind::File)
        {
            let Some(shape) = expected.remove(&(entry.kind, entry.name.clone())) else {
                return Err(CheckpointError::ExtraTensor {
                    file: file(),
                    tensor: entry.name.clone(),
                    found: entry.shape.clone(),
                });
            };
            if shape != entry.shape {
                return Err(CheckpointError::Shape {
                    file: file(),
                    tensor: entry.name.clone(),
                    expected: shape,
                    found: entry.shape.clone(),
                });
            }
        }
        match expected.into_iter().next() {
            None => Ok(()),
            Some(((_, name), shape)) => Err(CheckpointError::MissingTensor {
                file: file(),
                tensor: name,
                expected: shape,
                hint: "config.json belongs to another model; pack the checkpoint again",
            }),
        }
    }
}
