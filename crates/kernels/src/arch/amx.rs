//! AMX: matrix tiles, with AVX-512 around them.
//!
//! A thread's tiles are set up for each task and released at its end: some tens of cycles, against
//! the tens of thousands of a task, and no sleeping thread holds 8 KiB of state that the system would
//! have to save. Tile registers never live across `asm!` blocks; only their configuration does, which
//! nothing else in this process uses.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::marker::PhantomData;
use std::sync::OnceLock;

use crate::ahead::{AHEAD, AHEAD_OF_TILES};
use crate::tiles::{Column, MacroTile, ROW, ROWS, RowStrips, Strip, TILE, Tiles};

/// A processor with AMX int8 and bf16 whose system lets this process use it.
#[derive(Clone, Copy)]
pub(crate) struct Amx(());

/// Tiles that are set up on this thread, which is why it stays there.
#[derive(Clone, Copy)]
pub(crate) struct Ready<'a>(Amx, PhantomData<&'a *mut u8>);

/// All eight tiles: 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = ROWS as u8;
        tile += 1;
    }
    Configuration(bytes)
};

impl Amx {
    /// The token, where processor and system have AMX. The system is asked once.
    pub(crate) fn new() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        FOUND
            .get_or_init(|| processor_has_it() && system_allows_it())
            .then_some(Self(()))
    }

    /// Runs `task` with this thread's tiles.
    pub(crate) fn with<R>(self, task: impl FnOnce(Ready<'_>) -> R) -> R {
        /// Releases them, also when the task panics.
        struct Release;
        impl Drop for Release {
            fn drop(&mut self) {
                // SAFETY: AMX is there, or the tiles could not have been set up.
                unsafe { asm!("tilerelease", options(nostack, nomem)) };
            }
        }
        // SAFETY: the token proves AMX; the configuration is 64 readable bytes of a valid palette.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
        let _release = Release;
        task(Ready(self, PhantomData))
    }
}

/// AMX-TILE, AMX-INT8 and AMX-BF16, with their state switched on by the system.
fn processor_has_it() -> bool {
    const BF16_TILE_INT8: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    const OSXSAVE: u32 = 1 << 27;
    const TILE_STATE: u32 = 0b11 << 17;
    if __cpuid_count(0, 0).eax < 7
        || __cpuid_count(1, 0).ecx & OSXSAVE == 0
        || __cpuid_count(7, 0).edx & BF16_TILE_INT8 != BF16_TILE_INT8
    {
        return false;
    }
    let state: u32;
    // SAFETY: OSXSAVE says that the instruction is there.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") state, out("edx") _, options(nostack, nomem)) };
    state & TILE_STATE == TILE_STATE
}

/// Linux saves tiles only for processes that asked for it.
#[cfg(target_os = "linux")]
fn system_allows_it() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    unsafe extern "C" {
        fn syscall(number: i64, ...) -> i64;
    }
    // SAFETY: the call takes two numbers and touches no memory of this process.
    unsafe { syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn system_allows_it() -> bool {
    false
}

/// A macro-tile of 32 rows in one block: tmm0 to tmm3 are sums, tmm4 and tmm5 rows, tmm6 and tmm7
/// panels. `$start` makes or reads the sums, `$product` multiplies.
macro_rules! two_by_two {
    ($operands:expr, $sums:expr, $product:literal, $($start:literal)+) => {
        asm!(
            $($start,)+
            "3:",
            "mov {left}, [{panels}]",
            "mov {right}, [{panels} + 8]",
            "mov {at}, {steps}",
            "2:",
            "tileloadd tmm4, [{above} + {input_stride}]",
            "tileloadd tmm6, [{left} + {row}]",
            concat!($product, " tmm0, tmm4, tmm6"),
            "tileloadd tmm7, [{right} + {row}]",
            concat!($product, " tmm1, tmm4, tmm7"),
            "tileloadd tmm5, [{below} + {input_stride}]",
            concat!($product, " tmm2, tmm5, tmm6"),
            concat!($product, " tmm3, tmm5, tmm7"),
            "add {above}, {input_step}",
            "add {below}, {input_step}",
            "add {left}, 1024",
            "add {right}, 1024",
            "dec {at}",
            "jnz 2b",
            "add {panels}, 16",
            "dec {runs}",
            "jnz 3b",
            "mov {above}, [{sums}]",
            "mov {below}, [{sums} + 8]",
            "mov {left}, [{sums} + 16]",
            "mov {right}, [{sums} + 24]",
            "tilestored [{above} + {sums_stride}], tmm0",
            "tilestored [{below} + {sums_stride}], tmm1",
            "tilestored [{left} + {sums_stride}], tmm2",
            "tilestored [{right} + {sums_stride}], tmm3",
            above = inout(reg) $operands.input => _,
            below = inout(reg) $operands.input.add(ROWS * $operands.input_stride) => _,
            input_stride = in(reg) $operands.input_stride,
            input_step = in(reg) $operands.input_step,
            left = out(reg) _,
            right = out(reg) _,
            panels = inout(reg) $operands.panels.as_ptr() => _,
            runs = inout(reg) $operands.runs => _,
            row = in(reg) ROW,
            steps = in(reg) $operands.steps,
            sums = in(reg) $sums.as_ptr(),
            sums_stride = in(reg) $operands.sums_stride,
            at = out(reg) _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// The same for 16 rows.
macro_rules! one_by_two {
    ($operands:expr, $sums:expr, $product:literal, $($start:literal)+) => {
        asm!(
            $($start,)+
            "3:",
            "mov {left}, [{panels}]",
            "mov {right}, [{panels} + 8]",
            "mov {at}, {steps}",
            "2:",
            "tileloadd tmm4, [{above} + {input_stride}]",
            "tileloadd tmm6, [{left} + {row}]",
            concat!($product, " tmm0, tmm4, tmm6"),
            "tileloadd tmm7, [{right} + {row}]",
            concat!($product, " tmm1, tmm4, tmm7"),
            "add {above}, {input_step}",
            "add {left}, 1024",
            "add {right}, 1024",
            "dec {at}",
            "jnz 2b",
            "add {panels}, 16",
            "dec {runs}",
            "jnz 3b",
            "mov {left}, [{sums}]",
            "mov {right}, [{sums} + 8]",
            "tilestored [{left} + {sums_stride}], tmm0",
            "tilestored [{right} + {sums_stride}], tmm1",
            above = inout(reg) $operands.input => _,
            input_stride = in(reg) $operands.input_stride,
            input_step = in(reg) $operands.input_step,
            left = out(reg) _,
            right = out(reg) _,
            panels = inout(reg) $operands.panels.as_ptr() => _,
            runs = inout(reg) $operands.runs => _,
            row = in(reg) ROW,
            steps = in(reg) $operands.steps,
            sums = in(reg) $sums.as_ptr(),
            sums_stride = in(reg) $operands.sums_stride,
            at = out(reg) _,
            out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// A strip in one block: tmm0 are the sums, tmm4 the rows, tmm6 the panel. `$start` makes or reads the sums, `$ask`
/// asks for what follows; without it the distance stands in a comment, because every operand must be named.
macro_rules! strip {
    ($operands:expr, $product:literal, $start:literal, $($ask:literal)*) => {
        asm!(
            $start,
            "2:",
            "tileloadd tmm4, [{input} + {input_stride}]",
            "tileloadd tmm6, [{panel} + {row}]",
            $($ask,)*
            concat!($product, " tmm0, tmm4, tmm6"),
            "add {input}, {input_step}",
            "add {panel}, {tile}",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{sums} + {row}], tmm0",
            "/* {ahead} */",
            input = inout(reg) $operands.input => _,
            input_stride = in(reg) $operands.input_stride,
            input_step = in(reg) $operands.input_step,
            panel = inout(reg) $operands.panel => _,
            steps = inout(reg) $operands.steps => _,
            sums = in(reg) $operands.sums,
            row = in(reg) ROW,
            tile = const TILE,
            ahead = const AHEAD_OF_TILES,
            out("tmm0") _, out("tmm4") _, out("tmm6") _,
            options(nostack),
        )
    };
}

/// The same, asking for the panel's lines in the time of the products.
macro_rules! asking_strip {
    ($operands:expr, $product:literal, $start:literal) => {
        strip!(
            $operands,
            $product,
            $start,
                "prefetcht1 [{panel} + {ahead} + 0]"
                "prefetcht1 [{panel} + {ahead} + 64]"
                "prefetcht1 [{panel} + {ahead} + 128]"
                "prefetcht1 [{panel} + {ahead} + 192]"
                "prefetcht1 [{panel} + {ahead} + 256]"
                "prefetcht1 [{panel} + {ahead} + 320]"
                "prefetcht1 [{panel} + {ahead} + 384]"
                "prefetcht1 [{panel} + {ahead} + 448]"
                "prefetcht1 [{panel} + {ahead} + 512]"
                "prefetcht1 [{panel} + {ahead} + 576]"
                "prefetcht1 [{panel} + {ahead} + 640]"
                "prefetcht1 [{panel} + {ahead} + 704]"
                "prefetcht1 [{panel} + {ahead} + 768]"
                "prefetcht1 [{panel} + {ahead} + 832]"
                "prefetcht1 [{panel} + {ahead} + 896]"
                "prefetcht1 [{panel} + {ahead} + 960]"
        )
    };
}

/// A strip with the given product, of all four ways to begin and go on.
macro_rules! any_strip {
    ($operands:expr, $product:literal) => {
        match ($operands.add, $operands.ask) {
            (false, false) => strip!($operands, $product, "tilezero tmm0",),
            (true, false) => strip!($operands, $product, "tileloadd tmm0, [{sums} + {row}]",),
            (false, true) => asking_strip!($operands, $product, "tilezero tmm0"),
            (true, true) => asking_strip!($operands, $product, "tileloadd tmm0, [{sums} + {row}]"),
        }
    };
}

/// A column in one block: tmm0 to tmm3 are the sums, tmm6 the panel, tmm4, tmm5 and tmm7 rows. `$ask` asks for what
/// follows.
macro_rules! column {
    ($operands:expr, ($first:tt) $(($further:tt))*, $($ask:literal)*) => {
        asm!(
            concat!("tilezero tmm", $first),
            $(concat!("tilezero tmm", $further),)*
            "2:",
            "tileloadd tmm6, [{panel} + {row}]",
            "tileloadd tmm4, [{input} + {input_stride}]",
            $($ask,)*
            concat!("tdpbssd tmm", $first, ", tmm4, tmm6"),
            $(column!(@product $further),)*
            "add {input}, {input_step}",
            "add {second}, {input_step}",
            "add {third}, {input_step}",
            "add {fourth}, {input_step}",
            "add {panel}, {tile}",
            "dec {steps}",
            "jnz 2b",
            concat!("tilestored [{sums} + {row}], tmm", $first),
            $(
                "add {sums}, {tile}",
                concat!("tilestored [{sums} + {row}], tmm", $further),
            )*
            "/* {ahead} */",
            input = inout(reg) $operands.input => _,
            second = inout(reg) $operands.input.wrapping_add(ROWS * $operands.input_stride) => _,
            third = inout(reg) $operands.input.wrapping_add(2 * ROWS * $operands.input_stride) => _,
            fourth = inout(reg) $operands.input.wrapping_add(3 * ROWS * $operands.input_stride) => _,
            input_stride = in(reg) $operands.input_stride,
            input_step = in(reg) $operands.input_step,
            panel = inout(reg) $operands.panel => _,
            steps = inout(reg) $operands.steps => _,
            sums = inout(reg) $operands.sums => _,
            row = in(reg) ROW,
            tile = const TILE,
            ahead = const AHEAD_OF_TILES,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
    (@product 1) => { "tileloadd tmm5, [{second} + {input_stride}]\ntdpbssd tmm1, tmm5, tmm6" };
    (@product 2) => { "tileloadd tmm7, [{third} + {input_stride}]\ntdpbssd tmm2, tmm7, tmm6" };
    (@product 3) => { "tileloadd tmm4, [{fourth} + {input_stride}]\ntdpbssd tmm3, tmm4, tmm6" };
}

/// A column of so many tiles, asking for the panel's lines in the time of the products or not.
macro_rules! any_column {
    ($operands:expr, $($tile:tt)+) => {
        if $operands.ask {
            column!(
                $operands,
                $($tile)+,
                "prefetcht1 [{panel} + {ahead} + 0]"
                "prefetcht1 [{panel} + {ahead} + 64]"
                "prefetcht1 [{panel} + {ahead} + 128]"
                "prefetcht1 [{panel} + {ahead} + 192]"
                "prefetcht1 [{panel} + {ahead} + 256]"
                "prefetcht1 [{panel} + {ahead} + 320]"
                "prefetcht1 [{panel} + {ahead} + 384]"
                "prefetcht1 [{panel} + {ahead} + 448]"
                "prefetcht1 [{panel} + {ahead} + 512]"
                "prefetcht1 [{panel} + {ahead} + 576]"
                "prefetcht1 [{panel} + {ahead} + 640]"
                "prefetcht1 [{panel} + {ahead} + 704]"
                "prefetcht1 [{panel} + {ahead} + 768]"
                "prefetcht1 [{panel} + {ahead} + 832]"
                "prefetcht1 [{panel} + {ahead} + 896]"
                "prefetcht1 [{panel} + {ahead} + 960]"
            )
        } else {
            column!($operands, $($tile)+,)
        }
    };
}

/// A macro-tile with the given product, of all four ways to begin.
macro_rules! macro_tile {
    ($operands:expr, $product:literal) => {{
        let [left, right] = $operands.sums;
        let further = ROWS * $operands.sums_stride;
        let sums = [left, right, left.wrapping_add(further), right.wrapping_add(further)];
        match ($operands.two, $operands.add) {
            (true, false) => two_by_two!(
                $operands,
                sums,
                $product,
                "tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"
            ),
            (true, true) => two_by_two!(
                $operands,
                sums,
                $product,
                "mov {at}, [{sums}]" "tileloadd tmm0, [{at} + {sums_stride}]"
                "mov {at}, [{sums} + 8]" "tileloadd tmm1, [{at} + {sums_stride}]"
                "mov {at}, [{sums} + 16]" "tileloadd tmm2, [{at} + {sums_stride}]"
                "mov {at}, [{sums} + 24]" "tileloadd tmm3, [{at} + {sums_stride}]"
            ),
            (false, false) => one_by_two!(
                $operands,
                sums,
                $product,
                "tilezero tmm0" "tilezero tmm1"
            ),
            (false, true) => one_by_two!(
                $operands,
                sums,
                $product,
                "mov {at}, [{sums}]" "tileloadd tmm0, [{at} + {sums_stride}]"
                "mov {at}, [{sums} + 8]" "tileloadd tmm1, [{at} + {sums_stride}]"
            ),
        }
    }};
}

/// A row's sums of strips, on vectors: the same additions in the same order, without the time that tiles take for
/// 15 rows that are not there. All panels in one block, because it takes denormal numbers for zero as tiles do, and
/// a change of modes waits for what is being read.
///
/// zmm0 are the sums, zmm1 the upper halves, zmm2 and zmm3 a tile's products at even and at odd columns.
macro_rules! row_of_strips {
    ($operands:expr, $($pair:literal)+) => {{
        let mut modes = [0_u32, FLUSHING];
        asm!(
            "stmxcsr dword ptr [{modes}]",
            "ldmxcsr dword ptr [{modes} + 4]",
            "vpbroadcastd zmm1, {upper:e}",
            "3:",
            "vmovups zmm0, zmmword ptr [{sums}]",
            "mov {input}, {first}",
            "mov {step}, {steps}",
            "2:",
            "vpxord zmm2, zmm2, zmm2",
            "vpxord zmm3, zmm3, zmm3",
            $(
                concat!("prefetcht1 [{panel} + {ahead} + 64 * ", $pair, "]"),
                concat!("vmovdqu64 zmm7, zmmword ptr [{panel} + 64 * ", $pair, "]"),
                concat!("vpslld zmm4, dword ptr [{input} + 4 * ", $pair, "]{{1to16}}, 16"),
                "vpslld zmm5, zmm7, 16",
                concat!("vpandd zmm6, zmm1, dword ptr [{input} + 4 * ", $pair, "]{{1to16}}"),
                "vpandd zmm7, zmm1, zmm7",
                "vfmadd231ps zmm2, zmm4, zmm5",
                "vfmadd231ps zmm3, zmm6, zmm7",
            )+
            "vaddps zmm2, zmm2, zmm3",
            "vaddps zmm0, zmm0, zmm2",
            "add {input}, {input_step}",
            "add {panel}, {tile}",
            "dec {step}",
            "jnz 2b",
            "vmovups zmmword ptr [{sums}], zmm0",
            "add {sums}, {line}",
            "add {panel}, {gap}",
            "dec {count}",
            "jnz 3b",
            "ldmxcsr dword ptr [{modes}]",
            modes = in(reg) modes.as_mut_ptr(),
            upper = in(reg) 0xffff_0000_u32,
            first = in(reg) $operands.input,
            input = out(reg) _,
            input_step = in(reg) $operands.input_step,
            panel = inout(reg) $operands.panels => _,
            steps = in(reg) $operands.steps,
            step = out(reg) _,
            gap = in(reg) $operands.gap,
            count = inout(reg) $operands.count => _,
            sums = inout(reg) $operands.sums => _,
            tile = const TILE,
            line = const ROW,
            ahead = const AHEAD,
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _,
            out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _,
            options(nostack),
        )
    }};
}

/// Rounding to nearest, no exceptions, denormal numbers zero on both sides: what tiles compute with.
const FLUSHING: u32 = 0x9fc0;

impl Tiles for Ready<'_> {
    #[inline]
    unsafe fn int8(self, operands: MacroTile) {
        if operands.steps == 0 || operands.runs == 0 {
            return;
        }
        // SAFETY: `with` has set the tiles up; the caller vouches for the operands.
        unsafe { macro_tile!(operands, "tdpbssd") }
    }

    #[inline]
    unsafe fn bf16(self, operands: MacroTile) {
        if operands.steps == 0 || operands.runs == 0 {
            return;
        }
        // SAFETY: as above.
        unsafe { macro_tile!(operands, "tdpbf16ps") }
    }

    #[inline]
    unsafe fn int8_column(self, operands: Column) {
        if operands.steps == 0 {
            return;
        }
        // SAFETY: as above; asking for a line is allowed wherever it is.
        unsafe {
            match operands.tiles {
                1 => any_column!(operands, (0)),
                2 => any_column!(operands, (0)(1)),
                3 => any_column!(operands, (0)(1)(2)),
                _ => any_column!(operands, (0)(1)(2)(3)),
            }
        }
    }

    #[inline]
    unsafe fn bf16_strip(self, operands: Strip) {
        if operands.steps == 0 {
            return;
        }
        // SAFETY: as above; asking for a line is allowed wherever it is.
        unsafe { any_strip!(operands, "tdpbf16ps") }
    }

    #[inline]
    unsafe fn bf16_row(self, operands: RowStrips) {
        if operands.steps == 0 || operands.count == 0 {
            return;
        }
        // SAFETY: a processor with AMX has AVX-512; the caller vouches for the operands; the modes are put back.
        unsafe { row_of_strips!(operands, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) }
    }
}
