use super::{Delta, DeltaKind, DeltaRun, GatedDelta};
use crate::Cpu;
use crate::testing::{assert_close, assert_same, cpus, noise};

const TAPS: usize = 4;
const EPS: f32 = 1e-6;

struct Case {
    sizes: Delta,
    taps: usize,
    stride: usize,
    projected: Vec<f32>,
    conv: Vec<f32>,
    decay: Vec<f32>,
    dt_bias: Vec<f32>,
    norm: Vec<f32>,
}

/// A sequence's memory of one layer.
#[derive(Clone, PartialEq)]
struct Memory {
    history: Vec<f32>,
    state: Vec<f32>,
    chunk: Vec<f32>,
    pending: usize,
    seen: usize,
}

impl Case {
    fn new(sizes: Delta, tokens: usize, taps: usize) -> Self {
        let heads = sizes.value_heads;
        let stride = sizes.channels() + heads * (sizes.value_dim + 2) + 3;
        Self {
            sizes,
            taps,
            stride,
            projected: noise(1, tokens * stride).iter().map(|x| 2.0 * x).collect(),
            conv: noise(2, taps * sizes.channels()),
            decay: noise(3, heads).iter().map(|x| -x.abs()).collect(),
            dt_bias: noise(4, heads),
            norm: noise(5, sizes.value_dim),
        }
    }

    fn layer(&self) -> GatedDelta<'_> {
        GatedDelta {
            sizes: self.sizes,
            taps: self.taps,
            conv: &self.conv,
            decay: &self.decay,
            dt_bias: &self.dt_bias,
            norm: &self.norm,
            eps: EPS,
            stride: self.stride,
        }
    }

    fn memory(&self) -> Memory {
        Memory {
            history: vec![0.0; (self.taps - 1) * self.sizes.channels()],
            state: vec![0.0; self.sizes.state_len()],
            chunk: vec![0.0; self.sizes.chunk_len()],
            pending: 0,
            seen: 0,
        }
    }

    fn width(&self) -> usize {
        self.sizes.value_heads * self.sizes.value_dim
    }

    /// The scalar twin, in f64: output and states of the recurrence of the module's first lines.
    fn twin(&self, tokens: usize) -> (Vec<f32>, Vec<f32>) {
        let Delta {
            key_heads,
            value_heads,
            key_dim,
            value_dim,
        } = self.sizes;
        let channels = self.sizes.channels();
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let input = |t: usize, i: usize| f64::from(self.projected[t * self.stride + i]);
        let mut state = vec![0.0_f64; value_heads * key_dim * value_dim];
        let mut out = Vec::new();
        for t in 0..tokens {
            let convolved: Vec<f64> = (0..channels)
                .map(|c| {
                    let tap = |i: usize| {
                        let row = (t + i + 1).checked_sub(self.taps);
                        row.map_or(0.0, |row| input(row, c) * f64::from(self.conv[i * channels + c]))
                    };
                    silu((0..self.taps).map(tap).sum())
                })
                .collect();
            for h in 0..value_heads {
                let key_head = h / (value_heads / key_heads);
                let unit = |at: usize| -> Vec<f64> {
                    let x = &convolved[at..at + key_dim];
                    let norm = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
                    x.iter().map(|x| x / norm).collect()
                };
                let (q, k) = (unit(key_head * key_dim), unit((key_heads + key_head) * key_dim));
                let v = &convolved[2 * key_heads * key_dim + h * value_dim..];
                let gates = channels + value_heads * value_dim;
                let beta = 1.0 / (1.0 + (-input(t, gates + h)).exp());
                let a = input(t, gates + value_heads + h) + f64::from(self.dt_bias[h]);
                let decay = (f64::from(self.decay[h]) * a.exp().ln_1p()).exp();
                let s = &mut state[h * key_dim * value_dim..][..key_dim * value_dim];
                let mut o = vec![0.0; value_dim];
                for c in 0..value_dim {
                    let seen: f64 = (0..key_dim).map(|r| decay * s[r * value_dim + c] * k[r]).sum();
                    let d = beta * (v[c] - seen);
                    for r in 0..key_dim {
                        s[r * value_dim + c] = decay * s[r * value_dim + c] + k[r] * d;
                        o[c] += s[r * value_dim + c] * q[r] / (key_dim as f64).sqrt();
                    }
                }
                let square = o.iter().map(|o| o * o).sum::<f64>() / value_dim as f64;
                let scale = 1.0 / (square + f64::from(EPS)).sqrt();
                for c in 0..value_dim {
                    let z = input(t, channels + h * value_dim + c);
                    out.push((o[c] * scale * f64::from(self.norm[c]) * silu(z)) as f32);
                }
            }
        }
        (out, state.into_iter().map(|x| x as f32).collect())
    }

    /// Feeds tokens up to `to` in one run.
    fn feed(&self, cpu: &Cpu, memory: &mut Memory, to: usize, step: bool) -> Vec<f32> {
        let from = memory.seen;
        let mut out = vec![f32::NAN; (to - from) * self.width()];
        let rows = &self.projected[from * self.stride..];
        let run = memory.run(0, to - from, step);
        cpu.gated_delta(&self.layer(), rows, [run], &mut out);
        out
    }

    /// Prefills up to `to` in pieces that end at `cuts`.
    fn prefill(&self, cpu: &Cpu, memory: &mut Memory, to: usize, cuts: &[usize]) -> Vec<f32> {
        let mut out = Vec::new();
        for &cut in cuts.iter().filter(|&&cut| cut < to).chain([&to]) {
            out.extend(self.feed(cpu, memory, cut, false));
        }
        out
    }

    /// S of all heads, an unfinished chunk folded in by a run of no tokens.
    fn recurrent(&self, cpu: &Cpu, memory: &Memory) -> Vec<f32> {
        let mut memory = memory.clone();
        cpu.gated_delta(&self.layer(), &[], [memory.settle()], &mut []);
        self.sizes.recurrent(&memory.state)
    }
}

impl Memory {
    fn run(&mut self, row: usize, tokens: usize, step: bool) -> DeltaRun<'_> {
        let start = self.seen;
        let kind = if step {
            DeltaKind::Step { start }
        } else {
            DeltaKind::Prefill { start }
        };
        self.of_kind(kind, row, tokens)
    }

    fn settle(&mut self) -> DeltaRun<'_> {
        self.of_kind(DeltaKind::Settle, 0, 0)
    }

    fn of_kind(&mut self, kind: DeltaKind, row: usize, tokens: usize) -> DeltaRun<'_> {
        let pending = self.pending;
        self.pending = DeltaRun::pending_after(kind, pending, tokens);
        self.seen += tokens;
        DeltaRun {
            row,
            tokens,
            kind,
            pending,
            history: &mut self.history,
            state: &mut self.state,
            chunk: &mut self.chunk,
        }
    }
}

fn deltas() -> [Delta; 5] {
    [
        (1, 1, 1, 1),
        (2, 4, 16, 8),
        (2, 2, 33, 65),
        (1, 2, 20, 48),
        (1, 3, 128, 128),
    ]
    .map(|(key_heads, value_heads, key_dim, value_dim)| Delta {
        key_heads,
        value_heads,
        key_dim,
        value_dim,
    })
}

#[test]
fn prefill_and_steps_equal_the_twin() {
    for cpu in cpus() {
        for (sizes, taps) in deltas().into_iter().zip([1, 4, 2, 4, 4]) {
            let tokens = 150;
            let case = Case::new(sizes, tokens, taps);
            let (expected, expected_state) = case.twin(tokens);
            let what = format!("{:?} {sizes:?}", cpu.isa);

            let mut memory = case.memory();
            let out = case.prefill(&cpu, &mut memory, tokens, &[]);
            assert_close(&out, &expected, 3e-5, &what);
            assert_close(&case.recurrent(&cpu, &memory), &expected_state, 1e-5, &what);

            let mut memory = case.memory();
            let mut out = Vec::new();
            for t in 0..tokens {
                out.extend(case.feed(&cpu, &mut memory, t + 1, true));
            }
            assert_close(&out, &expected, 3e-5, &what);
            assert_close(&case.recurrent(&cpu, &memory), &expected_state, 1e-5, &what);

            // Several steps in one run are the same as one after another.
            let mut again = case.memory();
            let together = case.feed(&cpu, &mut again, tokens, true);
            assert_same(&together, &out, "steps together");
            assert_same(&again.state, &memory.state, "steps together");
        }
    }
}

#[test]
fn pieces_and_threads_change_no_bit() {
    for sizes in deltas() {
        let tokens = 200;
        let case = Case::new(sizes, tokens, TAPS);
        for cpus in cpus().chunks(2) {
            let mut expected = None;
            for cpu in cpus {
                for cuts in [
                    vec![],
                    vec![1, 2, 3, 70, 71, 128, 130],
                    (1..200).collect(),
                    vec![15, 31, 63, 65, 127],
                ] {
                    let mut memory = case.memory();
                    let out = case.prefill(cpu, &mut memory, tokens, &cuts);
                    let found = (out, case.recurrent(cpu, &memory));
                    let expected = expected.get_or_insert_with(|| found.clone());
                    assert_same(&found.0, &expected.0, "out");
                    assert_same(&found.1, &expected.1, "state");
                }
            }
        }
    }
}

#[test]
fn company_changes_no_bit() {
    let sizes = deltas()[1];
    let tokens = 80;
    let case = Case::new(sizes, tokens, TAPS);
    for cpu in cpus() {
        // More sequences than go to the threads at once, half of them steps, each with other tokens.
        let mut memories = vec![case.memory(); 70];
        for (number, memory) in memories.iter_mut().enumerate() {
            case.prefill(&cpu, memory, number % 67, &[]);
        }
        let mut alone = memories.clone();
        let mut expected = Vec::new();
        let mut runs = Vec::new();
        let mut projected = Vec::new();
        let mut row = 0;
        for (number, (memory, alone)) in memories.iter_mut().zip(&mut alone).enumerate() {
            let (step, count) = (number % 2 == 0, if number % 2 == 0 { 1 } else { number % 5 });
            let from = memory.seen;
            projected.extend_from_slice(&case.projected[from * case.stride..(from + count) * case.stride]);
            expected.extend(case.feed(&cpu, alone, from + count, step));
            runs.push(memory.run(row, count, step));
            row += count;
        }
        let mut out = vec![f32::NAN; row * case.width()];
        cpu.gated_delta(&case.layer(), &projected, runs, &mut out);
        assert_same(&out, &expected, "out");
        assert!(memories == alone);
    }
}

#[test]
fn prefill_goes_on_from_a_stepped_state_and_aligned_runs_need_no_chunk() {
    let case = Case::new(deltas()[1], 192, TAPS);
    let (expected, _) = case.twin(192);
    for cpu in cpus() {
        let mut memory = case.memory();
        case.prefill(&cpu, &mut memory, 30, &[]);
        for t in 30..40 {
            case.feed(&cpu, &mut memory, t + 1, true);
        }
        let out = case.prefill(&cpu, &mut memory, 192, &[50, 128]);
        assert_close(&out, &expected[40 * case.width()..], 3e-5, "after steps");

        let mut memory = case.memory();
        memory.chunk = Vec::new();
        let out = case.prefill(&cpu, &mut memory, 192, &[64]);
        assert_close(&out, &expected, 3e-5, "no chunk");
    }
}

#[test]
fn a_step_needs_no_more_of_a_chunk_than_is_said() {
    let case = Case::new(deltas()[4], 70, TAPS);
    for cpu in cpus() {
        for prefilled in [0, 5, 30, 64] {
            let mut memory = case.memory();
            case.prefill(&cpu, &mut memory, prefilled, &[]);
            let mut other = memory.clone();
            let needed: Vec<Vec<f32>> = case
                .sizes
                .kept(&memory.chunk, memory.pending)
                .map(<[f32]>::to_vec)
                .collect();
            assert_eq!(needed.len(), case.sizes.value_heads);
            // The rest of it may be anything.
            let head = other.chunk.len() / needed.len();
            other.chunk.fill(f32::NAN);
            for (chunk, needed) in other.chunk.chunks_mut(head).zip(&needed) {
                chunk[..needed.len()].copy_from_slice(needed);
            }
            let expected = case.feed(&cpu, &mut memory, prefilled + 1, true);
            let found = case.feed(&cpu, &mut other, prefilled + 1, true);
            assert_same(&found, &expected, "step");
        }
    }
}
