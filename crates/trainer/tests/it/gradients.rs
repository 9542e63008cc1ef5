//! Loss and gradients of every tensor, against PyTorch's autograd on the official classes
//! (`reference/make_gradients.py`).

use aurore_kernels::Precision;
use aurore_trainer::{Balance, Gradients, Options};

use crate::common::{Case, Learner, difference};

/// `balance_weight` of `reference/gradients/about.json`.
const BALANCE: f32 = 0.05;

fn learn(name: &str, learner: &Learner, case: &Case, recompute: bool) -> (f64, Gradients) {
    let stream = case.stream(&learner.network);
    let options = Options {
        scale: 1.0 / stream.weight() as f32,
        balance_scale: BALANCE,
        balance: Balance::Network,
        look_scale: 0.0,
        early_scale: 0.0,
        reading_scale: 0.0,
        tower_alone: false,
        recompute,
    };
    let (losses, gradients) = learner.learn(&stream, &options);
    let mut loss = losses.weighted / stream.weight();
    if name == "moe" {
        loss += f64::from(BALANCE * losses.balance);
    }
    (loss, gradients)
}

/// Norms of differences, and of each number beside the tensor's largest.
const WITHIN: f64 = 1e-3;

fn check(name: &str, recompute: bool) {
    let folder = format!("gradients/{name}");
    let (learner, case) = (Learner::open(&folder, Precision::Exact), Case::open(&folder));
    let (loss, gradients) = learn(name, &learner, &case, recompute);
    let expected = f64::from(case.numbers("loss")[0]);
    assert!(
        (loss / expected - 1.0).abs() < 1e-5,
        "loss {loss}, not {expected}"
    );

    let mut wrong = Vec::new();
    for (parameter, found) in learner.weights.parameters().iter().zip(gradients.iter()) {
        let expected = case.numbers(&format!("gradient.{}", parameter.name));
        let off = difference(found, &expected);
        let largest = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let worst = found
            .iter()
            .zip(&expected)
            .fold(0.0f32, |worst, (f, e)| worst.max((f - e).abs()));
        // NaN is wrong too.
        let right = off < WITHIN && f64::from(worst / largest) < WITHIN;
        if !right {
            wrong.push(format!(
                "{}: {off:.1e}, at worst {:.1e}",
                parameter.name,
                worst / largest
            ));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[test]
fn dense_with_pictures() {
    check("dense", false);
}

#[test]
fn experts_with_pictures() {
    check("moe", false);
}

#[test]
fn layers_computed_again_give_the_same() {
    check("moe", true);
}

/// This random network amplifies roundings: PyTorch's own bf16 products move some of its gradients by half.
#[test]
fn bf16_is_off_about_as_far_as_under_autocast() {
    for name in ["dense", "moe"] {
        let folder = format!("gradients/{name}");
        let (learner, case) = (Learner::open(&folder, Precision::Bf16), Case::open(&folder));
        let (losses, gradients) = learn(name, &learner, &case, false);
        let (exact, theirs) = (case.numbers("loss")[0], case.numbers("autocast.loss")[0]);
        let (ours, theirs) = (
            (losses - f64::from(exact)).abs(),
            f64::from((theirs - exact).abs()),
        );
        assert!(
            ours < 2.0 * theirs + 0.01,
            "{name}: loss off by {ours}, by {theirs} under autocast"
        );
        let mut sums = [0.0; 2];
        for (parameter, found) in learner.weights.parameters().iter().zip(gradients.iter()) {
            let off = difference(found, &case.numbers(&format!("gradient.{}", parameter.name)));
            let theirs = f64::from(case.numbers(&format!("autocast.{}", parameter.name))[0]);
            assert!(
                off < 2.5 * theirs + 0.05,
                "{}: {off}, {theirs} under autocast",
                parameter.name
            );
            sums[0] += off;
            sums[1] += theirs;
        }
        assert!(sums[0] < 1.25 * sums[1], "{name}: {sums:?} in all");
    }
}
