use super::{Delta, DeltaInput};
use crate::Cpu;
use crate::testing::{assert_close, assert_same, cpus, noise};

struct Case {
    delta: Delta,
    qkv: Vec<f32>,
    g: Vec<f32>,
    beta: Vec<f32>,
}

impl Case {
    fn new(delta: Delta, tokens: usize) -> Self {
        let heads = tokens * delta.value_heads;
        Self {
            delta,
            qkv: noise(1, tokens * delta.qkv_len()),
            g: noise(2, heads)
                .into_iter()
                .map(|x| -(x + 1.0) * (x + 1.0))
                .collect(),
            beta: noise(3, heads).into_iter().map(f32::abs).collect(),
        }
    }

    fn input(&self, from: usize, to: usize) -> DeltaInput<'_> {
        let (token, heads) = (self.delta.qkv_len(), self.delta.value_heads);
        DeltaInput {
            qkv: &self.qkv[from * token..to * token],
            g: &self.g[from * heads..to * heads],
            beta: &self.beta[from * heads..to * heads],
        }
    }

    /// The scalar twin, in f64: the recurrence of the module's first lines.
    fn twin(&self, tokens: usize) -> (Vec<f32>, Vec<f32>) {
        let Delta {
            key_heads,
            value_heads,
            key_dim,
            value_dim,
        } = self.delta;
        let mut state = vec![0.0_f64; value_heads * key_dim * value_dim];
        let mut out = vec![0.0_f32; tokens * value_heads * value_dim];
        for t in 0..tokens {
            let token = &self.qkv[t * self.delta.qkv_len()..];
            for h in 0..value_heads {
                let key_head = h / (value_heads / key_heads);
                let unit = |at: usize| -> Vec<f64> {
                    let x: Vec<f64> = token[at..at + key_dim].iter().map(|&x| f64::from(x)).collect();
                    let norm = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
                    x.iter().map(|x| x / norm).collect()
                };
                let (q, k) = (unit(key_head * key_dim), unit((key_heads + key_head) * key_dim));
                let v = &token[2 * key_heads * key_dim + h * value_dim..];
                let s = &mut state[h * key_dim * value_dim..][..key_dim * value_dim];
                let decay = f64::from(self.g[t * value_heads + h]).exp();
                let beta = f64::from(self.beta[t * value_heads + h]);
                for c in 0..value_dim {
                    let seen: f64 = (0..key_dim).map(|r| decay * s[r * value_dim + c] * k[r]).sum();
                    let d = beta * (f64::from(v[c]) - seen);
                    let mut o = 0.0;
                    for r in 0..key_dim {
                        s[r * value_dim + c] = decay * s[r * value_dim + c] + k[r] * d;
                        o += s[r * value_dim + c] * q[r];
                    }
                    out[(t * value_heads + h) * value_dim + c] = (o / (key_dim as f64).sqrt()) as f32;
                }
            }
        }
        (out, state.into_iter().map(|x| x as f32).collect())
    }

    /// Prefills tokens `from..to` in pieces that end at `cuts`, chunks ending at multiples of 64.
    fn prefill(
        &self,
        cpu: &Cpu,
        state: &mut [f32],
        from: usize,
        to: usize,
        cuts: &[usize],
    ) -> (Vec<f32>, usize) {
        let token = self.delta.value_heads * self.delta.value_dim;
        let mut out = vec![f32::NAN; (to - from) * token];
        let (mut at, mut pending) = (from, 0);
        while at < to {
            let chunk_end = (at / Delta::CHUNK + 1) * Delta::CHUNK;
            let end = cuts
                .iter()
                .copied()
                .filter(|&cut| cut > at)
                .min()
                .unwrap_or(to)
                .min(chunk_end)
                .min(to);
            let piece = &mut out[(at - from) * token..(end - from) * token];
            cpu.delta_prefill(
                self.delta,
                state,
                pending,
                end == chunk_end,
                self.input(at, end),
                piece,
            );
            pending = if end == chunk_end { 0 } else { pending + end - at };
            at = end;
        }
        (out, pending)
    }
}

fn deltas() -> [Delta; 4] {
    [(1, 1, 1, 1), (2, 4, 16, 8), (2, 2, 33, 65), (1, 3, 128, 128)].map(
        |(key_heads, value_heads, key_dim, value_dim)| Delta {
            key_heads,
            value_heads,
            key_dim,
            value_dim,
        },
    )
}

#[test]
fn prefill_and_steps_equal_the_twin() {
    for cpu in cpus() {
        for delta in deltas() {
            let tokens = 150;
            let case = Case::new(delta, tokens);
            let (expected, expected_state) = case.twin(tokens);
            let what = format!("{:?} {delta:?}", cpu.isa);

            let mut state = vec![0.0; delta.state_len()];
            let (out, pending) = case.prefill(&cpu, &mut state, 0, tokens, &[]);
            assert_close(&out, &expected, 1e-5, &what);
            cpu.delta_fold(delta, &mut state, pending);
            assert_close(&delta.recurrent(&state), &expected_state, 1e-5, &what);

            let mut state = vec![0.0; delta.state_len()];
            let token = delta.value_heads * delta.value_dim;
            let mut out = vec![f32::NAN; tokens * token];
            for (t, out) in out.chunks_mut(token).enumerate() {
                cpu.delta_step(delta, &mut state, case.input(t, t + 1), out);
            }
            assert_close(&out, &expected, 1e-5, &what);
            assert_close(&delta.recurrent(&state), &expected_state, 1e-5, &what);
        }
    }
}

#[test]
fn pieces_and_threads_change_no_bit() {
    for delta in deltas() {
        let tokens = 200;
        let case = Case::new(delta, tokens);
        for cpus in cpus().chunks(2) {
            let mut expected = None;
            for cpu in cpus {
                for cuts in [
                    vec![],
                    vec![1, 2, 3, 70, 71, 128, 130],
                    (0..200).collect(),
                    vec![15, 31, 63, 65, 127],
                ] {
                    let mut state = vec![0.0; delta.state_len()];
                    let (out, pending) = case.prefill(cpu, &mut state, 0, tokens, &cuts);
                    cpu.delta_fold(delta, &mut state, pending);
                    let found = (out, delta.recurrent(&state));
                    let expected = expected.get_or_insert_with(|| found.clone());
                    assert_same(&found.0, &expected.0, "out");
                    assert_same(&found.1, &expected.1, "state");
                }
            }
        }
    }
}

#[test]
fn prefill_goes_on_from_a_stepped_state() {
    let delta = deltas()[1];
    let case = Case::new(delta, 150);
    let (expected, _) = case.twin(150);
    for cpu in cpus() {
        let mut state = vec![0.0; delta.state_len()];
        let (_, pending) = case.prefill(&cpu, &mut state, 0, 30, &[]);
        cpu.delta_fold(delta, &mut state, pending);
        let token = delta.value_heads * delta.value_dim;
        let mut out = vec![0.0; token];
        for t in 30..40 {
            cpu.delta_step(delta, &mut state, case.input(t, t + 1), &mut out);
        }
        let (out, _) = case.prefill(&cpu, &mut state, 40, 150, &[50]);
        assert_close(&out, &expected[40 * token..], 1e-5, "after steps");
    }
}
