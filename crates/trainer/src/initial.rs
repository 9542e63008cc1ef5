//! Random weights to begin a run with.

use crate::numbers::Numbers;
use crate::parameters::{Parameter, Parameters};

/// Fills all parameters for a short training run: matrices keep the size of what passes through them, those that end
/// in the residual stream add little to it at first, decays range from short memories to long ones.
pub fn initialise(parameters: &mut Parameters, layers: usize, seed: u64) {
    let residual = 1.0 / (2.0 * layers.max(1) as f32).sqrt();
    for (number, parameter) in parameters.list_mut().iter_mut().enumerate() {
        let mut numbers = Numbers::new(seed, number as u64);
        fill(parameter, residual, &mut numbers);
    }
}

/// Places of a square grid, `[rows * columns, width]`, as waves along both axes, from one over the whole side to four
/// places long: neighbours are alike, and where a place lies can be read off from the first step on.
fn waves(values: &mut [f32], width: usize) {
    const AMPLITUDE: f32 = 0.5;
    let side = (values.len() / width.max(1)).isqrt().max(1);
    let lengths = (width / 4).max(1);
    for (place, row) in values.chunks_mut(width).enumerate() {
        let at = [place / side, place % side].map(|index| (index as f32 + 0.5) / side as f32);
        for (number, value) in row.iter_mut().enumerate() {
            let (axis, cosine, length) = (number % 2, number / 2 % 2, number / 4);
            // Half a period over the side at first, so that no two places are alike.
            let periods = 0.5 * (side as f32 / 2.0).powf(length as f32 / lengths as f32);
            let angle = std::f32::consts::TAU * periods * at[axis];
            *value = AMPLITUDE * if cosine == 1 { angle.cos() } else { angle.sin() };
        }
    }
}

fn fill(parameter: &mut Parameter, residual: f32, numbers: &mut Numbers) {
    let (name, shape) = (parameter.name.as_str(), &parameter.shape);
    let visual = name.starts_with("model.visual.");
    let mut each = |make: &mut dyn FnMut(&mut Numbers) -> f32| {
        for value in &mut parameter.values {
            *value = make(numbers);
        }
    };
    if name.ends_with("embed_tokens.weight") {
        each(&mut |n| 0.05 * n.normal());
    } else if name.ends_with("pos_embed.weight") {
        let width = shape.last().copied().unwrap_or(1);
        waves(&mut parameter.values, width);
    } else if name.ends_with("dt_bias") {
        // softplus of it is a step of 0.001 to 0.1.
        each(&mut |n| {
            let step = (-6.9 + 4.6 * n.uniform()).exp();
            step + (-(-step).exp_m1()).ln()
        });
    } else if name.ends_with("A_log") {
        each(&mut |n| (1.0 + 15.0 * n.uniform()).ln());
    } else if name.ends_with("conv1d.weight") {
        each(&mut |n| n.uniform() - 0.5);
    } else if shape.len() > 1 {
        // Fused experts are [experts, out, in]; a patch counts all its axes.
        let inputs: usize = if name.contains("experts") {
            shape[shape.len() - 1]
        } else {
            shape[1..].iter().product()
        };
        let ends = ["out_proj", "o_proj", "down_proj"]
            .iter()
            .any(|end| name.contains(end));
        let share = match (ends, name.contains("patch_embed")) {
            (true, _) => residual,
            (_, true) => 0.7,
            _ => 1.0,
        };
        let deviation = share / (inputs as f32).sqrt();
        each(&mut |n| deviation * n.normal());
    } else {
        // Norms: plain ones begin at 1, zero-centred ones at 0, as do biases.
        let plain = name.ends_with("linear_attn.norm.weight") || visual && name.ends_with("weight");
        each(&mut |_| if plain { 1.0 } else { 0.0 });
    }
}
