//! The forward pass against `aurore-model`'s reference.

use aurore_checkpoint::Checkpoint;
use aurore_kernels::Precision;
use aurore_model::{Input, reference};

use crate::common::{Case, Learner, difference, folder};

/// How far logits may be apart, of their spread: f32 in both, summed in other orders.
const WITHIN: f64 = 2e-5;

#[test]
fn logits_are_those_of_the_model_and_of_the_official_implementation() {
    for name in ["dense", "moe"] {
        let path = format!("gradients/{name}");
        let (learner, case) = (Learner::open(&path, Precision::Exact), Case::open(&path));
        let stream = case.stream(&learner.network);
        let (logits, _) = learner.pass(|network, pass| network.logits(pass, &stream));
        let official = case.numbers("logits");
        assert!(
            difference(&logits, &official) < WITHIN,
            "{}",
            difference(&logits, &official)
        );

        let checkpoint = Checkpoint::open(&folder(&path)).unwrap();
        let model = reference::Model::load(&checkpoint, checkpoint.config()).unwrap();
        let input = Input {
            ids: stream.ids(),
            positions: stream.positions(),
            images: stream.images(),
        };
        let (output, _) = model.forward(&input).unwrap();
        assert!(
            difference(&logits, &output.logits) < WITHIN,
            "{}",
            difference(&logits, &output.logits)
        );
    }
}
