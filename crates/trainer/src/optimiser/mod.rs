//! What makes weights of gradients: AdamW for everything, or Muon for the hidden matrices and AdamW for the rest.

mod adamw;
mod muon;
mod schedule;

use aurore_kernels::{Isa, Pool, Precision};

use crate::parameters::{Gradients, Parameter, Parameters};

pub use schedule::Schedule;

/// How hidden matrices are stepped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Like everything else.
    #[default]
    AdamW,
    /// By the nearest semi-orthogonal matrix to their momentum.
    Muon,
}

/// Numbers of an optimiser.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserSettings {
    /// `adamw` or `muon`.
    pub method: Method,
    /// Rate of AdamW.
    pub rate: f32,
    /// Rate of Muon.
    pub matrix_rate: f32,
    /// Share of a matrix that a step at rate 1 takes away; vectors have none.
    pub weight_decay: f32,
    /// Decay of AdamW's means of gradients and of their squares.
    pub betas: [f32; 2],
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// Decay of Muon's momentum.
    pub momentum: f32,
    /// Longest gradient, of all tensors together; longer ones are scaled down. 0: any length.
    pub clip: f32,
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self {
            method: Method::AdamW,
            rate: 2e-3,
            matrix_rate: 0.02,
            weight_decay: 0.01,
            betas: [0.9, 0.98],
            epsilon: 1e-8,
            momentum: 0.95,
            clip: 1.0,
        }
    }
}

/// The state of an optimiser: two numbers per weight, one where Muon steps.
#[derive(Clone, Debug)]
pub struct Optimiser {
    settings: OptimiserSettings,
    /// Of Muon's products.
    precision: Precision,
    /// Mean of gradients, or momentum.
    pub(crate) first: Vec<Vec<f32>>,
    /// Mean of their squares; empty where Muon steps.
    pub(crate) second: Vec<Vec<f32>>,
    /// Steps made.
    pub(crate) steps: u64,
}

/// One tensor's part of a step.
struct Job<'a> {
    parameter: &'a mut Parameter,
    gradient: &'a [f32],
    first: &'a mut Vec<f32>,
    second: &'a mut Vec<f32>,
}

impl Optimiser {
    /// One that has seen nothing; Muon's products are made in `precision`.
    pub fn new(settings: OptimiserSettings, parameters: &Parameters, precision: Precision) -> Self {
        let zeros = |parameter: &Parameter| vec![0.0; parameter.values.len()];
        let second = |parameter: &Parameter| {
            if uses_muon(settings.method, parameter) {
                Vec::new()
            } else {
                zeros(parameter)
            }
        };
        Self {
            settings,
            precision,
            first: parameters.iter().map(zeros).collect(),
            second: parameters.iter().map(second).collect(),
            steps: 0,
        }
    }

    /// Changes the parameters. `factor` scales both rates, `clip` the gradients.
    pub fn step(
        &mut self,
        isa: Isa,
        pool: &Pool,
        parameters: &mut Parameters,
        gradients: &Gradients,
        factor: f32,
        clip: f32,
    ) {
        self.steps += 1;
        let (settings, steps, precision) = (self.settings, self.steps, self.precision);
        let states = self.first.iter_mut().zip(&mut self.second);
        let mut jobs: Vec<Job<'_>> = parameters
            .list_mut()
            .iter_mut()
            .zip(gradients.iter())
            .zip(states)
            .map(|((parameter, gradient), (first, second))| Job {
                parameter,
                gradient,
                first,
                second,
            })
            .collect();
        // The largest first, so that no thread is left with one at the end.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.gradient.len()));
        pool.pieces(&mut jobs, 1, |_, jobs| {
            for job in jobs {
                job.step(isa, precision, &settings, steps, [factor, clip]);
            }
        });
    }
}

impl Job<'_> {
    fn step(
        &mut self,
        isa: Isa,
        precision: Precision,
        settings: &OptimiserSettings,
        steps: u64,
        [factor, clip]: [f32; 2],
    ) {
        // What was never taught anything stays as it is, at no cost.
        let is_zero = |values: &[f32]| values.iter().all(|x| *x == 0.0);
        if is_zero(self.gradient) && is_zero(self.first) {
            return;
        }
        let decay = if self.parameter.shape.len() > 1 {
            settings.weight_decay
        } else {
            0.0
        };
        if uses_muon(settings.method, self.parameter) {
            let rate = settings.matrix_rate * factor;
            let shape = &self.parameter.shape;
            let sides = [shape[shape.len() - 2], shape[shape.len() - 1]];
            muon::step(
                isa,
                sides,
                &mut self.parameter.values,
                self.gradient,
                self.first,
                muon::Numbers {
                    rate,
                    decay,
                    momentum: settings.momentum,
                    clip,
                    precision,
                },
            );
        } else {
            let rate = settings.rate * factor;
            let numbers = adamw::Numbers::new(settings, steps, rate, decay, clip);
            let values = &mut self.parameter.values;
            adamw::step(isa, values, self.gradient, self.first, self.second, numbers);
        }
    }
}

/// Matrices between layers; not those that stand at the network's ends or make few numbers of many.
fn uses_muon(method: Method, parameter: &Parameter) -> bool {
    const OTHERS: [&str; 7] = [
        "embed",
        "lm_head",
        "mlp.gate.weight",
        "shared_expert_gate",
        "in_proj_a",
        "in_proj_b",
        "merger",
    ];
    let name = &parameter.name;
    let matrix = match parameter.shape.len() {
        2 => true,
        3 => name.contains("experts"),
        _ => false,
    };
    method == Method::Muon && matrix && !OTHERS.iter().any(|other| name.contains(other))
}

/// Length of all gradients together.
pub(crate) fn length(squares: &[f64]) -> f32 {
    squares.iter().sum::<f64>().sqrt() as f32
}
