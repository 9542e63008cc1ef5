//! `aurore bench kernels`: each matrix product's rate beside what this machine could do at best.

use std::process::ExitCode;
use std::time::Instant;

use aurore_kernels::{Cpu, Format, Isa, Limits, Matrix, Source};
use serde_json::json;

use crate::global::Global;

/// Options of `aurore bench kernels`.
#[derive(clap::Args)]
pub struct Args {
    /// Fail when the instruction set that would be used is not the fastest one here.
    #[arg(long)]
    assert: bool,
    /// Threads that compute; 0 for one per processor.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// How often each is timed; the fastest counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
}

/// Inputs of the matrices.
const COLUMNS: usize = 4096;
/// Outputs when one row is multiplied: more weights than caches hold.
const TALL: usize = 16384;
/// Outputs when more are.
const SHORT: usize = 2048;
const ROWS: [usize; 3] = [1, 16, 512];
const FORMATS: [(Format, &str); 4] = [
    (Format::Bf16, "bf16"),
    (Format::F32, "f32"),
    (Format::Q8, "q8"),
    (Format::Q4, "q4"),
];
/// How much slower than the fastest the chosen one may be. Where memory is the limit all instruction
/// sets are equal, and their order is that of chance; the best of several runs then still varies by
/// some ten per cent on a machine with other work. A wrong choice costs a third and more.
const TOLERANCE: f64 = 1.2;

/// One product with one instruction set.
struct Measured {
    isa: Isa,
    seconds: f64,
    operations: f64,
    bytes: f64,
}

/// Runs the command.
pub(super) fn run(args: &Args, global: &Global) -> ExitCode {
    let cpus: Vec<Cpu> = Isa::available()
        .into_iter()
        .map(|isa| Cpu::new(Some(isa), args.threads))
        .collect();
    let limits: Vec<Limits> = cpus.iter().map(Cpu::limits).collect();
    if !global.json {
        for (cpu, limits) in cpus.iter().zip(&limits) {
            let tiles = limits
                .tile_operations_per_second
                .map_or(String::new(), |rate| format!(", {:.0} on tiles", rate / 1e9));
            println!(
                "{:9} {:.1} GB/s read, {:.0} GFLOP/s f32, {:.0} GOP/s int8{tiles}",
                cpu.isa.name(),
                limits.read_bytes_per_second / 1e9,
                limits.operations_per_second / 1e9,
                limits.int8_operations_per_second / 1e9,
            );
        }
        println!(
            "\n{:6} {:>5} {:9} {:>9} {:>10} {:>11} {:>12}",
            "format", "rows", "set", "ms", "GOP/s", "bandwidth", "arithmetic"
        );
    }
    let Some(packer) = cpus.first() else {
        return ExitCode::SUCCESS;
    };
    let weights: Vec<u8> = (0..TALL * COLUMNS)
        .flat_map(|i| {
            let spread = (i as u32).wrapping_mul(0x9e37_79b9) >> 16;
            (spread as f32 / 32768.0 - 1.0).to_le_bytes()
        })
        .collect();
    let mut wrong = Vec::new();
    for (format, name) in FORMATS {
        for rows in ROWS {
            let outputs = if rows == 1 { TALL } else { SHORT };
            let part = &weights[..outputs * COLUMNS * 4];
            let matrix = Matrix::pack(packer, COLUMNS, format, &[Source::F32(part)]);
            let mut measured = Vec::new();
            for (cpu, limits) in cpus.iter().zip(&limits) {
                let found = measure(cpu, &matrix, rows, args.repeat);
                print(&found, limits, name, rows, global);
                measured.push(found);
                if global.is_interrupted() {
                    return ExitCode::FAILURE;
                }
            }
            let fastest = measured.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
            if let (Some(chosen), Some(fastest)) = (measured.first(), fastest)
                && chosen.seconds > fastest.seconds * TOLERANCE
            {
                wrong.push(format!(
                    "{name}, {rows} rows: {} takes {:.2} times as long as {}",
                    chosen.isa.name(),
                    chosen.seconds / fastest.seconds,
                    fastest.isa.name()
                ));
            }
        }
    }
    for line in &wrong {
        eprintln!("not the fastest: {line}");
    }
    if args.assert && !wrong.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn measure(cpu: &Cpu, matrix: &Matrix, rows: usize, repeat: u32) -> Measured {
    let input: Vec<f32> = (0..rows * COLUMNS).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect();
    let mut out = vec![0.0; rows * matrix.rows()];
    let mut seconds = f64::INFINITY;
    for _ in 0..=repeat {
        let start = Instant::now();
        cpu.matmul(matrix, &input, &mut out);
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    Measured {
        isa: cpu.isa,
        seconds,
        operations: 2.0 * (rows * COLUMNS * matrix.rows()) as f64,
        bytes: matrix.bytes() as f64,
    }
}

fn print(measured: &Measured, limits: &Limits, format: &str, rows: usize, global: &Global) {
    let limit = match format {
        "q8" | "q4" if rows > 1 => limits
            .tile_operations_per_second
            .unwrap_or(limits.int8_operations_per_second),
        "q8" | "q4" => limits.int8_operations_per_second,
        _ => limits.operations_per_second,
    };
    let rate = measured.operations / measured.seconds;
    let bandwidth = measured.bytes / measured.seconds / limits.read_bytes_per_second;
    if global.json {
        let line = json!({
            "format": format,
            "rows": rows,
            "isa": measured.isa.name(),
            "seconds": measured.seconds,
            "operations_per_second": rate.round(),
            "bandwidth_share": bandwidth,
            "arithmetic_share": rate / limit,
        });
        println!("{line}");
        return;
    }
    println!(
        "{format:6} {rows:>5} {:9} {:>9.3} {:>10.1} {:>10.0}% {:>11.0}%",
        measured.isa.name(),
        measured.seconds * 1e3,
        rate / 1e9,
        bandwidth * 100.0,
        rate / limit * 100.0,
    );
}
