//! Every block's gradients against finite differences.
//!
//! Of `L = Σ c·y` with random c: along a random direction of the input, and of each parameter, the central difference
//! of L is compared with the gradient's product with that direction.

use std::ops::Range;

use aurore_checkpoint::{Config, RandomWeights};
use aurore_kernels::{Isa, Pool, Precision, Products};
use aurore_model::ImagePatches;

use crate::Buffers;
use crate::blocks::attention::Attention;
use crate::blocks::convolution::Convolution;
use crate::blocks::deltanet::DeltaNet;
use crate::blocks::embedding::Embedding;
use crate::blocks::gated_norm::GatedNorm;
use crate::blocks::head::Head;
use crate::blocks::layer_norm::LayerNorm;
use crate::blocks::moe::Moe;
use crate::blocks::rms_norm::RmsNorm;
use crate::blocks::rotary::Angles;
use crate::blocks::softmax_attention::Looks;
use crate::blocks::swiglu::SwiGlu;
use crate::blocks::vision::Tower;
use crate::parameters::{Gradients, Parameters};
use crate::pass::Pass;
use crate::stream::{Look, Target};
use crate::weights::Weights;

const CONFIG: &str = include_str!("../../../../reference/gradients/moe/config.json");
const HIDDEN: usize = 32;
/// Two documents, the second of which has two chunks.
const DOCUMENTS: [Range<usize>; 2] = [0..5, 5..75];
const TOKENS: usize = 75;

fn config() -> Config {
    Config::from_json(CONFIG, "config.json").unwrap()
}

fn weights() -> Weights {
    let config = config();
    let parameters = Parameters::load(&RandomWeights::new(&config, 3), &config).unwrap();
    Weights::new(parameters, Isa::best(), Precision::Exact)
}

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn along(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn with_pass<T>(weights: &Weights, run: impl FnOnce(&mut Pass<'_>) -> T) -> (T, Gradients) {
    let mut gradients = Gradients::zeros(weights.parameters());
    let mut products = Products::new(Isa::best(), Precision::Exact);
    let mut pass = Pass::new(weights, &mut gradients, &mut products, Buffers::default());
    let result = run(&mut pass);
    (result, gradients)
}

/// `forward` gives y; `backward` gets `x` and `dy` and gives `dx`.
fn check(
    name: &str,
    mut weights: Weights,
    x: &[f32],
    forward: impl Fn(&mut Pass<'_>, &[f32]) -> Vec<f32>,
    backward: impl Fn(&mut Pass<'_>, &[f32], &[f32]) -> Vec<f32>,
) {
    let pool = Pool::new(1);
    weights.refresh(&pool);
    let count = with_pass(&weights, |pass| forward(pass, x)).0.len();
    let c = numbers(count, 7);
    let (dx, gradients) = with_pass(&weights, |pass| backward(pass, x, &c));
    let loss = |weights: &Weights, x: &[f32]| along(&c, &with_pass(weights, |pass| forward(pass, x)).0);
    let step = 2e-3f32;
    let close = |what: &str, difference: f64, slope: f64, size: f64| {
        assert!(
            (difference - slope).abs() < 1e-2 * slope.abs() + 3e-3 * size,
            "{name}, {what}: difference {difference}, gradient {slope}"
        );
    };
    let length = |gradient: &[f32]| along(gradient, gradient).sqrt();

    let direction = numbers(x.len(), 11);
    let moved = |by: f32| -> Vec<f32> { x.iter().zip(&direction).map(|(x, d)| x + by * d).collect() };
    let difference = (loss(&weights, &moved(step)) - loss(&weights, &moved(-step))) / f64::from(2.0 * step);
    assert!(length(&dx) > 0.0, "{name}: the input has a gradient");
    close("input", difference, along(&dx, &direction), length(&dx));

    let mut touched = 0;
    for number in 0..gradients.iter().len() {
        let gradient = gradients.iter().nth(number).unwrap_or(&[]).to_vec();
        if length(&gradient) == 0.0 {
            continue;
        }
        touched += 1;
        let own = weights.parameters().iter().nth(number).unwrap();
        let (parameter, kept) = (own.name.clone(), own.values.clone());
        let direction = numbers(kept.len(), number as u64 + 20);
        let mut ends = [0.0; 2];
        for (end, by) in ends.iter_mut().zip([step, -step]) {
            weights.parameters_mut().list_mut()[number].values =
                kept.iter().zip(&direction).map(|(x, d)| x + by * d).collect();
            weights.refresh(&pool);
            *end = loss(&weights, x);
        }
        weights.parameters_mut().list_mut()[number].values = kept;
        let difference = (ends[0] - ends[1]) / f64::from(2.0 * step);
        close(
            &parameter,
            difference,
            along(&gradient, &direction),
            length(&gradient),
        );
    }
    assert!(touched > 0, "{name}: no parameter has a gradient");
}

const LAYER: &str = "model.language_model.layers";

#[test]
fn rms_norm() {
    let weights = weights();
    let norm = RmsNorm {
        weight: weights.vector(&format!("{LAYER}.0.input_layernorm.weight")),
        eps: 1e-6,
    };
    check(
        "RMS norm",
        weights,
        &numbers(9 * HIDDEN, 1),
        |pass, x| norm.forward(pass, x).0.to_vec(),
        |pass, x, dy| {
            let (_, saved) = norm.forward(pass, x);
            let mut dx = pass.zeros(x.len());
            norm.backward(pass, &saved, dy, &mut dx);
            dx.to_vec()
        },
    );
}

#[test]
fn layer_norm() {
    let weights = weights();
    let norm = LayerNorm {
        weight: weights.vector("model.visual.blocks.0.norm1.weight"),
        bias: weights.vector("model.visual.blocks.0.norm1.bias"),
    };
    check(
        "layer norm",
        weights,
        &numbers(9 * 16, 1),
        |pass, x| norm.forward(pass, x).0.to_vec(),
        |pass, x, dy| {
            let (_, saved) = norm.forward(pass, x);
            let mut dx = pass.zeros(x.len());
            norm.backward(pass, &saved, dy, &mut dx);
            dx.to_vec()
        },
    );
}

#[test]
fn gated_norm() {
    let weights = weights();
    let norm = GatedNorm {
        weight: weights.vector(&format!("{LAYER}.0.linear_attn.norm.weight")),
        eps: 1e-6,
    };
    // o, then z.
    check(
        "gated norm",
        weights,
        &numbers(2 * 9 * 16, 1),
        |pass, x| {
            let (o, z) = x.split_at(x.len() / 2);
            let (o, z) = (pass.copy(o), pass.copy(z));
            norm.forward(pass, o, z).0.to_vec()
        },
        |pass, x, dy| {
            let (o, z) = x.split_at(x.len() / 2);
            let (o, z) = (pass.copy(o), pass.copy(z));
            let (_, saved) = norm.forward(pass, o, z);
            let (o, z) = norm.backward(pass, saved, dy);
            [&*o, &*z].concat()
        },
    );
}

#[test]
fn convolution() {
    let weights = weights();
    let channels = config().text.linear_conv_dim();
    let convolution = Convolution {
        weight: weights.vector(&format!("{LAYER}.0.linear_attn.conv1d.weight")),
        channels,
    };
    check(
        "convolution",
        weights,
        &numbers(TOKENS * channels, 1),
        |pass, x| convolution.forward(pass, &DOCUMENTS, x).to_vec(),
        |pass, x, dy| {
            let dy = pass.copy(dy);
            convolution.backward(pass, &DOCUMENTS, x, dy).to_vec()
        },
    );
}

#[test]
fn deltanet() {
    let mut weights = weights();
    let deltanet = DeltaNet::new(&mut weights, &format!("{LAYER}.0"), &config().text);
    check(
        "gated DeltaNet",
        weights,
        &numbers(TOKENS * HIDDEN, 1),
        |pass, x| {
            let mut y = pass.zeros(x.len());
            deltanet.forward(pass, &DOCUMENTS, x, &mut y);
            y.to_vec()
        },
        |pass, x, dy| {
            let (mut y, mut dx) = (pass.zeros(x.len()), pass.zeros(x.len()));
            let saved = deltanet.forward(pass, &DOCUMENTS, x, &mut y);
            deltanet.backward(pass, &DOCUMENTS, x, saved, dy, &mut dx);
            dx.to_vec()
        },
    );
}

#[test]
fn attention() {
    let mut weights = weights();
    let text = config().text;
    let attention = Attention::new(&mut weights, &format!("{LAYER}.3"), &text);
    let positions: Vec<[u32; 3]> = (0..TOKENS as u32).map(|i| [i, i + i % 3, i + i % 2]).collect();
    let angles = Angles::text(&aurore_model::positions::Rope::new(&text), &positions);
    check(
        "attention",
        weights,
        &numbers(TOKENS * HIDDEN, 1),
        |pass, x| {
            let mut y = pass.zeros(x.len());
            let saved = attention.forward(pass, &DOCUMENTS, &angles, x, &mut y);
            // How badly rows miss what they should look at comes last.
            [&*y, &[attention.misses(&saved, &LOOKS) as f32]].concat()
        },
        |pass, x, dy| {
            let (dy, scale) = dy.split_at(x.len());
            let (mut y, mut dx) = (pass.zeros(x.len()), pass.zeros(x.len()));
            let saved = attention.forward(pass, &DOCUMENTS, &angles, x, &mut y);
            let looks = Looks {
                list: &LOOKS,
                scale: scale[0],
            };
            attention.backward(pass, &DOCUMENTS, &angles, x, saved, dy, looks, &mut dx);
            dx.to_vec()
        },
    );
}

/// In both documents, in both blocks of the second, twice in one row, and at itself.
const LOOKS: [Look; 6] = [
    Look { row: 3, at: 1 },
    Look { row: 9, at: 5 },
    Look { row: 40, at: 40 },
    Look { row: 40, at: 7 },
    Look { row: 72, at: 6 },
    Look { row: 74, at: 71 },
];

#[test]
fn what_is_missed_is_the_share_that_is_not_given() {
    let mut weights = weights();
    let text = config().text;
    let attention = Attention::new(&mut weights, &format!("{LAYER}.3"), &text);
    weights.refresh(&Pool::new(1));
    let positions: Vec<[u32; 3]> = (0..TOKENS as u32).map(|i| [i; 3]).collect();
    let angles = Angles::text(&aurore_model::positions::Rope::new(&text), &positions);
    let x = numbers(TOKENS * HIDDEN, 1);
    let (sum, _) = with_pass(&weights, |pass| {
        let mut y = pass.zeros(x.len());
        let saved = attention.forward(pass, &DOCUMENTS, &angles, &x, &mut y);
        // All shares of one row make up one.
        let share = |at| (-attention.misses(&saved, &[Look { row: 30, at }])).exp();
        (5..=30).map(share).sum::<f64>()
    });
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
}

#[test]
fn swiglu() {
    let mut weights = weights();
    let swiglu = SwiGlu::new(&mut weights, &format!("{LAYER}.0.mlp.shared_expert"), HIDDEN, 16);
    check(
        "SwiGLU",
        weights,
        &numbers(9 * HIDDEN, 1),
        |pass, x| {
            let mut y = pass.zeros(x.len());
            swiglu.forward(pass, x, &mut y, false);
            y.to_vec()
        },
        |pass, x, dy| {
            let (mut y, mut dx) = (pass.zeros(x.len()), pass.zeros(x.len()));
            let saved = swiglu.forward(pass, x, &mut y, false);
            swiglu.backward(pass, x, saved, dy, &mut dx);
            dx.to_vec()
        },
    );
}

#[test]
fn experts() {
    let mut weights = weights();
    let moe = Moe::new(&mut weights, &format!("{LAYER}.0.mlp"), HIDDEN, 6, 2, [16, 16]);
    // Few tokens: a step must not change which experts they choose.
    check(
        "experts",
        weights,
        &numbers(7 * HIDDEN, 4),
        |pass, x| {
            let mut y = pass.zeros(x.len());
            moe.forward(pass, x, &mut y);
            y.to_vec()
        },
        |pass, x, dy| {
            let (mut y, mut dx) = (pass.zeros(x.len()), pass.zeros(x.len()));
            let (saved, _) = moe.forward(pass, x, &mut y);
            moe.backward(pass, x, saved, &[0.0; 6], dy, &mut dx);
            dx.to_vec()
        },
    );
}

#[test]
fn vision_tower_then_embedding() {
    let config = config();
    let mut weights = weights();
    let tower = Tower::new(&mut weights, config.vision.as_ref().unwrap());
    let embedding = Embedding {
        weight: weights.vector("model.language_model.embed_tokens.weight"),
        hidden: HIDDEN,
        image_token: config.image_token_id,
    };
    let image = config.image_token_id;
    // The pictures are the input, though nothing learns from their gradient: only parameters are compared, and the
    // embedding's rows stand for the input.
    let width = config.vision.as_ref().unwrap().patch_dim();
    let picture = |grid: [u32; 3], seed| ImagePatches {
        grid,
        patches: numbers(grid.iter().product::<u32>() as usize * width, seed),
    };
    let images = [picture([1, 2, 4], 5), picture([1, 4, 4], 6)];
    let ids = [3, image, image, 4, image, image, image, image, 3];
    let places = tower.places(&images);
    check(
        "vision tower",
        weights,
        &[1.0],
        |pass, x| {
            let (features, _) = tower.forward(pass, &images, &places, true);
            let rows = embedding.forward(pass, &ids, &features);
            rows.iter().map(|y| y * x[0]).collect()
        },
        |pass, x, dy| {
            let (features, saved) = tower.forward(pass, &images, &places, true);
            let rows = embedding.forward(pass, &ids, &features);
            let dy_rows: Vec<f32> = dy.iter().map(|dy| dy * x[0]).collect();
            let mut dfeatures = pass.take(features.len());
            embedding.backward(pass, &ids, &dy_rows, &mut dfeatures);
            tower.backward(pass, &images, &places, saved, &dfeatures);
            vec![along(&rows, dy) as f32]
        },
    );
}

#[test]
fn head() {
    let mut weights = weights();
    let head = Head {
        norm: RmsNorm {
            weight: weights.vector("model.language_model.norm.weight"),
            eps: 1e-6,
        },
        matrix: weights.matrix("lm_head.weight", 96, HIDDEN),
    };
    let targets: Vec<Target> = (0..200)
        .map(|i| Target {
            row: i % 9,
            id: (i * 31 % 96) as u32,
            weight: 0.01 * (i % 5) as f32,
        })
        .collect();
    // One number leaves it, whose coefficient is the scale.
    check(
        "head",
        weights,
        &numbers(9 * HIDDEN, 1),
        |pass, x| vec![head.judge(pass, x, &targets, None).loss as f32],
        |pass, x, dy| {
            let mut dx = pass.zeros(x.len());
            head.judge(pass, x, &targets, Some((&mut dx, dy[0])));
            dx.to_vec()
        },
    );
}
