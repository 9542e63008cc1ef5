//! AdamW (arXiv 1711.05101): Adam with weight decay apart from the gradient.

use super::OptimiserSettings;
use crate::ops::vectorised;

/// Numbers of one step.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    rate: f32,
    decay: f32,
    betas: [f32; 2],
    /// `1 / (1 − βⁿ)`: both means begin at zero.
    corrections: [f32; 2],
    epsilon: f32,
    clip: f32,
}

impl Numbers {
    pub(super) fn new(settings: &OptimiserSettings, steps: u64, rate: f32, decay: f32, clip: f32) -> Self {
        let power = i32::try_from(steps).unwrap_or(i32::MAX);
        let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powi(power))) as f32;
        Self {
            rate,
            decay,
            betas: settings.betas,
            corrections: settings.betas.map(correction),
            epsilon: settings.epsilon,
            clip,
        }
    }
}

vectorised! {
    fn step(
        values: &'a mut [f32],
        gradient: &'a [f32],
        first: &'a mut [f32],
        second: &'a mut [f32],
        numbers: Numbers,
    ) {
        let [beta1, beta2] = numbers.betas;
        let [correct1, correct2] = numbers.corrections;
        let kept = 1.0 - numbers.rate * numbers.decay;
        let states = first.iter_mut().zip(second);
        for ((x, g), (m, v)) in values.iter_mut().zip(gradient).zip(states) {
            let g = g * numbers.clip;
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            let update = *m * correct1 / ((*v * correct2).sqrt() + numbers.epsilon);
            *x = *x * kept - numbers.rate * update;
        }
    }
}

#[cfg(test)]
mod tests {
    use aurore_kernels::Isa;

    use super::*;

    #[test]
    fn the_first_steps_go_against_the_gradient_by_the_rate() {
        let settings = OptimiserSettings {
            weight_decay: 0.0,
            ..OptimiserSettings::default()
        };
        let (mut values, gradient) = (vec![1.0, 1.0, 1.0], [3.0, -0.01, 0.0]);
        let (mut first, mut second) = (vec![0.0; 3], vec![0.0; 3]);
        for steps in 1..=2 {
            let numbers = Numbers::new(&settings, steps, 0.1, 0.0, 1.0);
            step(
                Isa::best(),
                &mut values,
                &gradient,
                &mut first,
                &mut second,
                numbers,
            );
        }
        for (value, expected) in values.iter().zip([0.8, 1.2, 1.0]) {
            assert!((value - expected).abs() < 1e-4, "{values:?}");
        }
    }
}
