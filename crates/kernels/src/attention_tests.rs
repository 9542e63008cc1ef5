use half::bf16;

use super::{Attention, HeadNorm, Heads, KvFormat, Rotation, Sees};
use crate::Cpu;
use crate::testing::{assert_close, assert_same, cpus, noise};

struct Case {
    attention: Attention,
    /// `[tokens, kv_heads, group, head_dim]`
    queries: Vec<f32>,
    /// `[tokens, kv_heads, head_dim]`
    keys: Vec<f32>,
    values: Vec<f32>,
    pages: Vec<Vec<f32>>,
}

impl Case {
    fn new(attention: Attention, tokens: usize) -> Self {
        let kv = attention.kv_heads * attention.head_dim;
        let scale = |x: f32| x * 8.0 / (attention.head_dim as f32).sqrt();
        let queries = noise(1, tokens * kv * attention.group)
            .into_iter()
            .map(scale)
            .collect();
        let (mut keys, mut values) = (noise(2, tokens * kv), noise(3, tokens * kv));
        let mut pages = vec![vec![0.0; attention.page_len()]; tokens.div_ceil(Attention::PAGE)];
        for t in 0..tokens {
            let (key, value) = (&keys[t * kv..(t + 1) * kv], &values[t * kv..(t + 1) * kv]);
            attention.write(&mut pages[t / Attention::PAGE], t % Attention::PAGE, key, value);
        }
        for x in [&mut keys, &mut values] {
            round(attention, x);
        }
        Self {
            attention,
            queries,
            keys,
            values,
            pages,
        }
    }

    /// The scalar twin of `tokens` tokens. `[tokens, kv_heads · group · head_dim]`
    fn twin(&self, tokens: usize, causal: bool) -> Vec<f32> {
        let seen = |t| if causal { t + 1 } else { tokens };
        (0..tokens).flat_map(|t| self.twin_of(t, seen(t))).collect()
    }

    /// The scalar twin of one token among the first `seen`, in f64.
    fn twin_of(&self, t: usize, seen: usize) -> Vec<f32> {
        let Attention {
            kv_heads,
            group,
            head_dim,
            ..
        } = self.attention;
        let mut out = Vec::new();
        for h in 0..kv_heads * group {
            let q = &self.queries[(t * kv_heads * group + h) * head_dim..][..head_dim];
            let row =
                |s: usize| (s * kv_heads + h / group) * head_dim..(s * kv_heads + h / group + 1) * head_dim;
            let mut total = 0.0;
            let mut sums = vec![0.0; head_dim];
            for s in 0..seen {
                let products = q.iter().zip(&self.keys[row(s)]);
                let score: f64 = products.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                let weight = score.exp();
                total += weight;
                for (sum, v) in sums.iter_mut().zip(&self.values[row(s)]) {
                    *sum += weight * f64::from(*v);
                }
            }
            out.extend(sums.iter().map(|sum| (sum / total) as f32));
        }
        out
    }

    /// The tokens at `places` as steps, each as if of a sequence of its own.
    fn step(&self, cpu: &Cpu, places: &[usize]) -> Vec<f32> {
        let Attention {
            kv_heads,
            group,
            head_dim,
            ..
        } = self.attention;
        let (rows, stride) = (places.len(), kv_heads * group * head_dim);
        let heads = Heads {
            stride,
            start: 0,
            head_stride: head_dim,
        };
        let tokens = places
            .iter()
            .flat_map(|t| &self.queries[t * stride..(t + 1) * stride]);
        let input: Vec<f32> = tokens.copied().collect();
        let mut queries = vec![f32::NAN; self.attention.queries_len(rows)];
        let mut attended = queries.clone();
        let mut pieces = vec![f32::NAN; self.attention.pieces_len(rows)];
        let width = self.attention.padded();
        cpu.prepare_heads(
            &input,
            heads,
            head_dim,
            group,
            None,
            None,
            1.0,
            width,
            rows,
            &mut queries,
        );
        cpu.attention_steps(
            self.attention,
            &queries,
            rows,
            |row| places[row],
            |_, page| &self.pages[page],
            &mut pieces,
            &mut attended,
        );
        let mut out = vec![f32::NAN; rows * stride];
        cpu.gather_heads(self.attention, &attended, None, &mut out);
        out
    }

    /// Tokens `from..to`, `[to - from, kv_heads · group · head_dim]`.
    fn attend(&self, cpu: &Cpu, from: usize, to: usize, sees: Sees) -> Vec<f32> {
        let Attention {
            kv_heads,
            group,
            head_dim,
            ..
        } = self.attention;
        let stride = kv_heads * group * head_dim;
        let heads = Heads {
            stride,
            start: 0,
            head_stride: head_dim,
        };
        let tokens = to - from;
        let mut queries = vec![f32::NAN; self.attention.queries_len(tokens)];
        let mut attended = queries.clone();
        let input = &self.queries[from * stride..to * stride];
        let width = self.attention.padded();
        cpu.prepare_heads(
            input,
            heads,
            head_dim,
            group,
            None,
            None,
            1.0,
            width,
            tokens,
            &mut queries,
        );
        cpu.attention(
            self.attention,
            &queries,
            tokens,
            from,
            sees,
            |page| &self.pages[page],
            &mut attended,
        );
        let mut out = vec![f32::NAN; tokens * stride];
        cpu.gather_heads(self.attention, &attended, None, &mut out);
        out
    }
}

/// What a format makes of keys or values, `[tokens, kv_heads, head_dim]`.
fn round(attention: Attention, x: &mut [f32]) {
    for head in x.chunks_exact_mut(attention.head_dim) {
        let scale = head.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / 127.0;
        for x in head {
            *x = match attention.format {
                KvFormat::F32 => *x,
                KvFormat::Bf16 => bf16::from_f32(*x).to_f32(),
                KvFormat::Int8 => (*x * (1.0 / scale)).round_ties_even() * scale,
            };
        }
    }
}

fn attentions() -> Vec<Attention> {
    let sizes = [(1, 1, 1), (2, 4, 16), (3, 1, 33), (1, 6, 64), (1, 70, 20)];
    let formats = [KvFormat::F32, KvFormat::Bf16, KvFormat::Int8];
    let with_format = |(kv_heads, group, head_dim)| {
        formats.map(|format| Attention {
            kv_heads,
            group,
            head_dim,
            format,
        })
    };
    sizes.into_iter().flat_map(with_format).collect()
}

/// As near as a result must be: scores of 16 products of which one side is off by up to 2⁻⁹, and such weights.
fn tolerance(cpu: &Cpu, attention: Attention) -> f32 {
    if attention.in_pairs(cpu) { 1.2e-2 } else { 5e-6 }
}

/// Every implementation, and those that could round queries and weights also without.
fn exact_too() -> Vec<Cpu> {
    let exact = cpus().into_iter().filter(Cpu::in_pairs).map(|mut cpu| {
        cpu.exact_inputs = true;
        cpu
    });
    exact.chain(cpus()).collect()
}

#[test]
fn attention_equals_the_twin() {
    for cpu in exact_too() {
        for attention in attentions().into_iter().filter(|attention| attention.group < 64) {
            for tokens in [1, 2, 63, 65, 130] {
                let case = Case::new(attention, tokens);
                let what = format!("{:?} {attention:?} {tokens}", cpu.isa);
                for causal in [true, false] {
                    let sees = if causal { Sees::Past } else { Sees::First(tokens) };
                    let found = case.attend(&cpu, 0, tokens, sees);
                    assert_close(
                        &found,
                        &case.twin(tokens, causal),
                        tolerance(&cpu, attention),
                        &what,
                    );
                }
            }
        }
    }
}

#[test]
fn a_megabyte_of_stack_is_enough() {
    // Whoever embeds the engine calls it on threads of its own.
    let run = || {
        for cpu in cpus() {
            for attention in attentions() {
                let case = Case::new(attention, 40);
                assert_eq!(case.attend(&cpu, 0, 40, Sees::Past).len(), case.queries.len());
            }
        }
    };
    let small = std::thread::Builder::new().stack_size(1 << 20);
    small.spawn(run).unwrap().join().unwrap();
}

#[test]
fn steps_equal_the_twin_in_any_company() {
    for attention in attentions().into_iter().skip(3) {
        let case = Case::new(attention, 1100);
        let places = [0, 1, 14, 15, 16, 63, 64, 255, 256, 700, 1099];
        let twin: Vec<f32> = places.iter().flat_map(|&t| case.twin_of(t, t + 1)).collect();
        for cpu in exact_too() {
            let alone: Vec<f32> = places.iter().flat_map(|&t| case.step(&cpu, &[t])).collect();
            let what = format!("{:?} {attention:?}", cpu.isa);
            assert_close(&alone, &twin, tolerance(&cpu, attention), &what);
            assert_same(&case.step(&cpu, &places), &alone, "together");
        }
    }
}

#[test]
fn what_is_not_finite_shows() {
    for cpu in cpus() {
        for attention in attentions()
            .into_iter()
            .filter(|attention| attention.head_dim == 16)
        {
            let mut case = Case::new(attention, 70);
            let kv = attention.kv_heads * attention.head_dim;
            let (keys, mut values) = (
                case.keys[66 * kv..67 * kv].to_vec(),
                case.values[66 * kv..67 * kv].to_vec(),
            );
            values[3] = f32::NAN;
            attention.write(&mut case.pages[1], 2, &keys, &values);
            let out = case.attend(&cpu, 0, 70, Sees::Past);
            let row = out.len() / 70;
            assert!(out[..64 * row].iter().all(|x| x.is_finite()));
            assert!(out[66 * row..67 * row].iter().any(|x| x.is_nan()));
        }
    }
}

#[test]
fn pieces_change_no_bit() {
    for cpu in cpus() {
        for attention in attentions().into_iter().filter(|attention| attention.group < 64) {
            let tokens = 140;
            let case = Case::new(attention, tokens);
            let whole = case.attend(&cpu, 0, tokens, Sees::Past);
            for cuts in [vec![1, 64, 65], vec![17, 130], (1..tokens).collect()] {
                let mut pieces = Vec::new();
                let mut from = 0;
                for to in cuts.into_iter().chain([tokens]) {
                    pieces.extend(case.attend(&cpu, from, to, Sees::Past));
                    from = to;
                }
                assert_same(&pieces, &whole, "pieces");
            }
        }
    }
}

#[test]
fn heads_are_normalised_rotated_scaled_and_gated() {
    for cpu in cpus() {
        let (tokens, head_dim, pairs) = (3, 20, 4);
        let attention = Attention {
            kv_heads: 2,
            group: 2,
            head_dim,
            format: KvFormat::F32,
        };
        let stride = 2 * 4 * head_dim + 5;
        let input = noise(1, tokens * stride);
        let weight = noise(2, head_dim);
        let (cos, sin) = (noise(3, tokens * pairs), noise(4, tokens * pairs));
        let heads = Heads {
            stride,
            start: 0,
            head_stride: 2 * head_dim,
        };
        let norm = HeadNorm {
            weight: &weight,
            eps: 1e-6,
        };
        let rotation = Rotation {
            pairs,
            cos: &cos,
            sin: &sin,
        };
        let width = attention.padded();
        let mut out = vec![f32::NAN; attention.queries_len(tokens)];
        cpu.prepare_heads(
            &input,
            heads,
            head_dim,
            2,
            Some(norm),
            Some(rotation),
            0.5,
            width,
            tokens,
            &mut out,
        );
        let mut expected = vec![0.0; out.len()];
        let mut gated = vec![0.0; tokens * 4 * head_dim];
        for t in 0..tokens {
            for h in 0..4 {
                let at = t * stride + h * 2 * head_dim;
                let x = &input[at..at + head_dim];
                let scale = 1.0 / (x.iter().map(|x| x * x).sum::<f32>() / head_dim as f32 + 1e-6).sqrt();
                let x: Vec<f32> = x.iter().zip(&weight).map(|(x, w)| x * scale * w).collect();
                let y = &mut expected[((h / 2 * tokens + t) * 2 + h % 2) * width..][..head_dim];
                for i in 0..head_dim {
                    let (c, s) = (cos[t * pairs + i % pairs], sin[t * pairs + i % pairs]);
                    y[i] = 0.5
                        * match i / pairs {
                            0 => x[i] * c - x[i + pairs] * s,
                            1 => x[i] * c + x[i - pairs] * s,
                            _ => x[i],
                        };
                    let gate = input[at + head_dim + i];
                    gated[(t * 4 + h) * head_dim + i] = y[i] / (1.0 + (-gate).exp());
                }
            }
        }
        assert_close(&out, &expected, 2e-6, "prepared");
        let mut found = vec![f32::NAN; gated.len()];
        let gates = Heads {
            start: head_dim,
            ..heads
        };
        cpu.gather_heads(attention, &out, Some((&input, gates)), &mut found);
        assert_close(&found, &gated, 2e-6, "gated");
    }
}
