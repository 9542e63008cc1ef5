//! Rates of matrix products: `products [rows] [n] [k] [threads]`.
#![allow(missing_docs, clippy::print_stdout)]
use aurore_kernels::{Cpu, Format, Matrix, Source};
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).filter_map(|x| x.parse().ok()).collect();
    let (rows, n, k, threads) = (a[0], a[1], a[2], a.get(3).copied().unwrap_or(1));
    let cpu = Cpu::new(None, threads);
    let bytes: Vec<u8> = (0..n * k)
        .flat_map(|i| (((i * 7919) % 1000) as f32 / 1000.0 - 0.5).to_le_bytes())
        .collect();
    let x: Vec<f32> = (0..rows * k)
        .map(|i| ((i * 31) % 997) as f32 / 500.0 - 1.0)
        .collect();
    let mut out = vec![0.0; rows * n];
    println!("{:?}", cpu.limits());
    for format in [Format::Q4, Format::Q8, Format::Bf16] {
        let m = Matrix::pack(&cpu, k, format, &[Source::F32(&bytes)]);
        let mut best = f64::MAX;
        let reps = (2_000_000_000usize / (rows * n * k)).clamp(3, 200);
        for _ in 0..reps {
            let t = std::time::Instant::now();
            cpu.matmul(&m, &x, &mut out);
            best = best.min(t.elapsed().as_secs_f64());
        }
        println!(
            "{format:?} {rows}x{n}x{k}: {:.1} GMAC/s, {:.1} GB/s, {:.3} ms",
            (rows * n * k) as f64 / best / 1e9,
            m.bytes() as f64 / best / 1e9,
            best * 1e3
        );
    }
}
