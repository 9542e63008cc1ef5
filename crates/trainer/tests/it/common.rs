//! Goldens, and a network over their checkpoints.

use std::path::PathBuf;

use aurore_checkpoint::{Checkpoint, SafetensorsFile};
use aurore_kernels::{Isa, Pool, Precision, Products};
use aurore_model::ImagePatches;
use aurore_trainer::{Buffers, Gradients, Losses, Network, Options, Parameters, Pass, Stream, Weights};

pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(name)
}

/// A network and its weights.
pub(crate) struct Learner {
    pub(crate) network: Network,
    pub(crate) weights: Weights,
}

impl Learner {
    pub(crate) fn open(name: &str, precision: Precision) -> Self {
        Self::over(&Checkpoint::open(&folder(name)).unwrap(), precision)
    }

    pub(crate) fn over(checkpoint: &Checkpoint, precision: Precision) -> Self {
        let parameters = Parameters::load(checkpoint, checkpoint.config()).unwrap();
        let mut weights = Weights::new(parameters, Isa::best(), precision);
        let network = Network::new(checkpoint.config(), &mut weights);
        weights.refresh(&Pool::new(1));
        Self { network, weights }
    }

    pub(crate) fn pass<T>(&self, run: impl FnOnce(&Network, &mut Pass<'_>) -> T) -> (T, Gradients) {
        let mut gradients = Gradients::zeros(self.weights.parameters());
        let mut products = Products::new(Isa::best(), self.weights.precision());
        let mut pass = Pass::new(&self.weights, &mut gradients, &mut products, Buffers::default());
        let result = run(&self.network, &mut pass);
        drop(pass);
        (result, gradients)
    }

    pub(crate) fn learn(&self, stream: &Stream, options: &Options) -> (Losses, Gradients) {
        self.pass(|network, pass| network.learn(pass, stream, options))
    }
}

/// One sequence with what the official implementation makes of it.
pub(crate) struct Case {
    pub(crate) file: SafetensorsFile,
    pub(crate) ids: Vec<u32>,
    pub(crate) counts: Vec<f32>,
    pub(crate) images: Vec<ImagePatches>,
}

impl Case {
    pub(crate) fn open(name: &str) -> Self {
        let file = SafetensorsFile::open(&folder(name).join("case.safetensors")).unwrap();
        let integers = |name: &str| file.tensor(name).unwrap().to_i64().unwrap();
        let pixels = file.tensor("pixel_values").unwrap();
        let (width, values) = (pixels.shape[1], pixels.to_f32());
        let mut rest = &values[..];
        let images = integers("image_grid_thw")
            .chunks_exact(3)
            .map(|grid| {
                let grid = [grid[0] as u32, grid[1] as u32, grid[2] as u32];
                let (own, after) = rest.split_at(grid.iter().product::<u32>() as usize * width);
                rest = after;
                ImagePatches {
                    grid,
                    patches: own.to_vec(),
                }
            })
            .collect();
        Self {
            ids: integers("input_ids").iter().map(|id| *id as u32).collect(),
            counts: integers("counts").iter().map(|count| *count as f32).collect(),
            images,
            file,
        }
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<f32> {
        self.file.tensor(name).unwrap().to_f32()
    }

    pub(crate) fn stream(&self, network: &Network) -> Stream {
        let mut stream = Stream::default();
        stream
            .push(network.config(), &self.ids, self.images.clone(), &self.counts)
            .unwrap();
        stream
    }
}

/// `‖found − expected‖ / ‖expected‖`
pub(crate) fn difference(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let apart: f64 = found
        .iter()
        .zip(expected)
        .map(|(f, e)| square(f64::from(*f) - f64::from(*e)))
        .sum();
    let size: f64 = expected.iter().map(|e| square(f64::from(*e))).sum();
    if apart == 0.0 { 0.0 } else { (apart / size).sqrt() }
}
