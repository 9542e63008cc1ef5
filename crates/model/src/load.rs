//! From named tensors, or packed bytes, to matrices.

use std::sync::Arc;

use aurore_checkpoint::matrices::expert;
use aurore_checkpoint::{CheckpointError, Dtype, MatrixSpec, PackedMatrix, Tensor, TextConfig, Weights};
use aurore_kernels::{Cpu, Format, Layout, Matrix, Rounding, Source};

use crate::experts::ExpertStore;
use crate::formats::format_named;
use crate::{Calibration, Formats, ModelError, Precision, finite};

/// How weights are turned into matrices. Packed ones are taken as they are.
#[derive(Clone)]
pub struct Packing<'a> {
    /// In which format each is kept.
    pub formats: Formats,
    /// How they are rounded to 8 or 4 bits.
    pub method: Method,
    /// What their inputs are like; used by a search.
    pub calibration: Option<&'a Calibration>,
}

/// How weights are rounded to 8 or 4 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To the nearest: quick, for loading.
    Nearest,
    /// Scales are searched; with a calibration, errors count as it says and are passed on.
    Search,
}

impl Packing<'_> {
    /// What loading does without being told otherwise.
    pub fn new(precision: Precision) -> Self {
        Self {
            formats: Formats::new(precision),
            method: Method::Nearest,
            calibration: None,
        }
    }

    /// The method in words, for the provenance of a packed file.
    pub(crate) fn describe(&self) -> String {
        match (self.method, self.calibration) {
            (Method::Nearest, _) => "nearest".to_owned(),
            (Method::Search, None) => "search".to_owned(),
            (Method::Search, Some(calibration)) => {
                format!(
                    "search, calibrated, errors passed on up to {} columns",
                    calibration.widest()
                )
            }
        }
    }
}

/// Takes tensors out of a checkpoint and packs them, or takes them packed.
pub(crate) struct Loader<'a> {
    pub(crate) weights: &'a dyn Weights,
    pub(crate) cpu: &'a Cpu,
    pub(crate) packing: &'a Packing<'a>,
    /// Is told what the matrices' inputs are like.
    pub(crate) watch: Option<&'a Calibration>,
    /// Whether the head has a shortlist; `None`: if it is large.
    pub(crate) shortlist: Option<bool>,
    /// Has the routed experts, where they are not loaded.
    pub(crate) experts: Option<&'a Arc<ExpertStore>>,
}

/// Added to the diagonal of second moments, as a share of its mean, so that they can be inverted.
const DAMPING: f64 = 0.01;

impl Loader<'_> {
    /// What `part` loads for each number below `count`, by all threads: checksums, copies, and new pages from the system
    /// take longer than reading memory. Of several errors the first part's.
    pub(crate) fn each<T: Send>(
        &self,
        count: usize,
        part: impl Fn(usize) -> Result<T, ModelError> + Sync,
    ) -> Result<Vec<T>, ModelError> {
        let mut parts: Vec<Option<Result<T, ModelError>>> = (0..count).map(|_| None).collect();
        self.cpu.pool.pieces(&mut parts, 1, |number, place| {
            for place in place {
                *place = Some(part(number));
            }
        });
        parts.into_iter().flatten().collect()
    }

    /// A matrix of the network.
    pub(crate) fn matrix(&self, spec: &MatrixSpec) -> Result<Matrix, ModelError> {
        let mut matrix = match self.weights.packed(&spec.key)? {
            Some(packed) => {
                let matrix = unpack(spec, &packed)?;
                self.weights.copied(&spec.key);
                matrix
            }
            None => self.checked(spec)?,
        };
        if let Some(calibration) = self.watch {
            calibration.watch(&spec.key, &mut matrix);
        }
        Ok(matrix)
    }

    /// The matrix packed from tensors, in which nothing may be infinite or no number.
    pub(crate) fn checked(&self, spec: &MatrixSpec) -> Result<Matrix, ModelError> {
        let tensors = spec.tensors(self.weights)?;
        for tensor in &tensors {
            finite::check(self.cpu, tensor)?;
        }
        self.pack(spec, &tensors)
    }

    fn pack(&self, spec: &MatrixSpec, tensors: &[Tensor<'_>]) -> Result<Matrix, ModelError> {
        let sources = tensors.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        let format = self.packing.formats.of(spec.role);
        let pack =
            |rounding: Rounding<'_>| Matrix::pack_with(self.cpu, spec.columns, format, &sources, rounding);
        if self.packing.method == Method::Nearest {
            return Ok(pack(Rounding::Nearest));
        }
        let moments = self
            .packing
            .calibration
            .and_then(|calibration| calibration.of(&spec.key));
        if let Some(correlation) = moments.as_ref().and_then(|moments| moments.correlation(DAMPING)) {
            return Ok(pack(Rounding::Feedback(&correlation)));
        }
        let importance = moments.and_then(|moments| moments.importance());
        Ok(pack(Rounding::Search(&importance.unwrap_or_default())))
    }

    /// A vector of `len` elements.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let tensor = self.weights.tensor(name)?.expect_shape(&[len])?;
        finite::check(self.cpu, &tensor)?;
        Ok(tensor.to_f32())
    }

    /// The weight of a zero-centred norm, 1 added.
    pub(crate) fn norm(&self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        let mut weight = self.vector(name, len)?;
        for w in &mut weight {
            *w += 1.0;
        }
        Ok(weight)
    }
}

/// Whether what is multiplied by bf16 stays as exact as it is: with routed experts, since a router decides by small
/// differences, and what rounding changes in its input becomes other experts. Where experts are quantised it would be in
/// vain, for then their own inputs are rounded to 8 bits.
pub(crate) fn exact_inputs(
    weights: &dyn Weights,
    config: &TextConfig,
    packing: &Packing<'_>,
) -> Result<bool, ModelError> {
    let first = "model.language_model.layers.0.mlp";
    let Some([spec, _]) = expert(config, first, 0) else {
        return Ok(false);
    };
    let format = match weights.packed(&spec.key)? {
        Some(packed) => format_named(packed.format),
        None => Some(packing.formats.of(spec.role)),
    };
    Ok(!matches!(format, Some(Format::Q8 | Format::Q4)))
}

/// A matrix of a network without rounding it anew: a packed one in the format that it has, another in bf16 or f32,
/// whichever holds it exactly.
///
/// # Errors
/// When a tensor is missing, has another shape or a number that is not finite, or the packed bytes are not what they
/// should be.
pub fn load_matrix(cpu: &Cpu, weights: &dyn Weights, spec: &MatrixSpec) -> Result<Matrix, ModelError> {
    let mut packing = Packing::new(Precision::F32);
    let is_packed = weights.packed(&spec.key)?.is_some();
    if !is_packed
        && spec
            .tensors(weights)?
            .iter()
            .all(|tensor| tensor.dtype == Dtype::BF16)
    {
        packing.formats.set(spec.role, Format::Bf16);
    }
    let loader = Loader {
        weights,
        cpu,
        packing: &packing,
        watch: None,
        shortlist: None,
        experts: None,
    };
    loader.matrix(spec)
}

/// A matrix from a packed file.
fn unpack(spec: &MatrixSpec, packed: &PackedMatrix<'_>) -> Result<Matrix, ModelError> {
    let found = Found {
        file: packed.file,
        layout: packed.layout,
        format: packed.format,
        rows: packed.rows,
        columns: packed.columns,
        bytes: [packed.elements.len() as u64, packed.scales.len() as u64],
    };
    let format = checked_format(spec, &found)?;
    let matrix = Matrix::from_raw(format, found.rows, found.columns, packed.elements, packed.scales);
    matrix.ok_or_else(|| found.other_bytes(spec, format))
}

/// What a packed file has under a matrix's key.
pub(crate) struct Found<'a> {
    pub(crate) file: &'a str,
    /// Version of the kernels' layout.
    pub(crate) layout: u32,
    pub(crate) format: &'a str,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Of elements and scales.
    pub(crate) bytes: [u64; 2],
}

impl Found<'_> {
    fn other_bytes(&self, spec: &MatrixSpec, format: Format) -> ModelError {
        let expected = Layout::new(format, self.rows, self.columns);
        CheckpointError::Entry {
            file: self.file.to_owned(),
            tensor: spec.key.clone(),
            expected: format!("{expected:?}"),
            found: format!("{:?} bytes", self.bytes),
        }
        .into()
    }
}

/// The format of a matrix of a packed file, after a comparison with what it should be.
pub(crate) fn checked_format(spec: &MatrixSpec, found: &Found<'_>) -> Result<Format, ModelError> {
    if found.layout != Layout::VERSION {
        return Err(CheckpointError::PackedVersion {
            file: found.file.to_owned(),
            what: "matrix layout",
            found: found.layout,
            supported: Layout::VERSION,
        }
        .into());
    }
    if (found.rows, found.columns) != (spec.rows(), spec.columns) {
        return Err(CheckpointError::Shape {
            file: found.file.to_owned(),
            tensor: spec.key.clone(),
            expected: vec![spec.rows(), spec.columns],
            found: vec![found.rows, found.columns],
        }
        .into());
    }
    let Some(format) = format_named(found.format) else {
        return Err(CheckpointError::Unsupported {
            file: found.file.to_owned(),
            what: format!("the matrix format {:?} of {}", found.format, spec.key),
            hint: "pack the checkpoint again with this program",
        }
        .into());
    };
    let expected = Layout::new(format, found.rows, found.columns);
    let expected = expected.map(|layout| [layout.elements as u64, layout.scales as u64]);
    if expected != Some(found.bytes) {
        return Err(found.other_bytes(spec, format));
    }
    Ok(format)
}

fn source<'a>(tensor: &'a Tensor<'_>) -> Result<Source<'a>, ModelError> {
    match tensor.dtype {
        Dtype::F32 => Ok(Source::F32(&tensor.bytes)),
        Dtype::BF16 => Ok(Source::Bf16(&tensor.bytes)),
        Dtype::F16 => Ok(Source::F16(&tensor.bytes)),
        _ => Err(ModelError::Config(format!(
            "{} holds {}, not weights",
            tensor.name,
            tensor.dtype.name()
        ))),
    }
}
