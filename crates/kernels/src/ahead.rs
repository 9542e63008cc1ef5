//! Memory that is asked for before it is read, because the processor by itself does not ask for it in time.
//!
//! Few rows take their time from reading weights. Processors differ in how that goes fastest: some follow several
//! streams at once by themselves (AMD's, measured on a Zen 4); others read one stream straight on, asked for some
//! kilobytes ahead into the second-level cache, a line at a time (Intel's, measured on a Sapphire Rapids; their own
//! prefetching stops at each page of 4 KiB).

/// Bytes from what vectors read to what is asked for.
pub(crate) const AHEAD: usize = 5 * 1024;
/// The same for tiles, which read a kilobyte at a time.
#[cfg(target_arch = "x86_64")]
pub(crate) const AHEAD_OF_TILES: usize = 3 * 1024;

/// Whether this processor reads one stream that is asked for faster than several that are not.
#[cfg(target_arch = "x86_64")]
pub(crate) fn one_stream() -> bool {
    use std::arch::x86_64::__cpuid;

    let name = __cpuid(0);
    let name = [name.ebx, name.edx, name.ecx].map(u32::to_le_bytes);
    name.as_flattened() == b"GenuineIntel"
}

/// Nothing is known of other processors.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn one_stream() -> bool {
    false
}
