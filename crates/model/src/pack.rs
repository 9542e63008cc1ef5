//! From a checkpoint to a packed one, matrix by matrix.

use std::borrow::Cow;

use aurore_checkpoint::packed::{EntryKind, PackPlan, Writer, single_tensors};
use aurore_checkpoint::{Checkpoint, MatrixSpec, matrices};
use aurore_kernels::{Cpu, Layout};

use crate::load::{Loader, Packing};
use crate::{ModelError, finite, formats::format_name};

/// Files of a checkpoint that a packed one keeps, where there are any.
const FILES: [&str; 15] = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "aurore.json",
    "LICENSE",
    "README.md",
];

/// Packs one checkpoint.
pub struct Packer<'a> {
    checkpoint: &'a Checkpoint,
    packing: Packing<'a>,
    cpu: Cpu,
    plan: PackPlan,
    /// Those of the plan's last entries, in its order.
    specs: Vec<MatrixSpec>,
}

impl<'a> Packer<'a> {
    /// Plans the packed form of a checkpoint. `shard_bytes` cuts it into files of that size.
    ///
    /// # Errors
    /// When the checkpoint is packed already, or larger than any memory.
    pub fn new(
        checkpoint: &'a Checkpoint,
        packing: Packing<'a>,
        shard_bytes: Option<u64>,
        threads: usize,
    ) -> Result<Self, ModelError> {
        if checkpoint.packed_file().is_some() {
            return Err(ModelError::PackedAlready);
        }
        let config = checkpoint.config();
        let mut plan = PackPlan::new(Layout::VERSION, shard_bytes);
        plan.provenance("source", checkpoint.fingerprint());
        plan.provenance("formats", packing.formats.describe());
        plan.provenance("rounding", packing.describe());
        for name in FILES {
            if let Some(content) = checkpoint.files().read(name)? {
                plan.file(name, content.len() as u64);
            }
        }
        for (name, shape) in single_tensors(config, checkpoint.has_mtp()) {
            plan.tensor(&name, &shape);
        }
        let specs = matrices(config, checkpoint.has_mtp());
        for spec in &specs {
            let (rows, format) = (spec.rows(), packing.formats.of(spec.role));
            let Some(layout) = Layout::new(format, rows, spec.columns) else {
                return Err(ModelError::Config(format!("{} is too large", spec.key)));
            };
            let bytes = [layout.elements as u64, layout.scales as u64];
            plan.matrix(&spec.key, format_name(format), rows, spec.columns, bytes);
        }
        Ok(Self {
            checkpoint,
            packing,
            cpu: Cpu::new(None, threads),
            plan,
            specs,
        })
    }

    /// What will be written.
    pub fn plan(&self) -> &PackPlan {
        &self.plan
    }

    /// Makes and writes one entry of the plan.
    ///
    /// # Errors
    /// When it cannot be read or written, or holds weights that are no numbers.
    pub fn write(&self, index: usize, writer: &mut Writer) -> Result<(), ModelError> {
        let Some(entry) = self.plan.entries().get(index) else {
            return Ok(());
        };
        match entry.kind {
            EntryKind::File => {
                let content = self.checkpoint.files().read(&entry.name)?;
                writer.write(index, [&content.unwrap_or(Cow::Borrowed(&[])), &[]])?;
            }
            EntryKind::Tensor => {
                let tensor = self.checkpoint.tensor(&entry.name)?;
                let tensor = tensor.expect_shape(&entry.shape)?;
                finite::check(&self.cpu, &tensor)?;
                let values = tensor.to_f32();
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                writer.write(index, [&bytes, &[]])?;
            }
            EntryKind::Matrix => {
                let first = self.plan.entries().len() - self.specs.len();
                let spec = &self.specs[index - first];
                let loader = Loader {
                    weights: self.checkpoint,
                    cpu: &self.cpu,
                    packing: &self.packing,
                    watch: None,
                    shortlist: None,
                    experts: None,
                };
                let matrix = loader.checked(spec)?;
                writer.write(index, matrix.raw())?;
            }
        }
        Ok(())
    }
}
