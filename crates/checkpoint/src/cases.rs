//! Verification cases: what the official implementation computed, to compare with.
//!
//! A folder holds `index.json` and one safetensors file per case. A file may hold any of the
//! tensors that the accessors of [`Case`] name; what is absent is not compared.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{
    CheckpointError, Files, SafetensorsFile, Tensor,
    config::{Fields, parse_object},
};

const INDEX: &str = "index.json";
/// More cases than any folder has.
const CASE_LIMIT: usize = 100_000;

/// A folder of cases.
#[derive(Debug)]
pub struct Cases {
    files: Files,
    entries: Vec<CaseEntry>,
}

/// What the index says about one case.
#[derive(Clone, Debug)]
pub struct CaseEntry {
    /// The case's name.
    pub case: String,
    /// The safetensors file beside the index.
    pub file: String,
    /// `text`, `vision` or `mtp`; others may come.
    pub kind: String,
    /// Merged into the text configuration's rope parameters for this case.
    pub rope_parameters_override: Option<Map<String, Value>>,
    /// Largest absolute difference that this case allows, instead of the usual gates.
    pub tolerance: Option<f64>,
}

/// One case's tensors.
#[derive(Debug)]
pub struct Case {
    tensors: SafetensorsFile,
}

/// A preprocessed image.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseImage {
    /// Time, height and width in patches.
    pub grid: [u32; 3],
    /// `[t·h·w, numbers of a patch]`
    pub patches: Vec<f32>,
}

/// A matrix of numbers to compare with.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Numbers per row.
    pub columns: usize,
    /// `[rows, columns]`
    pub values: Vec<f32>,
}

/// A greedy continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct Greedy {
    /// The prompt that is continued; `None` means the case's `input_ids`.
    pub input_ids: Option<Vec<u32>>,
    /// The tokens chosen.
    pub ids: Vec<u32>,
    /// By how much each was ahead of the second; empty when the file does not say.
    pub margins: Vec<f32>,
}

impl Cases {
    /// Reads the index of the folder at `path`.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let files = Files::folder(path);
        let text = files.read_text(INDEX, "give a folder of verification cases")?;
        let file = files.describe_file(INDEX);
        let map = parse_object(&text, &file)?;
        let fields = Fields::new(&file, "", &map);
        let list = fields
            .get("cases")
            .and_then(Value::as_array)
            .filter(|list| list.len() <= CASE_LIMIT)
            .ok_or_else(|| fields.wrong("cases", "a list of cases"))?;
        let entries = list
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let path = format!("cases[{index}]");
                let map = value
                    .as_object()
                    .ok_or_else(|| fields.wrong("cases", "a list of objects"))?;
                CaseEntry::parse(Fields::new(&file, &path, map))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { files, entries })
    }

    /// The cases, in the index's order.
    pub fn entries(&self) -> &[CaseEntry] {
        &self.entries
    }

    /// Opens a case's file.
    pub fn load(&self, entry: &CaseEntry) -> Result<Case, CheckpointError> {
        let bytes = self
            .files
            .map(&entry.file)?
            .ok_or_else(|| CheckpointError::MissingFile {
                place: self.files.describe(),
                name: entry.file.clone(),
                hint: "index.json names it; fetch the whole folder",
            })?;
        Ok(Case {
            tensors: SafetensorsFile::parse(self.files.describe_file(&entry.file), bytes)?,
        })
    }
}

impl CaseEntry {
    fn parse(fields: Fields<'_>) -> Result<Self, CheckpointError> {
        let text = |name: &str| {
            fields
                .text(name)?
                .map(str::to_owned)
                .ok_or_else(|| fields.wrong(name, "text"))
        };
        Ok(Self {
            case: text("case")?,
            file: text("file")?,
            kind: text("kind")?,
            rope_parameters_override: fields.object("rope_parameters_override")?.cloned(),
            tolerance: fields.number("tolerance", 0.0..=f64::MAX)?,
        })
    }
}

impl Case {
    /// The prompt's tokens, placeholders expanded.
    pub fn input_ids(&self) -> Result<Option<Vec<u32>>, CheckpointError> {
        self.ids("input_ids")
    }

    /// Positions of the prompt's tokens: time, height, width.
    pub fn positions(&self) -> Result<Option<Vec<[u32; 3]>>, CheckpointError> {
        let Some(tensor) = self.tensors.get("position_ids")? else {
            return Ok(None);
        };
        let [3, length] = tensor.shape[..] else {
            return Err(wrong(&tensor, "shape [3, tokens]", format!("{:?}", tensor.shape)));
        };
        let flat = unsigned(&tensor)?;
        Ok(Some(
            (0..length)
                .map(|i| [flat[i], flat[length + i], flat[2 * length + i]])
                .collect(),
        ))
    }

    /// What a generated token's position exceeds its index by.
    pub fn rope_delta(&self) -> Result<Option<i64>, CheckpointError> {
        let Some(tensor) = self.tensors.get("rope_delta")? else {
            return Ok(None);
        };
        let values = tensor.to_i64()?;
        match values[..] {
            [delta] => Ok(Some(delta)),
            _ => Err(wrong(&tensor, "one number", format!("{:?}", tensor.shape))),
        }
    }

    /// The images, in order.
    pub fn images(&self) -> Result<Vec<CaseImage>, CheckpointError> {
        let Some(grids) = self.tensors.get("image_grid_thw")? else {
            return Ok(Vec::new());
        };
        let [_, 3] = grids.shape[..] else {
            return Err(wrong(&grids, "shape [images, 3]", format!("{:?}", grids.shape)));
        };
        let pixels = self.tensors.tensor("pixel_values")?;
        let [patches, width] = pixels.shape[..] else {
            return Err(wrong(
                &pixels,
                "shape [patches, numbers]",
                format!("{:?}", pixels.shape),
            ));
        };
        let values = pixels.to_f32();
        let mut taken = 0usize;
        let mut images = Vec::new();
        for grid in unsigned(&grids)?.as_chunks::<3>().0 {
            let count = grid
                .iter()
                .try_fold(1usize, |count, side| count.checked_mul(*side as usize));
            let end = count
                .and_then(|count| taken.checked_add(count))
                .filter(|end| *end <= patches);
            let Some(end) = end else {
                return Err(wrong(
                    &grids,
                    &format!("grids of {patches} patches in all"),
                    format!("{grid:?}"),
                ));
            };
            images.push(CaseImage {
                grid: *grid,
                patches: values[taken * width..end * width].to_vec(),
            });
            taken = end;
        }
        if taken != patches {
            return Err(wrong(
                &grids,
                &format!("grids of {patches} patches in all"),
                taken.to_string(),
            ));
        }
        Ok(images)
    }

    /// Whether the case needs video input.
    pub fn has_video(&self) -> bool {
        self.tensors.names().any(|name| name == "pixel_values_videos")
    }

    /// A matrix by name, such as `logits`, `hidden.layer.00` or `vision.image.merged`; axes before
    /// the last count as rows.
    pub fn expected(&self, name: &str) -> Result<Option<Expected>, CheckpointError> {
        let Some(tensor) = self.tensors.get(name)? else {
            return Ok(None);
        };
        match tensor.shape.last() {
            Some(columns) if *columns > 0 => Ok(Some(Expected {
                columns: *columns,
                values: tensor.to_f32(),
            })),
            _ => Err(wrong(
                &tensor,
                "rows of numbers",
                format!("shape {:?}", tensor.shape),
            )),
        }
    }

    /// The greedy continuation, if there is one.
    pub fn greedy(&self) -> Result<Option<Greedy>, CheckpointError> {
        let Some(ids) = self.ids("greedy_ids")? else {
            return Ok(None);
        };
        let margins = match self.tensors.get("greedy_margins")? {
            None => Vec::new(),
            Some(tensor) if tensor.len() == ids.len() => tensor.to_f32(),
            Some(tensor) => {
                return Err(wrong(
                    &tensor,
                    &format!("{} margins", ids.len()),
                    tensor.len().to_string(),
                ));
            }
        };
        Ok(Some(Greedy {
            input_ids: self.ids("greedy_input_ids")?,
            ids,
            margins,
        }))
    }

    /// The names of all tensors in the case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.names()
    }

    fn ids(&self, name: &str) -> Result<Option<Vec<u32>>, CheckpointError> {
        let Some(tensor) = self.tensors.get(name)? else {
            return Ok(None);
        };
        match tensor.shape[..] {
            [_] | [1, _] => unsigned(&tensor).map(Some),
            _ => Err(wrong(
                &tensor,
                "one row of token ids",
                format!("shape {:?}", tensor.shape),
            )),
        }
    }
}

fn unsigned(tensor: &Tensor<'_>) -> Result<Vec<u32>, CheckpointError> {
    tensor
        .to_i64()?
        .into_iter()
        .map(|value| u32::try_from(value).map_err(|_| wrong(tensor, "numbers from 0 on", value.to_string())))
        .collect()
}

fn wrong(tensor: &Tensor<'_>, expected: &str, found: String) -> CheckpointError {
    CheckpointError::Entry {
        file: tensor.file.clone(),
        tensor: tensor.name.clone(),
        expected: expected.to_owned(),
        found,
    }
}
