//! How much of its speed a decode step keeps beside busy processes.
//!
//! `cargo run --release -p aurore-kernels --example contention [BUSY] [THREADS] [MILLISECONDS]`
//!
//! A step is 24 layers of 8 products of one row with a matrix of 4 MiB: 800 MB of weights, which no
//! cache holds. It runs alone and beside BUSY (1) processes that only count and end with it, in turn, and
//! prints steps per second, medians of five turns. It wants a machine that is otherwise idle.

#![expect(clippy::print_stdout, reason = "a program that measures")]

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurore_kernels::{Cpu, Format, Matrix, Source};

const LAYERS: usize = 24;
const PRODUCTS: usize = 8;
const ROWS: usize = 4096;
const COLUMNS: usize = 1024;
const TURNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "spin") {
        return spin();
    }
    let number = |at: usize, default: usize| {
        arguments
            .get(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (busy, threads, time) = (number(0, 1), number(1, 0), number(2, 2000));
    let time = Duration::from_millis(time as u64);

    let cpu = Cpu::new(None, threads);
    let weights: Vec<u8> = (0..ROWS * COLUMNS)
        .flat_map(|i| [0, 60 + (i % 7) as u8])
        .collect();
    let one = Matrix::pack(&cpu, COLUMNS, Format::Q8, &[Source::Bf16(&weights)]);
    let [elements, scales] = one.raw();
    let matrices: Vec<Matrix> = (0..LAYERS * PRODUCTS)
        .filter_map(|_| Matrix::from_raw(Format::Q8, ROWS, COLUMNS, elements, scales))
        .collect();
    println!(
        "an empty loop on {} threads: {:?}",
        cpu.pool.threads(),
        cpu.pool.dispatch_cost()
    );
    let (mut quiet, mut beside) = (Vec::new(), Vec::new());
    steps(&cpu, &matrices, Duration::from_millis(300));
    for _ in 0..TURNS {
        quiet.push(steps(&cpu, &matrices, time));
        let mut children: Vec<Child> = (0..busy).filter_map(|_| busy_process()).collect();
        std::thread::sleep(Duration::from_millis(100));
        beside.push(steps(&cpu, &matrices, time));
        for child in &mut children {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
    quiet.sort_by(f64::total_cmp);
    beside.sort_by(f64::total_cmp);
    let (alone, contended) = (quiet[TURNS / 2], beside[TURNS / 2]);
    println!(
        "{} threads: alone {alone:.1} steps/s ({:.1}..{:.1}), beside {busy} busy {contended:.1} ({:.1}..{:.1}): {:.0} %",
        cpu.pool.threads(),
        quiet[0],
        quiet[TURNS - 1],
        beside[0],
        beside[TURNS - 1],
        100.0 * contended / alone,
    );
}

/// Steps per second.
fn steps(cpu: &Cpu, matrices: &[Matrix], time: Duration) -> f64 {
    let input = vec![1.0_f32; COLUMNS];
    let mut out = vec![0.0_f32; ROWS];
    let start = Instant::now();
    let mut steps = 0;
    while start.elapsed() < time {
        for matrix in matrices {
            cpu.matmul(matrix, &input, &mut out);
        }
        steps += 1;
    }
    f64::from(steps) / start.elapsed().as_secs_f64()
}

/// A process that counts until this one closes its input or ends.
fn busy_process() -> Option<Child> {
    let program = std::env::current_exe().ok()?;
    Command::new(program)
        .arg("spin")
        .stdin(Stdio::piped())
        .spawn()
        .ok()
}

fn spin() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let start = Instant::now();
    while start.elapsed() < Duration::from_mins(1) {
        for i in 0..10_000_000_u64 {
            std::hint::black_box(i);
        }
    }
}
