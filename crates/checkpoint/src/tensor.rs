//! One named tensor's bytes, and the few ways to read them.

use std::borrow::Cow;

use half::{bf16, f16};

use crate::CheckpointError;

/// The data types that weights can have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE single precision.
    F32,
    /// bfloat16.
    BF16,
    /// IEEE half precision.
    F16,
    /// IEEE double precision, in verification cases only.
    F64,
    /// 32-bit integers, in verification cases only.
    I32,
    /// 64-bit integers, in verification cases only.
    I64,
}

impl Dtype {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::BF16 | Self::F16 => 2,
        }
    }

    /// The name in a safetensors header.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::BF16 => "BF16",
            Self::F16 => "F16",
            Self::F64 => "F64",
            Self::I32 => "I32",
            Self::I64 => "I64",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::F32, Self::BF16, Self::F16, Self::F64, Self::I32, Self::I64]
            .into_iter()
            .find(|dtype| dtype.name() == name)
    }
}

/// A tensor: row-major little-endian elements. `bytes.len() == shape.product() · dtype.size()`.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// Official name, for messages.
    pub name: String,
    /// The file it came from, for messages.
    pub file: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// The elements.
    pub bytes: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Every element as f32: exact for weights, rounded for the types of verification cases.
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            Dtype::F32 => self.words().map(f32::from_le_bytes).collect(),
            Dtype::BF16 => self
                .words()
                .map(|word| bf16::from_le_bytes(word).to_f32())
                .collect(),
            Dtype::F16 => self
                .words()
                .map(|word| f16::from_le_bytes(word).to_f32())
                .collect(),
            Dtype::F64 => self.words().map(|word| f64::from_le_bytes(word) as f32).collect(),
            Dtype::I32 => self.words().map(|word| i32::from_le_bytes(word) as f32).collect(),
            Dtype::I64 => self.words().map(|word| i64::from_le_bytes(word) as f32).collect(),
        }
    }

    /// Every element as bf16: exact when stored so, else rounded to nearest even.
    pub fn to_bf16(&self) -> Vec<bf16> {
        match self.dtype {
            Dtype::BF16 => self.words().map(bf16::from_le_bytes).collect(),
            _ => self.to_f32().into_iter().map(bf16::from_f32).collect(),
        }
    }

    /// Every element of an integer tensor.
    pub fn to_i64(&self) -> Result<Vec<i64>, CheckpointError> {
        match self.dtype {
            Dtype::I64 => Ok(self.words().map(i64::from_le_bytes).collect()),
            Dtype::I32 => Ok(self.words().map(|word| i32::from_le_bytes(word).into()).collect()),
            found => Err(CheckpointError::WrongDtype {
                file: self.file.clone(),
                tensor: self.name.clone(),
                expected: "I64 or I32",
                found: found.name().to_owned(),
            }),
        }
    }

    /// The tensor itself when its shape is `expected`, else an error that says both.
    pub fn expect_shape(self, expected: &[usize]) -> Result<Self, CheckpointError> {
        if self.shape == expected {
            return Ok(self);
        }
        Err(CheckpointError::Shape {
            file: self.file,
            tensor: self.name,
            expected: expected.to_vec(),
            found: self.shape,
        })
    }

    fn words<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> + '_ {
        let (words, _) = self.bytes.as_chunks::<N>();
        words.iter().copied()
    }
}
