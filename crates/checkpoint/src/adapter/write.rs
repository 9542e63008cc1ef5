//! Additions → an adapter's folder that PEFT loads.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::read::PREFIX;
use super::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, AdapterConfig, AdapterSlot, LowRank, adapter_slots};
use crate::{CheckpointError, Config, Described, Dtype, SafetensorsWriter};

impl Adapter {
    /// Writes the two files to `folder`, which must be there: each is whole or the one of before, whenever the program
    /// is stopped.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(
        &self,
        folder: &Path,
        config: &Config,
        about: &AdapterConfig,
    ) -> Result<(), CheckpointError> {
        let slots = adapter_slots(config);
        let with_vision = config.vision.is_some();
        let mut pieces: Vec<(Described, Vec<u8>)> = Vec::new();
        let mut used = Vec::new();
        for slot in &slots {
            let Some(parts) = self.get(&slot.name) else {
                continue;
            };
            used.push(slot);
            let module = module(slot, self, with_vision);
            for (letter, (shape, values)) in ["A", "B"].into_iter().zip([first(parts), second(parts)]) {
                let described = Described {
                    name: format!("{PREFIX}{module}.lora_{letter}.weight"),
                    dtype: Dtype::F32,
                    shape: shape.to_vec(),
                };
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                pieces.push((described, bytes));
            }
        }
        let described: Vec<Described> = pieces.iter().map(|(described, _)| described.clone()).collect();
        let mut writer = SafetensorsWriter::create(&folder.join(ADAPTER_WEIGHTS), &described)?;
        for (_, bytes) in &pieces {
            writer.write(bytes)?;
        }
        writer.finish()?;
        let path = folder.join(ADAPTER_CONFIG);
        let partial = path.with_added_extension("partial");
        let text = about.to_json(&used);
        File::create(&partial)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&partial, &path))
            .map_err(|source| CheckpointError::write(&partial, source))
    }
}

/// What PEFT calls the module of a tensor. Where two parameters of one module have additions, the one that was wrapped
/// first stands inside the other.
fn module(slot: &AdapterSlot, adapter: &Adapter, with_vision: bool) -> String {
    let name = crate::export::stored_name(&slot.name, with_vision);
    if !slot.fused {
        return name.strip_suffix(".weight").unwrap_or(&name).to_owned();
    }
    let own = |name: &str| name.rsplit_once('.').map(|(module, _)| module.to_owned());
    let has_outer =
        own(&slot.name).is_some_and(|module| adapter.get(&format!("{module}.down_proj")).is_some());
    let inside = slot.name.ends_with(".gate_up_proj") && has_outer;
    let module = own(&name).unwrap_or_default();
    if inside {
        format!("{module}.base_layer")
    } else {
        module
    }
}

/// A: `[matrices · rank, inputs]`
fn first(parts: &[LowRank]) -> ([usize; 2], Vec<f32>) {
    let values: Vec<f32> = parts.iter().flat_map(|part| &part.a).copied().collect();
    let inputs = parts.first().map_or(0, |part| part.inputs);
    let rows: usize = parts.iter().map(|part| part.rank).sum();
    ([rows, inputs], values)
}

/// B: `[outputs, rank · matrices]`, the matrix's number running fastest.
fn second(parts: &[LowRank]) -> ([usize; 2], Vec<f32>) {
    let Some(part) = parts.first() else {
        return ([0, 0], Vec::new());
    };
    let mut values = Vec::with_capacity(part.b.len() * parts.len());
    for place in 0..part.b.len() {
        values.extend(parts.iter().map(|part| part.b[place]));
    }
    ([part.outputs, part.rank * parts.len()], values)
}
