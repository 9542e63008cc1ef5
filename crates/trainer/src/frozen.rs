//! A checkpoint's weights as they stay while adapters learn: matrices as the engine keeps them (bf16, or packed in 8 or 4
//! bits), everything else in f32.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use aurore_checkpoint::packed::single_tensors;
use aurore_checkpoint::{
    CheckpointError, Config, Dtype, Expert, ExpertPart, RowSource, Tensor, Weights, layout, matrices,
};
use aurore_kernels::{Cpu, Isa, Matrix};
use aurore_model::{ModelError, load_matrix};

use crate::official::{dtype, encode};

/// Weights that do not learn.
pub struct Frozen {
    isa: Isa,
    /// By official name: place among the vectors.
    names: HashMap<String, usize>,
    vectors: Vec<Vec<f32>>,
    /// By official name and number among fused experts: matrix, first row, and rows.
    rows: HashMap<(String, usize), (usize, usize, usize)>,
    matrices: Vec<Arc<Matrix>>,
    /// By official name.
    shapes: HashMap<String, Vec<usize>>,
}

impl Frozen {
    /// The weights of a checkpoint without its multi-token-prediction head.
    ///
    /// # Errors
    /// When a tensor is missing, of another shape, or not finite.
    pub fn load(weights: &dyn Weights, config: &Config, cpu: &Cpu) -> Result<Self, ModelError> {
        let mut frozen = Self {
            isa: cpu.isa,
            names: HashMap::new(),
            vectors: Vec::new(),
            rows: HashMap::new(),
            matrices: Vec::new(),
            shapes: layout(config)
                .into_iter()
                .map(|slot| (slot.name, slot.shape))
                .collect(),
        };
        for (name, shape) in single_tensors(config, false) {
            let tensor = weights.tensor(&name)?.expect_shape(&shape)?;
            frozen.names.insert(name, frozen.vectors.len());
            frozen.vectors.push(tensor.to_f32());
        }
        for spec in matrices(config, false) {
            let number = frozen.matrices.len();
            frozen.matrices.push(Arc::new(load_matrix(cpu, weights, &spec)?));
            let mut first = 0;
            for (source, rows) in spec.parts {
                let (key, rows) = match source {
                    RowSource::Tensor(name) => ((name, 0), rows),
                    RowSource::Expert { prefix, index, part } => match part {
                        ExpertPart::Gate => ((format!("{prefix}.experts.gate_up_proj"), index), 2 * rows),
                        ExpertPart::Up => continue,
                        ExpertPart::Down => ((format!("{prefix}.experts.down_proj"), index), rows),
                    },
                };
                frozen.rows.insert(key, (number, first, rows));
                first += rows;
            }
        }
        Ok(frozen)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let vectors: usize = self
            .vectors
            .iter()
            .map(|vector| size_of_val(vector.as_slice()))
            .sum();
        vectors + self.matrices.iter().map(|matrix| matrix.bytes()).sum::<usize>()
    }

    /// Numbers in it.
    pub fn count(&self) -> usize {
        let vectors: usize = self.vectors.iter().map(Vec::len).sum();
        let matrices = self
            .matrices
            .iter()
            .map(|matrix| matrix.rows() * matrix.columns());
        vectors + matrices.sum::<usize>()
    }

    pub(crate) fn find_vector(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn vector(&self, place: usize) -> &[f32] {
        self.vectors.get(place).map_or(&[], Vec::as_slice)
    }

    /// The matrix that has the rows of a tensor, or of one of its fused experts, and the first of them.
    pub(crate) fn find_rows(&self, name: &str, index: usize) -> Option<(usize, usize)> {
        let (number, first, _) = self.rows.get(&(name.to_owned(), index))?;
        Some((*number, *first))
    }

    pub(crate) fn matrix(&self, number: usize) -> Option<&Arc<Matrix>> {
        self.matrices.get(number)
    }

    /// Rows as f32, from their `from`-th share of `of` equal ones.
    fn values(&self, name: &str, index: usize, [from, of]: [usize; 2]) -> Option<Vec<f32>> {
        let (number, first, rows) = self.rows.get(&(name.to_owned(), index))?;
        let matrix = self.matrix(*number)?;
        let rows = rows / of;
        let mut values = vec![0.0; rows * matrix.columns()];
        matrix.copy_rows(self.isa, first + from * rows, &mut values);
        Some(values)
    }
}

/// As tensors of the official layout: what was rounded when it was packed stays rounded.
impl Weights for Frozen {
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        let values = match self.find_vector(name) {
            Some(place) => Some(Cow::Borrowed(self.vector(place))),
            None => self.values(name, 0, [0, 1]).map(Cow::Owned),
        };
        match (values, self.shapes.get(name)) {
            (Some(values), Some(shape)) => Ok(encode(name, shape, &values)),
            _ => Err(missing(name)),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains_key(name) || self.rows.contains_key(&(name.to_owned(), 0))
    }

    fn dtype(&self, name: &str) -> Result<Dtype, CheckpointError> {
        Ok(dtype(name))
    }

    fn expert(&self, prefix: &str, index: usize) -> Result<Expert<'_>, CheckpointError> {
        let part = |name: &str, share: [usize; 2]| {
            let name = format!("{prefix}.experts.{name}");
            let values = self.values(&name, index, share);
            let shape = self.shapes.get(&name).map(Vec::as_slice);
            match (values, shape) {
                (Some(values), Some([_, rows, columns])) => {
                    Ok(encode(&name, &[rows / share[1], *columns], &values))
                }
                _ => Err(missing(&name)),
            }
        };
        Ok(Expert {
            gate: part("gate_up_proj", [0, 2])?,
            up: part("gate_up_proj", [1, 2])?,
            down: part("down_proj", [0, 1])?,
        })
    }
}

fn missing(name: &str) -> CheckpointError {
    CheckpointError::MissingTensor {
        file: "the frozen weights".to_owned(),
        tensor: name.to_owned(),
        expected: Vec::new(),
        hint: "this configuration has no such tensor",
    }
}
