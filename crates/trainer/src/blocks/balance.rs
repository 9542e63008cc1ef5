//! The router's balancing loss (Switch Transformer, arXiv 2101.03961, equations 4 to 6): `E · Σ fₑ·Pₑ`, with the share
//! of choices that fall on an expert and the mean probability that it gets.

/// Over what choices and probabilities are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each layer by itself; the loss is the mean of theirs.
    #[default]
    Layer,
    /// All layers together, as the official implementation does it: number e of one layer counts as the same
    /// expert as number e of another.
    Network,
}

/// How a layer used its experts.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    /// Tokens.
    pub(crate) rows: usize,
    /// How many chose each expert. `[E]`
    pub(crate) choices: Vec<f32>,
    /// Sum of its probabilities. `[E]`
    pub(crate) probabilities: Vec<f32>,
}

impl Balance {
    /// The loss, and per layer its gradient with respect to every token's probability of each expert, `[E]`.
    pub(crate) fn loss(self, layers: &[Usage]) -> (f32, Vec<Vec<f32>>) {
        let one = |group: &[&Usage]| {
            let rows: f32 = group.iter().map(|usage| usage.rows as f32).sum::<f32>().max(1.0);
            let experts = group.first().map_or(0, |usage| usage.choices.len());
            let mut loss = 0.0;
            let mut slopes = vec![0.0; experts];
            for expert in 0..experts {
                let sum = |of: fn(&Usage) -> &Vec<f32>| -> f32 {
                    group.iter().map(|usage| of(usage)[expert]).sum()
                };
                let share = sum(|usage| &usage.choices) / rows;
                loss += experts as f32 * share * sum(|usage| &usage.probabilities) / rows;
                slopes[expert] = experts as f32 * share / rows;
            }
            (loss, slopes)
        };
        match self {
            Self::Network => {
                let all: Vec<&Usage> = layers.iter().collect();
                let (loss, slopes) = one(&all);
                (loss, vec![slopes; layers.len()])
            }
            Self::Layer => {
                let count = layers.len().max(1) as f32;
                let mut sum = 0.0;
                let mut all = Vec::with_capacity(layers.len());
                for usage in layers {
                    let (loss, mut slopes) = one(&[usage]);
                    sum += loss / count;
                    for slope in &mut slopes {
                        *slope /= count;
                    }
                    all.push(slopes);
                }
                (sum, all)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_use_costs_the_number_of_choices() {
        let even = Usage {
            rows: 8,
            choices: vec![4.0; 4],
            probabilities: vec![2.0; 4],
        };
        for balance in [Balance::Layer, Balance::Network] {
            let (loss, slopes) = balance.loss(&[even.clone(), even.clone()]);
            assert!((loss - 2.0).abs() < 1e-6, "two of four experts per token: {loss}");
            assert_eq!((slopes.len(), slopes[1].len()), (2, 4));
        }
    }

    #[test]
    fn layers_that_mirror_each_other_are_even_only_together() {
        let usage = |first: f32| Usage {
            rows: 4,
            choices: vec![first, 4.0 - first],
            probabilities: vec![first, 4.0 - first],
        };
        let layers = [usage(4.0), usage(0.0)];
        assert!((Balance::Network.loss(&layers).0 - 1.0).abs() < 1e-6);
        assert!((Balance::Layer.loss(&layers).0 - 2.0).abs() < 1e-6);
    }
}
