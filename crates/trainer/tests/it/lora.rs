//! Adapters over frozen weights: the base's own forward at the start, the merged weights' forward after, gradients by
//! finite differences.

use std::sync::Arc;

use aurore_checkpoint::{Checkpoint, Merged};
use aurore_kernels::{Cpu, Isa, Pool, Precision, Products};
use aurore_trainer::{
    Balance, Buffers, Frozen, Gradients, LoraSettings, Network, Options, Parameters, Pass, Projections,
    Stream, Weights,
};

use crate::common::{Case, Learner, difference, folder};

fn everywhere(rank: usize) -> LoraSettings {
    LoraSettings {
        rank,
        alpha: 6.0,
        on: vec![
            Projections::Attention,
            Projections::Deltanet,
            Projections::Mlp,
            Projections::Vision,
        ],
    }
}

/// A checkpoint that stays as it is, with additions.
struct Tuned {
    checkpoint: Checkpoint,
    settings: LoraSettings,
    network: Network,
    weights: Weights,
}

impl Tuned {
    fn open(name: &str, settings: LoraSettings, precision: Precision) -> Self {
        Self::kept(name, settings, precision, |weights| weights)
    }

    /// With what is frozen kept in a certain way.
    fn kept(
        name: &str,
        settings: LoraSettings,
        precision: Precision,
        keep: impl FnOnce(Weights) -> Weights,
    ) -> Self {
        let checkpoint = Checkpoint::open(&folder(name)).unwrap();
        let config = checkpoint.config();
        let frozen = Arc::new(Frozen::load(&checkpoint, config, &Cpu::new(None, 1)).unwrap());
        let additions = settings.begin(config, 5);
        let mut weights = keep(Weights::over(
            frozen,
            additions,
            settings.scale(),
            Isa::best(),
            precision,
        ));
        let network = Network::new(config, &mut weights);
        weights.refresh(&Pool::new(1));
        Self {
            checkpoint,
            settings,
            network,
            weights,
        }
    }

    /// Gives every B numbers.
    fn stir(&mut self) {
        for (number, parameter) in self.weights.parameters_mut().list_mut().iter_mut().enumerate() {
            for (place, value) in parameter.values.iter_mut().enumerate() {
                *value += 0.05 * ((number * 31 + place * 7) as f32).sin();
            }
        }
        self.weights.refresh(&Pool::new(1));
    }

    fn pass<T>(&self, run: impl FnOnce(&Network, &mut Pass<'_>) -> T) -> (T, Gradients) {
        let mut gradients = Gradients::zeros(self.weights.parameters());
        let mut products = Products::new(Isa::best(), self.weights.precision());
        let mut pass = Pass::new(&self.weights, &mut gradients, &mut products, Buffers::default());
        let result = run(&self.network, &mut pass);
        drop(pass);
        (result, gradients)
    }

    fn logits(&self, stream: &Stream) -> Vec<f32> {
        self.pass(|network, pass| network.logits(pass, stream)).0
    }

    fn loss(&self, stream: &Stream) -> f64 {
        let (losses, _) = self.pass(|network, pass| network.evaluate(pass, stream));
        losses.weighted
    }
}

const OPTIONS: Options = Options {
    scale: 1.0,
    balance_scale: 0.0,
    balance: Balance::Layer,
    look_scale: 0.0,
    early_scale: 0.0,
    reading_scale: 0.0,
    tower_alone: false,
    recompute: true,
};

const NAMES: [&str; 2] = ["gradients/dense", "gradients/moe"];

#[test]
fn it_begins_with_the_checkpoint_itself() {
    for name in NAMES {
        for precision in [Precision::Exact, Precision::Bf16] {
            let (learner, case) = (Learner::open(name, precision), Case::open(name));
            let stream = case.stream(&learner.network);
            let (plain, _) = learner.pass(|network, pass| network.logits(pass, &stream));
            let tuned = Tuned::open(name, everywhere(3), precision);
            assert!(tuned.logits(&stream) == plain, "{name}: the base's exact forward");
        }
    }
}

#[test]
fn what_is_kept_ready_teaches_the_same_to_the_bit() {
    for name in NAMES {
        for precision in [Precision::Exact, Precision::Bf16] {
            let gradients = |keep: fn(Weights) -> Weights| {
                let mut tuned = Tuned::kept(name, everywhere(2), precision, keep);
                tuned.stir();
                let stream = Case::open(name).stream(&tuned.network);
                let (losses, gradients) = tuned.pass(|network, pass| network.learn(pass, &stream, &OPTIONS));
                let all: Vec<Vec<f32>> = gradients.iter().map(<[f32]>::to_vec).collect();
                (losses.weighted, all)
            };
            assert!(
                gradients(|weights| weights) == gradients(Weights::made_ready),
                "{name}, {precision:?}"
            );
        }
    }
}

#[test]
fn additions_are_those_of_merged_weights() {
    for name in NAMES {
        let mut tuned = Tuned::open(name, everywhere(4), Precision::Exact);
        let stream = Case::open(name).stream(&tuned.network);
        let plain = tuned.logits(&stream);
        tuned.stir();
        let beside = tuned.logits(&stream);
        let apart = difference(&beside, &plain);
        assert!(apart > 0.01, "it changes something: {apart}");

        let config = tuned.checkpoint.config();
        let (adapter, _) = tuned.settings.adapter(config, tuned.weights.parameters(), "base");
        let merged = Merged::new(&tuned.checkpoint, &adapter).exact();
        let parameters = Parameters::load(&merged, config).unwrap();
        let mut weights = Weights::new(parameters, Isa::best(), Precision::Exact);
        let network = Network::new(config, &mut weights);
        weights.refresh(&Pool::new(1));
        let learner = Learner { network, weights };
        let (merged, _) = learner.pass(|network, pass| network.logits(pass, &stream));
        let apart = difference(&beside, &merged);
        assert!(apart < 2e-5, "{name}: {apart}");

        // What stays as it is can be merged too, as it must be where it was packed.
        let frozen = tuned.weights.frozen().unwrap();
        let through = Parameters::load(&Merged::new(frozen.as_ref(), &adapter), config).unwrap();
        for (own, other) in through.iter().zip(learner.weights.parameters().iter()) {
            // This way they are rounded to bf16.
            let apart = difference(&own.values, &other.values);
            assert!(apart < 4e-3, "{}: {apart}", own.name);
        }
    }
}

#[test]
fn gradients_are_slopes_and_only_additions_have_them() {
    for folder in NAMES {
        let mut tuned = Tuned::open(folder, everywhere(2), Precision::Exact);
        tuned.stir();
        let stream = Case::open(folder).stream(&tuned.network);
        let (_, gradients) = tuned.pass(|network, pass| network.learn(pass, &stream, &OPTIONS));
        let count = tuned.weights.parameters().iter().len();
        assert!(
            tuned
                .weights
                .parameters()
                .iter()
                .all(|parameter| parameter.name.contains(".lora_"))
        );
        let mut wrong = Vec::new();
        for number in 0..count {
            let gradient = gradients.iter().nth(number).unwrap().to_vec();
            let length = gradient.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
            let name = tuned
                .weights
                .parameters()
                .iter()
                .nth(number)
                .unwrap()
                .name
                .clone();
            // Along the gradient itself the slope is its length.
            let step = (0.01 / length as f32).min(2e-3);
            let mut at = |sign: f32| {
                let values = |tuned: &mut Tuned, sign: f32| {
                    let list = tuned.weights.parameters_mut().list_mut();
                    for (value, slope) in list[number].values.iter_mut().zip(&gradient) {
                        *value += sign * step * slope / length.max(1e-12) as f32;
                    }
                    tuned.weights.refresh(&Pool::new(1));
                };
                values(&mut tuned, sign);
                let loss = tuned.loss(&stream);
                values(&mut tuned, -sign);
                loss
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * f64::from(step));
            if (slope / length - 1.0).abs() > 0.03 && (slope - length).abs() > 5e-3 {
                wrong.push(format!("{folder}, {name}: {length}, by differences {slope}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
