//! An adapter's folder → checked additions.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, AdapterConfig, AdapterSlot, LowRank, adapter_slots};
use crate::names::official;
use crate::{CheckpointError, Config, Files, SafetensorsFile, Tensor};

const HINT: &str = "give the folder that `aurore tune`, or PEFT, wrote";
/// What names in the file of weights begin with.
pub(super) const PREFIX: &str = "base_model.model.";
/// What stands between a module and its addition where PEFT has wrapped it twice.
const WRAPPED: &str = ".base_layer";

impl Adapter {
    /// Opens the adapter in a folder and checks it against the configuration of the checkpoint that it is for.
    ///
    /// # Errors
    /// When a file is missing or wrong, or has an addition to what this configuration has not.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, CheckpointError> {
        let files = Files::folder(folder);
        let place = folder.display().to_string();
        let text = files.read_text(ADAPTER_CONFIG, HINT)?;
        let about = AdapterConfig::parse(&text, &AdapterConfig::file(&place))?;
        let Some(bytes) = files.map(ADAPTER_WEIGHTS)? else {
            return Err(CheckpointError::MissingFile {
                place,
                name: ADAPTER_WEIGHTS.to_owned(),
                hint: HINT,
            });
        };
        let file = SafetensorsFile::parse(files.describe_file(ADAPTER_WEIGHTS), bytes)?;
        let slots = adapter_slots(config);
        let plain: HashMap<&str, &AdapterSlot> = slots
            .iter()
            .filter(|slot| !slot.fused)
            .map(|slot| (slot.name.as_str(), slot))
            .collect();
        let mut parts = BTreeMap::new();
        for name in file.names() {
            let Some(module) = name.strip_suffix(".lora_A.weight") else {
                check_partner(&file, name)?;
                continue;
            };
            let a = file.tensor(name)?;
            let b = file.tensor(&format!("{module}.lora_B.weight"))?;
            let module = official(module.strip_prefix(PREFIX).unwrap_or(module));
            let pair = Pair { a, b, about: &about };
            let found = match plain.get(format!("{module}.weight").as_str()) {
                Some(slot) => Some((*slot, vec![pair.single(slot)?])),
                None => pair.experts(&slots, module.strip_suffix(WRAPPED).unwrap_or(&module))?,
            };
            let Some((slot, additions)) = found else {
                return Err(CheckpointError::Unsupported {
                    file: file.file().to_owned(),
                    what: format!("an addition to {module}"),
                    hint: "only projections of attention, DeltaNet, feed-forward layers and the vision tower can have \
                           one; is the adapter one for this model?",
                });
            };
            if parts.insert(slot.name.clone(), additions).is_some() {
                return Err(CheckpointError::DuplicateTensor {
                    file: file.file().to_owned(),
                    tensor: slot.name.clone(),
                    other: file.file().to_owned(),
                });
            }
        }
        Ok(Self::new(place, parts))
    }
}

/// That a tensor which is no A is the B of one.
fn check_partner(file: &SafetensorsFile, name: &str) -> Result<(), CheckpointError> {
    if let Some(module) = name.strip_suffix(".lora_B.weight") {
        return file.tensor(&format!("{module}.lora_A.weight")).map(|_| ());
    }
    Err(CheckpointError::Unsupported {
        file: file.file().to_owned(),
        what: format!("the tensor {name}"),
        hint: "only plain low-rank additions are: merge such an adapter with the program that made it",
    })
}

/// The two tensors of an addition, or of all experts' additions of a layer.
struct Pair<'a> {
    a: Tensor<'a>,
    b: Tensor<'a>,
    about: &'a AdapterConfig,
}

impl Pair<'_> {
    fn single(self, slot: &AdapterSlot) -> Result<LowRank, CheckpointError> {
        let rank = self.a.shape.first().copied().unwrap_or(0);
        Ok(LowRank {
            rank,
            outputs: slot.outputs,
            inputs: slot.inputs,
            scale: self.about.scale(rank),
            a: finite(self.a.expect_shape(&[rank, slot.inputs])?)?,
            b: finite(self.b.expect_shape(&[slot.outputs, rank])?)?,
        })
    }

    /// Additions to the fused experts at `module`; their tensor is the one whose sides these have. A is
    /// `[experts · rank, inputs]`, B `[outputs, rank · experts]`, the expert's number running fastest.
    fn experts<'s>(
        self,
        slots: &'s [AdapterSlot],
        module: &str,
    ) -> Result<Option<(&'s AdapterSlot, Vec<LowRank>)>, CheckpointError> {
        let is_here = |slot: &&AdapterSlot| {
            slot.fused && slot.name.rsplit_once('.').is_some_and(|(own, _)| own == module)
        };
        let mut here = slots.iter().filter(is_here).peekable();
        if here.peek().is_none() {
            return Ok(None);
        }
        let ([rows, inputs], [outputs, columns]) = (sides(&self.a), sides(&self.b));
        let fits = |slot: &&AdapterSlot| {
            (slot.inputs, slot.outputs) == (inputs, outputs)
                && rows == columns
                && rows > 0
                && rows.is_multiple_of(slot.matrices)
        };
        let Some(slot) = here.find(fits) else {
            return Err(CheckpointError::Entry {
                file: self.a.file.clone(),
                tensor: self.a.name.clone(),
                expected:
                    "[experts · rank, inputs], with B of [outputs, rank · experts], as PEFT 0.19 and later \
                           write them"
                        .to_owned(),
                found: format!("{:?} and {:?}", self.a.shape, self.b.shape),
            });
        };
        let (experts, rank) = (slot.matrices, rows / slot.matrices);
        let scale = self.about.scale(rank);
        let (a, b) = (finite(self.a)?, finite(self.b)?);
        let expert = |index: usize| LowRank {
            rank,
            outputs,
            inputs,
            scale,
            a: a[index * rank * inputs..(index + 1) * rank * inputs].to_vec(),
            b: (0..outputs * rank)
                .map(|place| b[place * experts + index])
                .collect(),
        };
        Ok(Some((slot, (0..experts).map(expert).collect())))
    }
}

fn sides(tensor: &Tensor<'_>) -> [usize; 2] {
    match tensor.shape[..] {
        [rows, columns] => [rows, columns],
        _ => [0, 0],
    }
}

fn finite(tensor: Tensor<'_>) -> Result<Vec<f32>, CheckpointError> {
    let values = tensor.to_f32();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(place) => Err(CheckpointError::Entry {
            file: tensor.file,
            tensor: tensor.name,
            expected: "finite numbers".to_owned(),
            found: format!("{} at place {place}", values[place]),
        }),
    }
}

/// A hash of everything that additions compute with.
pub(super) fn identity(parts: &BTreeMap<String, Vec<LowRank>>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, parts) in parts {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((parts.len() as u64).to_le_bytes());
        for part in parts {
            for size in [part.rank, part.outputs, part.inputs] {
                hash.update((size as u64).to_le_bytes());
            }
            hash.update(part.scale.to_le_bytes());
            for values in [&part.a, &part.b] {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                hash.update(bytes);
            }
        }
    }
    hash.finalize().into()
}
