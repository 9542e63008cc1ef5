//! From named tensors, or packed bytes, to matrices.

use aurore_checkpoint::{CheckpointError, Dtype, MatrixSpec, PackedMatrix, Tensor, Weights};
use aurore_kernels::{Cpu, Layout, Matrix, Rounding, Source};

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
}

/// Added to the diagonal of second moments, as a share of its mean, so that they can be inverted.
const DAMPING: f64 = 0.01;

impl Loader<'_> {
    /// A matrix of the network.
    pub(crate) fn matrix(&self, spec: &MatrixSpec) -> Result<Matrix, ModelError> {
        let mut matrix = match self.weights.packed(&spec.key)? {
            Some(packed) => unpack(spec, &packed)?,
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

/// A matrix from a packed file.
fn unpack(spec: &MatrixSpec, packed: &PackedMatrix<'_>) -> Result<Matrix, ModelError> {
    if packed.layout != Layout::VERSION {
        return Err(CheckpointError::PackedVersion {
            file: packed.file.to_owned(),
            what: "matrix layout",
            found: packed.layout,
            supported: Layout::VERSION,
        }
        .into());
    }
    let (rows, columns) = (packed.rows, packed.columns);
    if (rows, columns) != (spec.rows(), spec.columns) {
        return Err(CheckpointError::Shape {
            file: packed.file.to_owned(),
            tensor: spec.key.clone(),
            expected: vec![spec.rows(), spec.columns],
            found: vec![rows, columns],
        }
        .into());
    }
    let Some(format) = format_named(packed.format) else {
        return Err(CheckpointError::Unsupported {
            file: packed.file.to_owned(),
            what: format!("the matrix format {:?} of {}", packed.format, spec.key),
            hint: "pack the checkpoint again with this program",
        }
        .into());
    };
    Matrix::from_raw(format, rows, columns, packed.elements, packed.scales).ok_or_else(|| {
        let found = [packed.elements.len(), packed.scales.len()];
        let expected = Layout::new(format, rows, columns);
        CheckpointError::Entry {
            file: packed.file.to_owned(),
            tensor: spec.key.clone(),
            expected: format!("{expected:?}"),
            found: format!("{found:?} bytes"),
        }
        .into()
    })
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
