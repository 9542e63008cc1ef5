//! A checkpoint in the official layout, so that other programs of the field can read it:
//! `config.json` and safetensors files with official names, sharded with an index when large.

mod writer;

use std::path::Path;

use serde_json::json;

pub use self::writer::{Described, SafetensorsWriter};
use crate::{CheckpointError, Config, Part, Weights, layout};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What [`export`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Files of weights in the folder.
    pub files: Vec<String>,
    /// Tensors in them.
    pub tensors: usize,
    /// Bytes of the tensors' data.
    pub bytes: u64,
}

/// Writes `config.json` and every tensor that `config` calls for to `folder`, which must be there.
///
/// Experts are written fused, each tensor in the data type in which `weights` has it; without a
/// vision tower the names are those of text-only checkpoints (`model.layers.…`). Files end once
/// they hold `shard_bytes` or more. At most one matrix is in memory at a time. `progress` is told the
/// bytes written so far and in all; when it says `false`, the export ends with
/// [`CheckpointError::Interrupted`]. Only complete files have their names; others end in `.partial`.
///
/// # Errors
/// When `weights` lacks a tensor or has it in another shape, or when a file cannot be written.
pub fn export(
    weights: &dyn Weights,
    config: &Config,
    folder: &Path,
    shard_bytes: u64,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Exported, CheckpointError> {
    let with_mtp = weights.has("mtp.fc.weight");
    let mut pieces = Vec::new();
    for slot in layout(config) {
        if slot.part == Part::Mtp && !with_mtp {
            continue;
        }
        let experts = slot.fused_experts().map(str::to_owned);
        let dtype = match &experts {
            Some(prefix) => weights.expert(prefix, 0)?.gate.dtype,
            None => weights.dtype(&slot.name)?,
        };
        pieces.push(Piece {
            described: Described {
                name: stored_name(&slot.name, config.vision.is_some()),
                dtype,
                shape: slot.shape,
            },
            official: slot.name,
            experts,
        });
    }
    let shards = cut(&pieces, shard_bytes);
    let total: u64 = pieces.iter().map(|piece| piece.described.bytes()).sum();
    let mut done = 0;
    let mut files = Vec::new();
    let mut weight_map = serde_json::Map::new();
    for (number, shard) in shards.iter().enumerate() {
        let file = match shards.len() {
            1 => SINGLE.to_owned(),
            count => format!("model.safetensors-{:05}-of-{count:05}.safetensors", number + 1),
        };
        let described: Vec<Described> = shard.iter().map(|piece| piece.described.clone()).collect();
        let mut writer = SafetensorsWriter::create(&folder.join(&file), &described)?;
        for piece in *shard {
            piece.write(weights, &mut |bytes| {
                writer.write(bytes)?;
                done += bytes.len() as u64;
                if progress(done, total) {
                    Ok(())
                } else {
                    Err(CheckpointError::Interrupted)
                }
            })?;
            weight_map.insert(piece.described.name.clone(), json!(file));
        }
        writer.finish()?;
        files.push(file);
    }
    if shards.len() > 1 {
        let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
        write_file(&folder.join(INDEX), &format!("{index:#}\n"))?;
    }
    // Last, so that a folder whose weights are incomplete is no checkpoint.
    write_file(&folder.join("config.json"), &config.to_json())?;
    Ok(Exported {
        files,
        tensors: pieces.len(),
        bytes: total,
    })
}

/// A tensor to write.
struct Piece {
    official: String,
    described: Described,
    /// The feed-forward layer whose fused experts it holds.
    experts: Option<String>,
}

impl Piece {
    /// Hands out the tensor's bytes in order.
    fn write(
        &self,
        weights: &dyn Weights,
        out: &mut dyn FnMut(&[u8]) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let shape = &self.described.shape;
        let Some(prefix) = &self.experts else {
            let tensor = weights.tensor(&self.official)?.expect_shape(shape)?;
            return out(&tensor.bytes);
        };
        // One by one: a fused tensor may have gigabytes.
        for index in 0..shape.first().copied().unwrap_or(0) {
            let expert = weights.expert(prefix, index)?;
            let parts = if self.official.ends_with("down_proj") {
                vec![expert.down]
            } else {
                vec![expert.gate, expert.up]
            };
            let rows = shape.get(1).map_or(0, |rows| rows / parts.len());
            let sides = [rows, shape.get(2).copied().unwrap_or(0)];
            for part in parts {
                let part = part.expect_shape(&sides)?;
                if part.dtype != self.described.dtype {
                    return Err(CheckpointError::WrongDtype {
                        file: part.file,
                        tensor: part.name,
                        expected: self.described.dtype.name(),
                        found: part.dtype.name().to_owned(),
                    });
                }
                out(&part.bytes)?;
            }
        }
        Ok(())
    }
}

/// What a file calls a tensor: text-only checkpoints have no `language_model` level.
pub(crate) fn stored_name(official: &str, with_vision: bool) -> String {
    match official.strip_prefix("model.language_model.") {
        Some(rest) if !with_vision => format!("model.{rest}"),
        _ => official.to_owned(),
    }
}

/// Groups of neighbours, each closed once it holds `limit` bytes.
fn cut(pieces: &[Piece], limit: u64) -> Vec<&[Piece]> {
    let mut held = 0u64;
    let mut closed = false;
    pieces
        .chunk_by(|piece, next| {
            held += piece.described.bytes();
            closed = held.saturating_add(next.described.bytes()) > limit;
            if closed {
                held = 0;
            }
            !closed
        })
        .collect()
}

fn write_file(path: &Path, text: &str) -> Result<(), CheckpointError> {
    std::fs::write(path, text).map_err(|source| CheckpointError::write(path, source))
}
