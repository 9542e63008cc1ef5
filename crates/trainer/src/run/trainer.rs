//! Weights that learn, a step at a time.

use std::sync::Arc;
use std::time::Instant;

use aurore_checkpoint::{Adapter, AdapterConfig, Checkpoint, Config};
use aurore_kernels::{Cpu, Precision, Products};

use super::batch::pack;
use super::settings::{Settings, Width};
use super::{Evaluation, TrainError};
use crate::blocks::vision;
use crate::data::{DataError, Draw, Move, Sample, Samples};
use crate::network::{Losses, Network, Options};
use crate::numbers::Numbers;
use crate::ops::vectorised;
use crate::optimiser::{Optimiser, length};
use crate::parameters::{Gradients, Parameters};
use crate::pass::Pass;
use crate::stream::Stream;
use crate::weights::Weights;
use crate::{Buffers, Frozen, LoraSettings};

/// Network, weights, optimiser and lanes of a run.
pub struct Trainer {
    cpu: Cpu,
    settings: Settings,
    network: Network,
    pub(super) weights: Weights,
    pub(super) optimiser: Optimiser,
    /// Running means of the weights; empty where none are kept.
    pub(super) average: Vec<Vec<f32>>,
    /// Samples seen so far.
    pub(super) seen: u64,
    lanes: Vec<Lane>,
    /// Step of the last state on disk.
    pub(super) kept: u64,
    /// Tells the checkpoint that an adapter learns over from others.
    pub(super) base: i64,
}

/// What a lane keeps between steps.
struct Lane {
    gradients: Gradients,
    products: Products,
    buffers: Buffers,
}

/// What one of each counts in a step.
#[derive(Clone, Copy)]
struct Scales {
    targets: f32,
    looks: f32,
    early: f32,
    reading: f32,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepResult {
    /// The step, from 1.
    pub step: u64,
    /// Weighted mean cross-entropy of the targets, in nats.
    pub loss: f64,
    /// The same without weights.
    pub plain: f64,
    /// Share of the targets that were likeliest.
    pub right: f64,
    /// The experts' balancing loss.
    pub balance: f64,
    /// How badly what answers are about was not looked at: mean over rows and attention layers, in nats.
    pub missed: f64,
    /// Weighted mean cross-entropy of what is read off after the first attention layer.
    pub early: f64,
    /// Weighted mean cross-entropy of what pictures' tokens are read as.
    pub reading: f64,
    /// Length of the gradient before clipping.
    pub length: f32,
    /// What the rates were multiplied by.
    pub factor: f32,
    /// Samples, tokens and targets of the step.
    pub samples: usize,
    /// Image tokens included.
    pub tokens: usize,
    /// Tokens that were taught.
    pub targets: usize,
    /// Operations of the matrix products: two per multiply-add.
    pub operations: u64,
    /// How long it took, reading apart.
    pub seconds: f64,
}

/// Frozen numbers up to which a run keeps them in multiplied form: 128 MiB.
const READY: usize = 32 << 20;

impl Trainer {
    /// Over parameters of `config`'s layout.
    pub fn new(settings: &Settings, config: &Config, parameters: Parameters) -> Self {
        let cpu = Cpu::new(None, settings.threads);
        let weights = Weights::new(parameters, cpu.isa, precision(settings));
        Self::over(settings, config, cpu, weights)
    }

    /// Of an adapter that is at its start, over a checkpoint that stays as it is.
    ///
    /// # Errors
    /// When the checkpoint's weights cannot be used.
    pub fn tune(
        settings: &Settings,
        config: &Config,
        checkpoint: &Checkpoint,
        lora: &LoraSettings,
    ) -> Result<Self, TrainError> {
        let settings = &Settings {
            lora: Some(lora.clone()),
            ..settings.clone()
        };
        let cpu = Cpu::new(None, settings.threads);
        let frozen = Arc::new(Frozen::load(checkpoint, config, &cpu)?);
        let additions = lora.begin(config, settings.seed);
        let small = frozen.count() <= READY;
        let mut weights = Weights::over(frozen, additions, lora.scale(), cpu.isa, precision(settings));
        if small {
            weights = weights.made_ready();
        }
        let mut trainer = Self::over(settings, config, cpu, weights);
        trainer.base = number(&checkpoint.fingerprint());
        Ok(trainer)
    }

    fn over(settings: &Settings, config: &Config, cpu: Cpu, mut weights: Weights) -> Self {
        let parameters = weights.parameters();
        let average = if settings.keep.average > 0.0 {
            parameters
                .iter()
                .map(|parameter| parameter.values.clone())
                .collect()
        } else {
            Vec::new()
        };
        let optimiser = Optimiser::new(settings.optimiser, parameters, weights.precision());
        let network = Network::new(config, &mut weights);
        weights.refresh(&cpu.pool);
        let lanes = (0..settings.lanes)
            .map(|_| Lane {
                gradients: Gradients::zeros(weights.parameters()),
                products: Products::new(cpu.isa, weights.precision()),
                buffers: Buffers::default(),
            })
            .collect();
        Self {
            cpu,
            settings: settings.clone(),
            network,
            weights,
            optimiser,
            average,
            seen: 0,
            lanes,
            kept: 0,
            base: 0,
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        self.weights.parameters()
    }

    /// What stays as it is, if an adapter learns.
    pub fn frozen(&self) -> Option<&Arc<Frozen>> {
        self.weights.frozen()
    }

    /// What is kept of an adapter that learns, and what it says of itself.
    pub fn adapter(&self) -> Option<(Adapter, AdapterConfig)> {
        let lora = self.settings.lora.as_ref()?;
        Some(lora.adapter(self.network.config(), &self.averaged(), &self.settings.start))
    }

    /// What a checkpoint holds: the parameters, or their running means.
    pub fn averaged(&self) -> Parameters {
        let mut parameters = self.weights.parameters().clone();
        for (parameter, average) in parameters.list_mut().iter_mut().zip(&self.average) {
            parameter.values.clone_from(average);
        }
        parameters
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.optimiser.steps
    }

    /// Brings the multiplied forms up to date with the parameters.
    pub(super) fn refresh(&mut self) {
        self.weights.refresh(&self.cpu.pool);
    }

    /// Samples seen so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// What computes.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// Step of the last state on disk.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Reads the samples of the next step, each moved as its place in the run says.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn draw(&self, samples: &dyn Samples, draw: &mut Draw) -> Result<Vec<Sample>, DataError> {
        let places = self.seen..self.seen + self.settings.batch.samples as u64;
        let chosen: Vec<(usize, Move)> = places
            .filter_map(|place| Some((draw.at(place)?, self.aside(place))))
            .collect();
        self.read_moved(samples, &chosen)
    }

    /// How the sample at a place of the run is moved: a function of the seed.
    fn aside(&self, place: u64) -> Move {
        let most = i32::from(self.settings.data.shift);
        let mut numbers = Numbers::new(self.settings.seed, place.wrapping_add(1 << 42));
        let mut pixels = || numbers.below(2 * most as usize + 1) as i32 - most;
        Move {
            right: pixels(),
            down: pixels(),
        }
    }

    /// Reads samples as they are, on all threads.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn read(&self, samples: &dyn Samples, chosen: &[usize]) -> Result<Vec<Sample>, DataError> {
        let chosen: Vec<(usize, Move)> = chosen.iter().map(|index| (*index, Move::default())).collect();
        self.read_moved(samples, &chosen)
    }

    fn read_moved(&self, samples: &dyn Samples, chosen: &[(usize, Move)]) -> Result<Vec<Sample>, DataError> {
        type Read = Option<Result<Sample, DataError>>;
        let mut read: Vec<((usize, Move), Read)> = chosen.iter().map(|chosen| (*chosen, None)).collect();
        self.cpu.pool.pieces(&mut read, 1, |_, read| {
            for ((index, by), sample) in read {
                *sample = Some(samples.read(*index, *by));
            }
        });
        read.into_iter().filter_map(|(_, sample)| sample).collect()
    }

    /// Learns from the samples of one step.
    ///
    /// # Errors
    /// When a sample does not fit the network, or its loss is no number: the weights are those of before.
    pub fn step(&mut self, samples: Vec<Sample>) -> Result<StepResult, TrainError> {
        let began = Instant::now();
        let count = samples.len();
        let packed = pack(
            self.network.config(),
            samples,
            self.lanes.len(),
            self.settings.batch.tokens,
        )?;
        let weight: f64 = packed.iter().flatten().map(Stream::weight).sum();
        let tokens: usize = packed.iter().flatten().map(|stream| stream.ids().len()).sum();
        let scale = if weight > 0.0 { (1.0 / weight) as f32 } else { 0.0 };
        let looks: usize = packed.iter().flatten().map(|stream| stream.looks().len()).sum();
        let look_scale = self.settings.grounding / looks.max(1) as f32;
        let early: f64 = packed.iter().flatten().map(Stream::looking_weight).sum();
        let early_scale = self.settings.early / early.max(1.0) as f32;
        let reading: f64 = packed.iter().flatten().map(Stream::reading_weight).sum();
        let scales = Scales {
            targets: scale,
            looks: look_scale,
            early: early_scale,
            reading: self.settings.reading / reading.max(1.0) as f32,
        };
        let (losses, operations) = self.learn(&packed, scales, tokens);
        let targets = packed.iter().flatten().map(|stream| stream.targets().len()).sum();

        let squares = self.gather();
        let length = length(&squares);
        let step = self.optimiser.steps + 1;
        if !length.is_finite() || !losses.weighted.is_finite() {
            return Err(self.blame(step, &packed, scales));
        }
        let clip = self.settings.optimiser.clip;
        let clip = if clip > 0.0 && length > clip {
            clip / length
        } else {
            1.0
        };
        let factor = self.settings.steps.factor(step - 1);
        self.optimiser.step(
            self.cpu.isa,
            &self.cpu.pool,
            self.weights.parameters_mut(),
            &self.lanes[0].gradients,
            factor,
            clip,
        );
        self.weights.refresh(&self.cpu.pool);
        self.keep_average();
        self.seen += count as u64;
        Ok(StepResult {
            step,
            loss: losses.weighted * f64::from(scale),
            plain: losses.plain / losses.targets.max(1) as f64,
            right: losses.right as f64 / losses.targets.max(1) as f64,
            balance: f64::from(losses.balance),
            missed: losses.missed / losses.looks.max(1) as f64,
            early: losses.early / early.max(1.0),
            reading: losses.reading / reading.max(1.0),
            length,
            factor,
            samples: count,
            tokens,
            targets,
            operations: 2 * operations,
            seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// Losses and multiply-adds of all streams, with gradients in the lanes.
    fn learn(&mut self, packed: &[Vec<Stream>], scales: Scales, tokens: usize) -> (Losses, u64) {
        let (network, weights) = (&self.network, &self.weights);
        let experts = self.settings.experts;
        let (recompute, tower_alone) = (self.settings.recompute, self.settings.tower_alone);
        let mut jobs: Vec<(&mut Lane, &[Stream], Losses, u64)> = self
            .lanes
            .iter_mut()
            .zip(packed)
            .map(|(lane, streams)| (lane, streams.as_slice(), Losses::default(), 0))
            .collect();
        self.cpu.pool.pieces(&mut jobs, 1, |_, jobs| {
            for (lane, streams, sum, operations) in jobs {
                for gradient in lane.gradients.list_mut() {
                    gradient.fill(0.0);
                }
                let buffers = lane.buffers.clone();
                let mut pass = Pass::new(weights, &mut lane.gradients, &mut lane.products, buffers);
                for stream in *streams {
                    let share = stream.ids().len() as f32 / tokens.max(1) as f32;
                    let options = Options {
                        scale: scales.targets,
                        balance_scale: experts.balance * share,
                        balance: experts.over.into(),
                        look_scale: scales.looks,
                        early_scale: scales.early,
                        reading_scale: scales.reading,
                        tower_alone,
                        recompute,
                    };
                    let losses = network.learn(&mut pass, stream, &options);
                    sum.add(&losses, share);
                }
                *operations = pass.operations;
                if tower_alone {
                    let parameters = weights.parameters().iter();
                    for (parameter, gradient) in parameters.zip(lane.gradients.list_mut()) {
                        if !parameter.name.starts_with(vision::NAME) {
                            gradient.fill(0.0);
                        }
                    }
                }
            }
        });
        let mut all = Losses::default();
        let mut operations = 0;
        for (_, _, losses, own) in &jobs {
            all.add(losses, 1.0);
            operations += own;
        }
        (all, operations)
    }

    /// Adds all lanes' gradients to the first one's; gives the sum of squares of each tensor.
    fn gather(&mut self) -> Vec<f64> {
        let isa = self.cpu.isa;
        let Some((first, others)) = self.lanes.split_first_mut() else {
            return Vec::new();
        };
        let mut squares = vec![0.0; first.gradients.iter().len()];
        let mut jobs: Vec<(usize, &mut Vec<f32>, &mut f64)> = first
            .gradients
            .list_mut()
            .iter_mut()
            .zip(&mut squares)
            .enumerate()
            .map(|(number, (gradient, square))| (number, gradient, square))
            .collect();
        jobs.sort_by_key(|(_, gradient, _)| std::cmp::Reverse(gradient.len()));
        self.cpu.pool.pieces(&mut jobs, 1, |_, jobs| {
            for (number, gradient, square) in jobs {
                for lane in &*others {
                    if let Some(other) = lane.gradients.iter().nth(*number) {
                        crate::ops::rows::add(isa, gradient, other);
                    }
                }
                **square = square_sum(isa, gradient);
            }
        });
        squares
    }

    fn keep_average(&mut self) {
        let (isa, share) = (self.cpu.isa, 1.0 - self.settings.keep.average);
        let parameters = self.weights.parameters();
        let mut jobs: Vec<(&mut Vec<f32>, &[f32])> = self
            .average
            .iter_mut()
            .zip(parameters.iter())
            .map(|(average, parameter)| (average, parameter.values.as_slice()))
            .collect();
        self.cpu.pool.pieces(&mut jobs, 1, |_, jobs| {
            for (average, values) in jobs {
                approach(isa, average, values, share);
            }
        });
    }

    /// Which sample makes a loss or gradient that is no number, and where it shows.
    fn blame(&mut self, step: u64, packed: &[Vec<Stream>], scales: Scales) -> TrainError {
        let kept = self.kept;
        let mut sample = "the sum of all samples".to_owned();
        let mut tensor = "the gradient's length".to_owned();
        let documents = packed.iter().flatten();
        for alone in
            documents.flat_map(|stream| (0..stream.documents().len()).map(|number| stream.alone(number)))
        {
            let name = alone.names().first().cloned().unwrap_or_default();
            let tokens = alone.ids().len();
            let mut packed = vec![Vec::new(); self.lanes.len()];
            packed[0].push(alone);
            let (losses, _) = self.learn(&packed, scales, tokens);
            let squares = self.gather();
            // Gradients are made from the head down, so the last parameter of the layout shows it first.
            let shows = squares.iter().rposition(|square| !square.is_finite());
            if shows.is_some() || !losses.weighted.is_finite() {
                let found = shows.and_then(|number| self.parameters().iter().nth(number));
                sample = name;
                tensor = found.map_or_else(|| "the loss alone".to_owned(), |found| found.name.clone());
                break;
            }
        }
        TrainError::NotFinite {
            step,
            sample,
            tensor,
            kept,
        }
    }

    /// What samples cost that are not learnt from, by the weights of checkpoints.
    ///
    /// # Errors
    /// When a sample does not fit the network.
    pub fn evaluate(&mut self, samples: Vec<Sample>) -> Result<Evaluation, TrainError> {
        let packed = pack(
            self.network.config(),
            samples,
            self.lanes.len(),
            self.settings.batch.tokens,
        )?;
        self.exchange();
        let (network, weights) = (&self.network, &self.weights);
        let mut jobs: Vec<(&mut Lane, &[Stream], Losses)> = self
            .lanes
            .iter_mut()
            .zip(&packed)
            .map(|(lane, streams)| (lane, streams.as_slice(), Losses::default()))
            .collect();
        self.cpu.pool.pieces(&mut jobs, 1, |_, jobs| {
            for (lane, streams, sum) in jobs {
                let buffers = lane.buffers.clone();
                let mut pass = Pass::new(weights, &mut lane.gradients, &mut lane.products, buffers);
                for stream in *streams {
                    sum.add(&network.evaluate(&mut pass, stream), 0.0);
                }
            }
        });
        let mut all = Losses::default();
        for (_, _, losses) in &jobs {
            all.add(losses, 0.0);
        }
        self.exchange();
        let targets = all.targets.max(1) as f64;
        Ok(Evaluation {
            loss: all.plain / targets,
            right: all.right as f64 / targets,
            targets: all.targets,
        })
    }

    /// Parameters and their running means change places, where there are means.
    fn exchange(&mut self) {
        if self.average.is_empty() {
            return;
        }
        let parameters = self.weights.parameters_mut().list_mut();
        for (parameter, average) in parameters.iter_mut().zip(&mut self.average) {
            std::mem::swap(&mut parameter.values, average);
        }
        self.weights.refresh(&self.cpu.pool);
    }
}

/// The first digits of a fingerprint in hexadecimal.
fn number(fingerprint: &str) -> i64 {
    let digits = fingerprint.get(..15).unwrap_or_default();
    i64::from_str_radix(digits, 16).unwrap_or(0)
}

fn precision(settings: &Settings) -> Precision {
    match settings.precision {
        Width::Bf16 => Precision::Bf16,
        Width::F32 => Precision::Exact,
    }
}

impl Losses {
    fn add(&mut self, other: &Self, share: f32) {
        self.weighted += other.weighted;
        self.plain += other.plain;
        self.targets += other.targets;
        self.right += other.right;
        self.balance += share * other.balance;
        self.missed += other.missed;
        self.looks += other.looks;
        self.early += other.early;
        self.reading += other.reading;
    }
}

vectorised! {
    fn square_sum(x: &'a [f32]) -> f64 {
        let mut sums = [0.0f64; 8];
        let (chunks, rest) = x.as_chunks::<8>();
        for chunk in chunks {
            for lane in 0..8 {
                sums[lane] += f64::from(chunk[lane]) * f64::from(chunk[lane]);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>()
    }

    fn approach(average: &'a mut [f32], values: &'a [f32], share: f32) {
        for (a, x) in average.iter_mut().zip(values) {
            *a += share * (x - *a);
        }
    }
}
