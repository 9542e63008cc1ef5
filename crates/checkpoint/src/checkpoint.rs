//! A checkpoint: configuration and tensors, checked against one another.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write,
    path::Path,
    sync::Arc,
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    CheckpointError, Config, Dtype, Ffn, Files, Packed, PackedMatrix, Part, SafetensorsFile, StoredMatrix,
    Tensor, Weights,
    config::unique_map,
    files::is_plain,
    layout,
    names::official,
    packed::{Entry, EntryKind},
};

const INDEX: &str = "model.safetensors.index.json";
/// What single files are called, by order of preference; the family's small models use the second.
const SINGLE: [&str; 2] = [
    "model.safetensors",
    "model.safetensors-00001-of-00001.safetensors",
];
const CONFIG_HINT: &str = "give the folder of a Qwen3.5 checkpoint";
/// More files than any checkpoint is cut into.
const SHARD_LIMIT: usize = 10_000;

/// An opened checkpoint. Tensors are mapped, not read; each has the shape that the configuration
/// calls for.
#[derive(Debug)]
pub struct Checkpoint {
    files: Files,
    config_text: String,
    config: Config,
    shards: Vec<SafetensorsFile>,
    /// Official name → shard and name in it.
    places: BTreeMap<String, (usize, String)>,
    /// Holds the weights instead of the shards.
    packed: Option<Arc<Packed>>,
}

impl Checkpoint {
    /// Opens and validates the checkpoint in a folder, or a packed one: a file, the first file of a
    /// set, or the folder of either.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let official = path.is_dir() && path.join("config.json").exists();
        match Packed::find(path) {
            Some(file) if !official => Self::from_packed(Packed::open(&file)?),
            _ => Self::from_files(Files::folder(path)),
        }
    }

    /// Validates a packed checkpoint against its configuration.
    pub fn from_packed(packed: Packed) -> Result<Self, CheckpointError> {
        let packed = Arc::new(packed);
        let files = Files::Packed(Arc::clone(&packed));
        let config_text = files.read_text("config.json", "pack the checkpoint again")?;
        let config = Config::from_json(&config_text, &files.describe_file("config.json"))?;
        packed.validate(&config)?;
        Ok(Self {
            files,
            config_text,
            config,
            shards: Vec::new(),
            places: BTreeMap::new(),
            packed: Some(packed),
        })
    }

    /// Opens and validates a checkpoint.
    pub fn from_files(files: Files) -> Result<Self, CheckpointError> {
        let config_text = files.read_text("config.json", CONFIG_HINT)?;
        let config = Config::from_json(&config_text, &files.describe_file("config.json"))?;
        let (shards, weight_map) = open_shards(&files)?;
        let places = place(&files, &shards, weight_map)?;
        let checkpoint = Self {
            files,
            config_text,
            config,
            shards,
            places,
            packed: None,
        };
        checkpoint.validate()?;
        Ok(checkpoint)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the files come from, for the tokeniser, the template and the like.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The packed file that the weights come from, if they do.
    pub fn packed_file(&self) -> Option<&Packed> {
        self.packed.as_deref()
    }

    /// The tensor of that official name. Of a packed checkpoint only those that are in no matrix.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        if let Some(packed) = &self.packed {
            return packed.tensor(name)?.ok_or_else(|| CheckpointError::OnlyPacked {
                file: self.files.describe(),
                tensor: name.to_owned(),
            });
        }
        let Some((shard, stored)) = self.places.get(name) else {
            return Err(CheckpointError::MissingTensor {
                file: self.files.describe(),
                tensor: name.to_owned(),
                expected: Vec::new(),
                hint: "the checkpoint lacks it; download it again",
            });
        };
        let tensor = self.shards[*shard].tensor(stored)?;
        Ok(Tensor {
            name: name.to_owned(),
            ..tensor
        })
    }

    /// Official names of all tensors, sorted; of a packed checkpoint those that are in no matrix.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        let packed = self.packed_entries();
        let packed = packed.filter(|entry| entry.kind == EntryKind::Tensor);
        self.places
            .keys()
            .map(String::as_str)
            .chain(packed.map(|entry| entry.name.as_str()))
    }

    /// Whether the multi-token-prediction head is there.
    pub fn has_mtp(&self) -> bool {
        self.tensor_names().any(|name| name.starts_with("mtp."))
    }

    /// Elements of all tensors and matrices.
    pub fn total_parameters(&self) -> u64 {
        let product = |shape: &[usize]| shape.iter().map(|side| *side as u64).product::<u64>();
        let packed = self
            .packed_entries()
            .filter(|entry| entry.kind != EntryKind::File);
        self.entries()
            .map(|(_, entry)| product(&entry.shape))
            .sum::<u64>()
            + packed.map(|entry| product(&entry.shape)).sum::<u64>()
    }

    /// Bytes of all tensors and matrices.
    pub fn total_bytes(&self) -> u64 {
        self.bytes_by_dtype().values().sum()
    }

    /// Bytes per data type, by the files' own words (`BF16`, `F32`, …).
    pub fn bytes_by_dtype(&self) -> BTreeMap<&str, u64> {
        let mut sums = BTreeMap::new();
        for (_, entry) in self.entries() {
            *sums.entry(entry.dtype.as_str()).or_default() += entry.range.len() as u64;
        }
        for entry in self
            .packed_entries()
            .filter(|entry| entry.kind != EntryKind::File)
        {
            *sums.entry(entry.format.as_str()).or_default() += entry.len();
        }
        sums
    }

    fn packed_entries(&self) -> impl Iterator<Item = &Entry> {
        self.packed.iter().flat_map(|packed| packed.entries())
    }

    /// SHA-256 over the configuration and every tensor's name, data type, shape and data, in
    /// hexadecimal. Reads every byte: seconds for large checkpoints; see [`Checkpoint::fingerprint`]. Of a
    /// packed checkpoint, over its header, which holds the checksums of all entries.
    pub fn hash(&self) -> String {
        self.digest(|bytes, digest| digest.update(bytes))
    }

    /// Like [`Checkpoint::hash`], but of each tensor only the first and last 4 KiB: quick for any
    /// size, and different for all but deliberately similar checkpoints.
    pub fn fingerprint(&self) -> String {
        const EDGE: usize = 4096;
        self.digest(|bytes, digest| {
            digest.update(&bytes[..bytes.len().min(EDGE)]);
            digest.update(&bytes[bytes.len().saturating_sub(EDGE)..]);
        })
    }

    /// Checks every tensor against the configuration: none missing, none that has no place, every
    /// shape and data type right. Opening does this already.
    pub fn validate(&self) -> Result<(), CheckpointError> {
        if let Some(packed) = &self.packed {
            return packed.validate(&self.config);
        }
        let mut expected: HashSet<&str> = HashSet::new();
        let with_mtp = self.places.keys().any(|name| name.starts_with("mtp."));
        let slots = layout(&self.config);
        let mut singles: Vec<(String, Vec<usize>)> = Vec::new();
        for slot in &slots {
            if slot.part == Part::Mtp && !with_mtp {
                continue;
            }
            match slot.fused_experts() {
                Some(prefix) if !self.places.contains_key(&slot.name) && self.has_single_experts(prefix) => {
                    singles.extend(self.single_experts(prefix, &slot.name));
                }
                _ => {
                    self.check(&slot.name, &slot.shape)?;
                    expected.insert(&slot.name);
                }
            }
        }
        for (name, shape) in &singles {
            self.check(name, shape)?;
            expected.insert(name);
        }
        for name in self.places.keys() {
            if !expected.contains(name.as_str()) && !self.is_idle(name) {
                return Err(self.extra(name));
            }
        }
        Ok(())
    }

    /// Tensors that writers leave in files although this configuration does not use them.
    fn is_idle(&self, name: &str) -> bool {
        let config = &self.config;
        (name == "lm_head.weight" && config.tie_word_embeddings)
            || (name.starts_with("mtp.") && config.text.mtp_num_hidden_layers == 0)
            || (name.starts_with("model.visual.") && config.vision.is_none())
    }

    fn has_single_experts(&self, prefix: &str) -> bool {
        ["gate_proj", "up_proj", "down_proj"].iter().any(|part| {
            self.places
                .contains_key(&format!("{prefix}.experts.0.{part}.weight"))
        })
    }

    /// Names and shapes of the per-expert tensors that stand for one fused tensor.
    fn single_experts(&self, prefix: &str, fused: &str) -> Vec<(String, Vec<usize>)> {
        let Ffn::Moe {
            experts,
            intermediate,
            ..
        } = self.config.text.ffn
        else {
            return Vec::new();
        };
        let hidden = self.config.text.hidden_size;
        let parts: &[(&str, [usize; 2])] = if fused.ends_with("down_proj") {
            &[("down_proj", [hidden, intermediate])]
        } else {
            &[
                ("gate_proj", [intermediate, hidden]),
                ("up_proj", [intermediate, hidden]),
            ]
        };
        (0..experts)
            .flat_map(|index| {
                parts.iter().map(move |(part, shape)| {
                    (format!("{prefix}.experts.{index}.{part}.weight"), shape.to_vec())
                })
            })
            .collect()
    }

    fn check(&self, name: &str, shape: &[usize]) -> Result<(), CheckpointError> {
        if !self.places.contains_key(name) {
            return Err(CheckpointError::MissingTensor {
                file: self.files.describe(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                hint: "a file of the checkpoint is missing, or config.json belongs to another model",
            });
        }
        let tensor = self.tensor(name)?;
        if !matches!(tensor.dtype, Dtype::F32 | Dtype::BF16 | Dtype::F16) {
            return Err(CheckpointError::WrongDtype {
                file: tensor.file,
                tensor: tensor.name,
                expected: "F32, BF16 or F16",
                found: tensor.dtype.name().to_owned(),
            });
        }
        tensor.expect_shape(shape).map(|_| ())
    }

    fn extra(&self, name: &str) -> CheckpointError {
        let (file, found) = self
            .places
            .get(name)
            .map_or_else(Default::default, |(shard, stored)| {
                let file = &self.shards[*shard];
                let shape = file.entries().get(stored).map(|entry| entry.shape.clone());
                (file.file().to_owned(), shape.unwrap_or_default())
            });
        CheckpointError::ExtraTensor {
            file,
            tensor: name.to_owned(),
            found,
        }
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &crate::safetensors::Entry)> {
        self.shards
            .iter()
            .flat_map(|shard| shard.entries().iter().map(|(name, entry)| (name.as_str(), entry)))
    }

    fn digest(&self, data: impl Fn(&[u8], &mut Sha256)) -> String {
        let mut digest = Sha256::new();
        digest.update((self.config_text.len() as u64).to_le_bytes());
        digest.update(&self.config_text);
        if let Some(packed) = &self.packed {
            // The header holds a checksum of everything else.
            digest.update(packed.header_checksum().to_le_bytes());
        }
        for name in self.places.keys() {
            // Every place was checked when it was made.
            let Ok(tensor) = self.tensor(name) else { continue };
            let header = format!("{name}\n{}\n{:?}\n", tensor.dtype.name(), tensor.shape);
            digest.update((header.len() as u64).to_le_bytes());
            digest.update(&header);
            data(&tensor.bytes, &mut digest);
        }
        digest.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl Weights for Checkpoint {
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        Checkpoint::tensor(self, name)
    }

    fn has(&self, name: &str) -> bool {
        match &self.packed {
            Some(packed) => packed.entry(EntryKind::Tensor, name).is_some(),
            None => self.places.contains_key(name),
        }
    }

    fn packed(&self, key: &str) -> Result<Option<PackedMatrix<'_>>, CheckpointError> {
        match &self.packed {
            Some(packed) => packed.matrix(key),
            None => Ok(None),
        }
    }

    fn copied(&self, key: &str) {
        if let Some(packed) = &self.packed {
            packed.copied(key);
        }
    }

    fn stored(&self, key: &str) -> Result<Option<StoredMatrix>, CheckpointError> {
        match &self.packed {
            Some(packed) => packed.stored(key),
            None => Ok(None),
        }
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(deserialize_with = "unique_map")]
    weight_map: Vec<(String, String)>,
}

type WeightMap = Vec<(String, String)>;

/// Opens the files that hold the weights; with an index, also says which tensor it puts where.
fn open_shards(files: &Files) -> Result<(Vec<SafetensorsFile>, Option<WeightMap>), CheckpointError> {
    if files.read(INDEX)?.is_none() {
        for name in SINGLE {
            if let Some(bytes) = files.map(name)? {
                return Ok((
                    vec![SafetensorsFile::parse(files.describe_file(name), bytes)?],
                    None,
                ));
            }
        }
        return Err(CheckpointError::MissingFile {
            place: files.describe(),
            name: format!("{INDEX} or {}", SINGLE[0]),
            hint: "the weights are not there; download the whole checkpoint",
        });
    }
    let file = files.describe_file(INDEX);
    let text = files.read_text(INDEX, "it was there a moment ago")?;
    let Index { weight_map } = serde_json::from_str(&text).map_err(|error| CheckpointError::Json {
        file: file.clone(),
        message: error.to_string(),
    })?;
    let mut shard_names: Vec<&str> = weight_map.iter().map(|(_, shard)| shard.as_str()).collect();
    shard_names.sort_unstable();
    shard_names.dedup();
    if shard_names.len() > SHARD_LIMIT {
        return Err(CheckpointError::Field {
            file,
            field: "weight_map".to_owned(),
            expected: format!("at most {SHARD_LIMIT} files"),
            found: shard_names.len().to_string(),
        });
    }
    let mut shards = Vec::with_capacity(shard_names.len());
    for name in shard_names {
        if !is_plain(name) {
            return Err(CheckpointError::BadFileName {
                file,
                name: name.to_owned(),
            });
        }
        let bytes = files.map(name)?.ok_or_else(|| CheckpointError::MissingFile {
            place: files.describe(),
            name: name.to_owned(),
            hint: "the index names it; download the whole checkpoint",
        })?;
        shards.push(SafetensorsFile::parse(files.describe_file(name), bytes)?);
    }
    Ok((shards, Some(weight_map)))
}

/// Finds a place for every tensor, and compares it with the index if there is one.
fn place(
    files: &Files,
    shards: &[SafetensorsFile],
    weight_map: Option<WeightMap>,
) -> Result<BTreeMap<String, (usize, String)>, CheckpointError> {
    let mut places: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (index, shard) in shards.iter().enumerate() {
        for stored in shard.names() {
            let name = official(stored);
            if let Some((other, _)) = places.insert(name.clone(), (index, stored.to_owned())) {
                return Err(CheckpointError::DuplicateTensor {
                    file: shard.file().to_owned(),
                    tensor: name,
                    other: shards[other].file().to_owned(),
                });
            }
        }
    }
    let Some(weight_map) = weight_map else {
        return Ok(places);
    };
    let by_file: HashMap<&str, usize> = shards
        .iter()
        .enumerate()
        .map(|(index, shard)| (shard.file(), index))
        .collect();
    for (stored, shard_name) in &weight_map {
        let file = files.describe_file(shard_name);
        let shard = by_file.get(file.as_str()).map(|index| &shards[*index]);
        if shard.is_none_or(|shard| !shard.entries().contains_key(stored)) {
            return Err(CheckpointError::MissingTensor {
                file,
                tensor: stored.clone(),
                expected: Vec::new(),
                hint: "the index says that it is in this file; download the file again",
            });
        }
    }
    Ok(places)
}
