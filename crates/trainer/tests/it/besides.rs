//! What is taught beside the answers' tokens: gradients against differences of the loss.

use aurore_kernels::{Pool, Precision};
use aurore_trainer::{Balance, Look, Losses, Options, Stream, StreamError, Target};

use crate::common::{Case, Learner};

/// Readings of some of the picture's tokens, and looks of the last row at two of them.
fn stream(learner: &Learner, case: &Case) -> Stream {
    let mut stream = case.stream(&learner.network);
    let image = learner.network.config().image_token_id;
    let cells: Vec<usize> = (0..case.ids.len())
        .filter(|row| case.ids[*row] == image)
        .collect();
    let reading = |(number, row): (usize, &usize)| Target {
        row: *row,
        id: 5 + 3 * number as u32,
        weight: 1.0 + number as f32 / 4.0,
    };
    let readings: Vec<Target> = cells.iter().enumerate().map(reading).collect();
    stream.read(learner.network.config(), &readings).unwrap();
    let taught = case.counts.iter().rposition(|count| *count > 0.0).unwrap() - 1;
    let look = Look {
        row: taught,
        at: cells[1],
    };
    stream.look(&[look]).unwrap();
    stream
}

#[test]
fn gradients_of_readings_looks_and_early_answers_are_those_of_the_loss() {
    let mut learner = Learner::open("gradients/dense", Precision::Exact);
    let case = Case::open("gradients/dense");
    let stream = stream(&learner, &case);
    for [look_scale, early_scale, reading_scale] in [[0.0, 0.0, 0.05], [0.3, 0.0, 0.0], [0.0, 0.4, 0.0]] {
        let options = Options {
            scale: 0.0,
            balance_scale: 0.0,
            balance: Balance::Layer,
            look_scale,
            early_scale,
            reading_scale,
            tower_alone: false,
            recompute: false,
        };
        let loss = |losses: Losses| {
            f64::from(look_scale) * losses.missed
                + f64::from(early_scale) * losses.early
                + f64::from(reading_scale) * losses.reading
        };
        let (losses, gradients) = learner.learn(&stream, &options);
        assert!(loss(losses) > 0.0);
        let square = |values: &[f32]| values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let length = gradients.iter().map(square).sum::<f64>().sqrt();
        assert!(length > 1e-4, "{length}");
        // Along the gradient the loss rises by its length.
        let mut at = |step: f64| {
            let factor = (step / length) as f32;
            let change = |learner: &mut Learner, factor: f32| {
                let parameters = learner.weights.parameters_mut().list_mut();
                for (parameter, slope) in parameters.iter_mut().zip(gradients.iter()) {
                    for (value, slope) in parameter.values.iter_mut().zip(slope) {
                        *value += factor * slope;
                    }
                }
                learner.weights.refresh(&Pool::new(1));
            };
            change(&mut learner, factor);
            let losses = learner.learn(&stream, &options).0;
            change(&mut learner, -factor);
            loss(losses)
        };
        let step = 3e-4;
        let rise = (at(step) - at(-step)) / (2.0 * step);
        assert!(
            (rise / length - 1.0).abs() < 0.02,
            "{look_scale} {early_scale} {reading_scale}: {rise}, not {length}"
        );
    }
}

#[test]
fn readings_stay_with_their_document() {
    let learner = Learner::open("gradients/dense", Precision::Exact);
    let case = Case::open("gradients/dense");
    let config = learner.network.config();
    let mut two = Stream::default();
    let reading = |row, id| Target { row, id, weight: 1.0 };
    two.push(config, &[1, 2, 3], Vec::new(), &[0.0; 3]).unwrap();
    two.push(config, &case.ids, case.images.clone(), &case.counts)
        .unwrap();
    two.read(config, &[reading(4, 7)]).unwrap();
    assert_eq!(two.readings(), [reading(7, 7)]);
    let rows = case.ids.len();
    let vocabulary = config.text.vocab_size;
    for (row, id) in [(rows, 7), (0, vocabulary as u32)] {
        let refused = two.read(config, &[reading(row, id)]).unwrap_err();
        assert_eq!(
            refused,
            StreamError::Reading {
                row,
                id,
                rows,
                vocabulary
            }
        );
    }
}
