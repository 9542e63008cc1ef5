use super::Routing;
use crate::testing::{assert_close, cpus, noise};

#[test]
fn every_token_gets_its_best_experts_in_order() {
    let mut routing = Routing::default();
    for (tokens, experts, top_k) in [(0, 4, 2), (1, 1, 1), (7, 5, 5), (33, 16, 3)] {
        let logits = noise(1, tokens * experts);
        routing.route(&mut logits.clone(), experts, top_k);
        let expert_of = |row: u32| {
            let row = row as usize;
            routing
                .groups
                .iter()
                .find(|group| (group.start..group.end).contains(&row))
                .map(|group| group.matrix)
        };
        for (token, logits) in logits.chunks(experts).enumerate() {
            let mut order: Vec<usize> = (0..experts).collect();
            order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
            let total: f32 = order[..top_k].iter().map(|&e| logits[e].exp()).sum();
            for (i, &expert) in order[..top_k].iter().enumerate() {
                let row = routing.rows[token * top_k + i];
                assert_eq!(expert_of(row), Some(expert));
                assert_eq!(routing.tokens[row as usize] as usize, token);
                assert_close(
                    &[routing.weights[token * top_k + i]],
                    &[logits[expert].exp() / total],
                    1e-6,
                    "weight",
                );
            }
        }
        assert_eq!(routing.tokens.len(), tokens * top_k);
    }
}

#[test]
fn nan_and_infinity_choose_valid_experts() {
    let mut routing = Routing::default();
    routing.route(
        &mut [
            f32::NAN,
            f32::NAN,
            f32::NAN,
            f32::INFINITY,
            1.0,
            f32::NEG_INFINITY,
        ],
        3,
        2,
    );
    assert_eq!(routing.rows.len(), 4);
    assert!(routing.groups.iter().all(|group| group.matrix < 3));
}

#[test]
fn results_are_gathered_and_combined() {
    let (tokens, experts, top_k, width) = (5, 4, 2, 33);
    let mut routing = Routing::default();
    routing.route(&mut noise(1, tokens * experts), experts, top_k);
    let x = noise(2, tokens * width);
    let (gates, shared) = (noise(3, tokens), noise(4, tokens * width));
    for cpu in cpus() {
        let mut results = vec![0.0; tokens * top_k * width];
        cpu.gather_rows(&x, &routing.tokens, width, &mut results);
        let mut out = x.clone();
        cpu.combine_experts(&routing, &results, &gates, &shared, width, &mut out);
        // The weights of a token sum to 1, so its own row comes back.
        let expected: Vec<f32> = (0..x.len())
            .map(|i| 2.0 * x[i] + shared[i] / (1.0 + (-gates[i / width]).exp()))
            .collect();
        assert_close(&out, &expected, 1e-6, "combined");
    }
}
