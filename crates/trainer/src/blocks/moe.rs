//! Sparse experts beside a shared one: a token goes to the k of E experts that the router finds likeliest, weighted by
//! their probabilities among themselves; what the shared expert says is opened by a gate.
//!
//! Tokens stand in the order of their experts, so that each expert is one product. The weight of a choice multiplies
//! the inner activations: what leaves `down` is then only to be added up.

use crate::Buffer;
use crate::blocks::balance::Usage;
use crate::blocks::swiglu::{self, SwiGlu};
use crate::ops::functions::{PARTS, dot, exp, greatest, sigmoid, silu, total};
use crate::ops::vectorised;
use crate::pass::Pass;
use crate::weights::{Matrix, Weights};

/// Router, experts and shared expert of one layer.
#[derive(Clone, Debug)]
pub(crate) struct Moe {
    /// `[E, H]`
    router: Matrix,
    /// `[2I, H]` each: gate, then up.
    gate_up: Vec<Matrix>,
    /// `[H, I]` each
    down: Vec<Matrix>,
    shared: SwiGlu,
    /// `[1, H]`
    shared_gate: Matrix,
    top_k: usize,
}

/// What `backward` needs beside the input. R = T·k: one row per choice, in the order of experts.
pub(crate) struct Saved {
    /// `[T, E]`
    probabilities: Buffer,
    choices: Choices,
    /// Inputs. `[R, H]`
    x: Buffer,
    /// `[R, 2I]`
    gate_up: Buffer,
    /// Weighted. `[R, I]`
    inner: Buffer,
    shared: swiglu::Saved,
    /// What the shared expert said. `[T, H]`
    said: Buffer,
    /// How far it was opened. `[T]`
    open: Buffer,
}

/// Which experts the tokens chose.
struct Choices {
    /// Per choice, in the order of experts, its token.
    tokens: Vec<u32>,
    /// Per choice, in the order of experts, its number among the token's choices counted over all tokens, `t·k + i`.
    places: Vec<u32>,
    /// Where each expert's rows begin, and the end. `[E + 1]`
    starts: Vec<usize>,
    /// Expert and weight of choice `t·k + i`. `[T·k]`
    experts: Vec<u32>,
    weights: Vec<f32>,
    /// Sum of the chosen probabilities. `[T]`
    sums: Vec<f32>,
}

impl Moe {
    pub(crate) fn new(
        weights: &mut Weights,
        prefix: &str,
        hidden: usize,
        experts: usize,
        top_k: usize,
        inner: [usize; 2],
    ) -> Self {
        let [inner, shared] = inner;
        let names = ["experts.gate_up_proj", "experts.down_proj"].map(|name| format!("{prefix}.{name}"));
        Self {
            router: weights.exact_matrix(&format!("{prefix}.gate.weight"), experts, hidden),
            gate_up: (0..experts)
                .map(|index| weights.expert(&names[0], index, 2 * inner, hidden))
                .collect(),
            down: (0..experts)
                .map(|index| weights.expert(&names[1], index, hidden, inner))
                .collect(),
            shared: SwiGlu::new(weights, &format!("{prefix}.shared_expert"), hidden, shared),
            shared_gate: weights.exact_matrix(&format!("{prefix}.shared_expert_gate.weight"), 1, hidden),
            top_k: top_k.min(experts),
        }
    }

    /// `x`: `[T, H]`; adds to `y`, `[T, H]`.
    pub(crate) fn forward(&self, pass: &mut Pass<'_>, x: &[f32], y: &mut [f32]) -> (Saved, Usage) {
        let isa = pass.isa();
        let (hidden, experts) = (self.router.inputs(), self.gate_up.len());
        let mut probabilities = pass.linear(self.router, x);
        softmax(isa, &mut probabilities, experts);
        let (choices, usage) = choose(&probabilities, experts, self.top_k);

        let mut gathered = pass.take(choices.tokens.len() * hidden);
        gather(&choices.tokens, x, hidden, &mut gathered);
        let width = self.down[0].inputs();
        let mut gate_up = pass.take(choices.tokens.len() * 2 * width);
        let mut inner = pass.take(choices.tokens.len() * width);
        let mut out = pass.take(gathered.len());
        for expert in 0..experts {
            let (start, end) = (choices.starts[expert], choices.starts[expert + 1]);
            if start == end {
                continue;
            }
            let own = &mut gate_up[start * 2 * width..end * 2 * width];
            pass.forward(
                self.gate_up[expert],
                &gathered[start * hidden..end * hidden],
                own,
                false,
            );
        }
        weighted(
            isa,
            &gate_up,
            width,
            &choices.places,
            &choices.weights,
            &mut inner,
        );
        for expert in 0..experts {
            let (start, end) = (choices.starts[expert], choices.starts[expert + 1]);
            if start == end {
                continue;
            }
            let own = &mut out[start * hidden..end * hidden];
            pass.forward(self.down[expert], &inner[start * width..end * width], own, false);
        }
        scatter(isa, &choices.tokens, &out, hidden, y);
        drop(out);

        let mut said = pass.take(x.len());
        let shared = self.shared.forward(pass, x, &mut said, false);
        let mut open = pass.linear(self.shared_gate, x);
        open_gate(isa, &mut open, &said, y);
        let saved = Saved {
            probabilities,
            choices,
            x: gathered,
            gate_up,
            inner,
            shared,
            said,
            open,
        };
        (saved, usage)
    }

    /// `balance`: gradient with respect to every token's probability of each expert, `[E]`. Adds to `dx`.
    pub(crate) fn backward(
        &self,
        pass: &mut Pass<'_>,
        x: &[f32],
        saved: Saved,
        balance: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) {
        let isa = pass.isa();
        let (hidden, experts) = (self.router.inputs(), self.gate_up.len());
        let Saved {
            mut probabilities,
            choices,
            x: gathered,
            mut gate_up,
            inner,
            shared,
            mut said,
            mut open,
        } = saved;

        open_gate_back(isa, &mut open, &mut said, dy);
        self.shared.backward(pass, x, shared, &said, dx);
        pass.backward(self.shared_gate, x, &open, dx, true);

        let width = self.down[0].inputs();
        let mut dout = pass.take(gathered.len());
        gather(&choices.tokens, dy, hidden, &mut dout);
        let mut dinner = pass.take(inner.len());
        for expert in 0..experts {
            let (start, end) = (choices.starts[expert], choices.starts[expert + 1]);
            if start == end {
                continue;
            }
            let own = start * width..end * width;
            let dout = &dout[start * hidden..end * hidden];
            pass.backward(
                self.down[expert],
                &inner[own.clone()],
                dout,
                &mut dinner[own],
                false,
            );
        }
        let mut dweights = pass.take(choices.weights.len());
        weighted_back(
            isa,
            &mut gate_up,
            width,
            &choices.places,
            &choices.weights,
            &dinner,
            &mut dweights,
        );
        for expert in 0..experts {
            let (start, end) = (choices.starts[expert], choices.starts[expert + 1]);
            if start == end {
                continue;
            }
            let rows = start * hidden..end * hidden;
            let dgate_up = &gate_up[start * 2 * width..end * 2 * width];
            // What left `down` is used up: its gradient gives way to the inputs'.
            pass.backward(
                self.gate_up[expert],
                &gathered[rows.clone()],
                dgate_up,
                &mut dout[rows],
                false,
            );
        }
        scatter(isa, &choices.tokens, &dout, hidden, dx);

        choices.back(&mut probabilities, experts, self.top_k, balance, &dweights);
        pass.backward(self.router, x, &probabilities, dx, true);
    }
}

/// The `top_k` likeliest experts of every token; of equal ones the lower number.
fn choose(probabilities: &[f32], experts: usize, top_k: usize) -> (Choices, Usage) {
    let tokens = probabilities.len() / experts;
    let mut usage = Usage {
        rows: tokens,
        choices: vec![0.0; experts],
        probabilities: vec![0.0; experts],
    };
    let mut chosen = Vec::with_capacity(tokens * top_k);
    let mut weights = Vec::with_capacity(tokens * top_k);
    let mut sums = Vec::with_capacity(tokens);
    for row in probabilities.chunks_exact(experts) {
        for (sum, probability) in usage.probabilities.iter_mut().zip(row) {
            *sum += probability;
        }
        let first = chosen.len();
        for _ in 0..top_k {
            let mut best: Option<usize> = None;
            for (expert, probability) in row.iter().enumerate() {
                let free = !chosen[first..].contains(&(expert as u32));
                if free && best.is_none_or(|best| *probability > row[best]) {
                    best = Some(expert);
                }
            }
            let best = best.unwrap_or(0);
            chosen.push(best as u32);
            usage.choices[best] += 1.0;
        }
        let sum: f32 = chosen[first..].iter().map(|expert| row[*expert as usize]).sum();
        weights.extend(chosen[first..].iter().map(|expert| row[*expert as usize] / sum));
        sums.push(sum);
    }
    let mut starts = vec![0; experts + 1];
    for (expert, count) in usage.choices.iter().enumerate() {
        starts[expert + 1] = starts[expert] + *count as usize;
    }
    let mut next = starts.clone();
    let (mut order, mut places) = (vec![0; chosen.len()], vec![0; chosen.len()]);
    for (place, expert) in chosen.iter().enumerate() {
        let row = &mut next[*expert as usize];
        order[*row] = (place / top_k) as u32;
        places[*row] = place as u32;
        *row += 1;
    }
    let choices = Choices {
        tokens: order,
        places,
        starts,
        experts: chosen,
        weights,
        sums,
    };
    (choices, usage)
}

impl Choices {
    /// Turns probabilities into gradients of the router's logits. With weights `w = p/Σp` over the chosen:
    /// `dp = (dw − Σ dw·w)/Σp`, and through the softmax `dl = p·(dp − Σ dp·p)`.
    fn back(
        &self,
        probabilities: &mut [f32],
        experts: usize,
        top_k: usize,
        balance: &[f32],
        dweights: &[f32],
    ) {
        let mut slopes = vec![0.0; experts];
        for (token, row) in probabilities.chunks_exact_mut(experts).enumerate() {
            slopes.copy_from_slice(balance);
            let own = token * top_k..(token + 1) * top_k;
            let (weights, dweights) = (&self.weights[own.clone()], &dweights[own.clone()]);
            let mean: f32 = weights.iter().zip(dweights).map(|(w, dw)| w * dw).sum();
            for (expert, dw) in self.experts[own].iter().zip(dweights) {
                slopes[*expert as usize] += (dw - mean) / self.sums[token];
            }
            let mean = dot(&slopes, row);
            for (p, slope) in row.iter_mut().zip(&slopes) {
                *p *= slope - mean;
            }
        }
    }
}

/// Copies the rows of `tokens`.
fn gather(tokens: &[u32], x: &[f32], width: usize, out: &mut [f32]) {
    for (token, to) in tokens.iter().zip(out.chunks_exact_mut(width)) {
        to.copy_from_slice(&x[*token as usize * width..][..width]);
    }
}

vectorised! {
    /// Adds each row to that of its token.
    fn scatter(tokens: &'a [u32], from: &'a [f32], width: usize, out: &'a mut [f32]) {
        for (token, row) in tokens.iter().zip(from.chunks_exact(width)) {
            for (out, x) in out[*token as usize * width..][..width].iter_mut().zip(row) {
                *out += x;
            }
        }
    }

    /// Rows of logits become probabilities.
    fn softmax(logits: &'a mut [f32], width: usize) {
        for row in logits.chunks_exact_mut(width) {
            let most = greatest(row);
            for x in row.iter_mut() {
                *x = exp(*x - most);
            }
            let share = 1.0 / total(row);
            for x in row.iter_mut() {
                *x *= share;
            }
        }
    }

    /// `inner = w · silu(gate) ⊙ up`, gate and up in one row.
    fn weighted(
        gate_up: &'a [f32],
        width: usize,
        places: &'a [u32],
        weights: &'a [f32],
        inner: &'a mut [f32],
    ) {
        let rows = gate_up.chunks_exact(2 * width).zip(inner.chunks_exact_mut(width));
        for ((row, inner), place) in rows.zip(places) {
            let weight = weights[*place as usize];
            let (gate, up) = row.split_at(width);
            for ((inner, gate), up) in inner.iter_mut().zip(gate).zip(up) {
                *inner = weight * silu(*gate) * up;
            }
        }
    }

    /// Gradients of [`weighted`]: those of gate and up take their places, those of the weights go to `dweights`.
    fn weighted_back(
        gate_up: &'a mut [f32],
        width: usize,
        places: &'a [u32],
        weights: &'a [f32],
        dinner: &'a [f32],
        dweights: &'a mut [f32],
    ) {
        let rows = gate_up.chunks_exact_mut(2 * width).zip(dinner.chunks_exact(width));
        for ((row, dinner), place) in rows.zip(places) {
            let weight = weights[*place as usize];
            let (gate, up) = row.split_at_mut(width);
            // The weight's gradient is summed from what each number adds, made beside the others.
            let mut sum = 0.0;
            let mut parts = [0.0f32; PARTS];
            for ((gate, up), dinner) in gate.chunks_mut(PARTS).zip(up.chunks_mut(PARTS)).zip(dinner.chunks(PARTS)) {
                for (((gate, up), dinner), part) in gate.iter_mut().zip(&mut *up).zip(dinner).zip(&mut parts) {
                    let (g, u) = (*gate, *up);
                    let s = sigmoid(g);
                    let open = g * s;
                    *part = dinner * open * u;
                    *gate = weight * dinner * u * (s + open * (1.0 - s));
                    *up = weight * dinner * open;
                }
                sum += total(&parts[..up.len()]);
            }
            dweights[*place as usize] = sum;
        }
    }

    /// `open = sigmoid(open)`, `y += open · said`
    fn open_gate(open: &'a mut [f32], said: &'a [f32], y: &'a mut [f32]) {
        let width = said.len() / open.len().max(1);
        let rows = said.chunks_exact(width.max(1)).zip(y.chunks_exact_mut(width.max(1)));
        for (open, (said, y)) in open.iter_mut().zip(rows) {
            *open = sigmoid(*open);
            for (y, said) in y.iter_mut().zip(said) {
                *y += *open * said;
            }
        }
    }

    /// `open` becomes the gradient of the gate's logit, `said` its own.
    fn open_gate_back(open: &'a mut [f32], said: &'a mut [f32], dy: &'a [f32]) {
        let width = said.len() / open.len().max(1);
        let rows = said.chunks_exact_mut(width.max(1)).zip(dy.chunks_exact(width.max(1)));
        for (open, (said, dy)) in open.iter_mut().zip(rows) {
            let share = *open;
            *open = dot(said, dy) * share * (1.0 - share);
            for (said, dy) in said.iter_mut().zip(dy) {
                *said = share * dy;
            }
        }
    }
}
