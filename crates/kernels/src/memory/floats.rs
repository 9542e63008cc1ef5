//! Memory of what is computed again and again, such as activations of training.

use std::ops::{Deref, DerefMut};

use super::Buffer;

/// Some f32, in huge pages with others where the system has them. Their memory is the system's again when all that share
/// it are gone: for what is kept and used again.
#[derive(Default)]
pub struct Floats(Buffer<f32>);

impl Floats {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        Self(Buffer::zeroed(len))
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice()
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.0.as_mut_slice()
    }
}
