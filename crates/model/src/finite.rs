//! Weights that are no numbers are refused at load: one would spoil every answer, far from its cause.

use std::sync::atomic::{AtomicUsize, Ordering};

use aurore_checkpoint::{Dtype, Tensor};
use aurore_kernels::Cpu;

use crate::ModelError;

/// Elements that a task looks at.
const PIECE: usize = 1 << 18;

/// Refuses a tensor with NaN or infinity.
pub(crate) fn check(cpu: &Cpu, tensor: &Tensor<'_>) -> Result<(), ModelError> {
    let bytes = &tensor.bytes;
    let found = match tensor.dtype {
        Dtype::F32 => find(cpu, bytes, |word: [u8; 4]| {
            u32::from_le_bytes(word) & 0x7f80_0000 == 0x7f80_0000
        }),
        Dtype::BF16 => find(cpu, bytes, |word: [u8; 2]| {
            u16::from_le_bytes(word) & 0x7f80 == 0x7f80
        }),
        Dtype::F16 => find(cpu, bytes, |word: [u8; 2]| {
            u16::from_le_bytes(word) & 0x7c00 == 0x7c00
        }),
        _ => None,
    };
    match found {
        None => Ok(()),
        Some(index) => Err(ModelError::NotFinite {
            file: tensor.file.clone(),
            tensor: tensor.name.clone(),
            index,
        }),
    }
}

/// The first element that is bad.
fn find<const N: usize>(cpu: &Cpu, bytes: &[u8], bad: impl Fn([u8; N]) -> bool + Sync) -> Option<usize> {
    let elements = bytes.as_chunks::<N>().0;
    let first = AtomicUsize::new(usize::MAX);
    cpu.pool.run(elements.len().div_ceil(PIECE), |piece| {
        let start = piece * PIECE;
        let elements = &elements[start..elements.len().min(start + PIECE)];
        // Without an early exit the compiler can take many at once.
        if elements.iter().fold(false, |any, word| any | bad(*word)) {
            let place = elements.iter().position(|word| bad(*word)).unwrap_or(0);
            first.fetch_min(start + place, Ordering::Relaxed);
        }
    });
    Some(first.into_inner()).filter(|place| *place != usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dtype: Dtype, bytes: Vec<u8>) -> Tensor<'static> {
        Tensor {
            name: "w".to_owned(),
            file: "model.safetensors".to_owned(),
            dtype,
            shape: vec![bytes.len() / dtype.size()],
            bytes: bytes.into(),
        }
    }

    #[test]
    fn the_first_bad_element_is_named() {
        let cpu = Cpu::new(None, 2);
        let mut words = vec![0x3f80_u16; 3 * PIECE + 5];
        let all = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert!(check(&cpu, &tensor(Dtype::BF16, all(&words))).is_ok());
        (words[3 * PIECE + 4], words[2 * PIECE]) = (0xff80, 0x7fc0);
        let error = check(&cpu, &tensor(Dtype::BF16, all(&words))).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("model.safetensors: w: element 524288 "),
            "{message}"
        );
        for (dtype, bytes, good) in [
            (Dtype::F16, 0x7bff_u16.to_le_bytes().to_vec(), true),
            (Dtype::F16, 0xfc00_u16.to_le_bytes().to_vec(), false),
            (Dtype::F32, f32::MAX.to_le_bytes().to_vec(), true),
            (Dtype::F32, f32::NAN.to_le_bytes().to_vec(), false),
            (Dtype::F32, f32::NEG_INFINITY.to_le_bytes().to_vec(), false),
            (Dtype::F32, Vec::new(), true),
        ] {
            assert_eq!(check(&cpu, &tensor(dtype, bytes)).is_ok(), good, "{dtype:?}");
        }
    }
}
