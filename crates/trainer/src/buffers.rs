//! Memory of a lane that is used again: a training step takes and returns the same buffers as the last one.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use aurore_kernels::Floats;

type Free = Arc<Mutex<BTreeMap<usize, Vec<Floats>>>>;

/// Free memory, by size.
#[derive(Clone, Default)]
pub struct Buffers {
    free: Free,
}

/// Some f32, given back when dropped.
pub struct Buffer {
    data: Floats,
    length: usize,
    home: Free,
}

impl Buffers {
    /// `length` numbers, whatever they were before.
    pub fn take(&self, length: usize) -> Buffer {
        // A few sizes, so that a buffer fits the next batch too: eighths of powers of two.
        let step = (length.next_power_of_two() / 8).max(64);
        let size = length.div_ceil(step) * step;
        let found = self
            .free
            .lock()
            .ok()
            .and_then(|mut free| free.get_mut(&size).and_then(Vec::pop));
        Buffer {
            data: found.unwrap_or_else(|| Floats::zeroed(size)),
            length,
            home: Arc::clone(&self.free),
        }
    }

    /// `length` zeros.
    pub fn zeros(&self, length: usize) -> Buffer {
        let mut buffer = self.take(length);
        buffer.fill(0.0);
        buffer
    }

    /// A copy of `values`.
    pub fn copy(&self, values: &[f32]) -> Buffer {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Ok(mut free) = self.home.lock() {
            let data = std::mem::take(&mut self.data);
            free.entry(data.len()).or_default().push(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        let buffers = Buffers::default();
        let mut first = buffers.take(1000);
        first.fill(3.0);
        let at = first.as_ptr();
        drop(first);
        let again = buffers.take(990);
        assert_eq!((again.as_ptr(), again.len()), (at, 990));
        let other = buffers.zeros(1000);
        assert_ne!(other.as_ptr(), at);
        assert!(other.iter().all(|x| *x == 0.0));
    }
}
