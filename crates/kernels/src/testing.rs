//! What the tests of all kernels share.

use crate::{Cpu, Isa};

/// Sizes around every vector width, and a large odd one.
pub(crate) const SIZES: [usize; 14] = [0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 1027];

/// Every implementation that can run here, each with one and with three threads; only portable and the one that
/// `AURORE_ISA` names, where it is set: an emulator is slow.
pub(crate) fn cpus() -> Vec<Cpu> {
    let mut isas = Isa::available();
    let mut turned = vec![isas[0]];
    // Stand-ins for what only x86 has; where Arm is itself emulated they would take longest of all.
    if !cfg!(target_arch = "aarch64") {
        let wide = [Isa::wide(), Isa::wide().without_tiles()];
        isas.extend(wide);
        turned.extend(wide);
    }
    isas.extend(turned.into_iter().map(Isa::with_other_streams));
    if let Some(name) = std::env::var_os("AURORE_ISA") {
        isas.retain(|isa| *isa.name() == *name || isa.name() == "portable");
        assert!(
            isas.iter().any(|isa| *isa.name() == *name),
            "AURORE_ISA is {name:?}, which is not here"
        );
    }
    let cpu = |isa, threads| {
        let mut cpu = Cpu::new(Some(isa), threads);
        // However little there is, threads share it.
        cpu.share_from = 0;
        cpu
    };
    isas.iter()
        .flat_map(|&isa| [1, 3].map(|threads| cpu(isa, threads)))
        .collect()
}

/// Numbers between -1 and 1 that depend on `seed` alone.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 / (1 << 23) as f32) - 1.0
        })
        .collect()
}

/// `found` is as near to `expected` as f32 sums of that size allow.
#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&a, &b)) in found.iter().zip(expected).enumerate() {
        let near = (a - b).abs() <= tolerance * (1.0 + b.abs());
        assert!(
            near || a == b || (a.is_nan() && b.is_nan()),
            "{what}: at {i}: {a} is not {b}"
        );
    }
}

/// The same bits (any NaN equals any NaN).
#[track_caller]
pub(crate) fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        assert!(same, "{what}: at {i}: {a} is not {b}");
    }
}

/// The little-endian bytes of f32.
pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}
