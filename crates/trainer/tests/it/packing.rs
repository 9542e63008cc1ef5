//! Documents side by side are as strangers.

use aurore_kernels::Precision;
use aurore_trainer::{Balance, Options, Stream};

use crate::common::{Case, Learner, difference};

#[test]
fn documents_of_a_stream_do_not_touch_each_other() {
    let learner = Learner::open("gradients/moe", Precision::Exact);
    let case = Case::open("gradients/moe");
    let config = learner.network.config();
    let text: Vec<u32> = (0..71).map(|i| i * 37 % 80).collect();
    let counts: Vec<f32> = (0..71).map(|i| if i % 3 == 1 { 0.5 } else { 0.0 }).collect();
    // Without the balancing loss, which is one of a whole stream.
    let options = Options {
        scale: 0.25,
        balance_scale: 0.0,
        balance: Balance::Layer,
        look_scale: 0.0,
        early_scale: 0.0,
        reading_scale: 0.0,
        tower_alone: false,
        recompute: false,
    };
    let (mut first, mut second, mut both) = (Stream::default(), Stream::default(), Stream::default());
    first.push(config, &text, Vec::new(), &counts).unwrap();
    second
        .push(config, &case.ids, case.images.clone(), &case.counts)
        .unwrap();
    both.push(config, &text, Vec::new(), &counts).unwrap();
    both.push(config, &case.ids, case.images.clone(), &case.counts)
        .unwrap();

    let (first, own) = learner.learn(&first, &options);
    let (second, other) = learner.learn(&second, &options);
    let (together, gradients) = learner.learn(&both, &options);
    assert!((first.weighted + second.weighted - together.weighted).abs() < 1e-3);
    assert_eq!(first.right + second.right, together.right);
    for ((own, other), found) in own.iter().zip(other.iter()).zip(gradients.iter()) {
        let sum: Vec<f32> = own.iter().zip(other).map(|(a, b)| a + b).collect();
        assert!(difference(found, &sum) < 1e-4, "{}", difference(found, &sum));
    }
}
