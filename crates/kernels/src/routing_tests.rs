use super::Routing;
use crate::testing::{assert_close, cpus, noise};

#[test]
fn every_token_gets_its_best_experts_in_order() {
    let mut routing = Routing::default();
    for (tokens, experts, top_k) in [(0, 4, 2), (1, 1, 1), (7, 5, 5), (33, 16, 3), (129, 256, 8)] {
        let mut logits = noise(1, tokens * experts);
        // Equal ones, at both ends of what is chosen.
        for logits in logits.chunks_mut(experts).filter(|logits| logits.len() > 4) {
            logits[2] = logits[4];
            logits[0] = 1.0;
            logits[3] = 1.0;
        }
        for cpu in cpus() {
            cpu.route(&mut routing, &logits, experts, top_k);
            assert_eq!(routing.tokens.len(), tokens * top_k);
            for (token, logits) in logits.chunks(experts).enumerate() {
                let mut order: Vec<usize> = (0..experts).collect();
                order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
                let total: f32 = order[..top_k].iter().map(|&e| logits[e].exp()).sum();
                for (i, &expert) in order[..top_k].iter().enumerate() {
                    let row = routing.rows[token * top_k + i];
                    assert_eq!(expert_of(&routing, row), Some(expert));
                    assert_eq!(routing.tokens[row as usize] as usize, token);
                    assert_close(
                        &[routing.weights[token * top_k + i]],
                        &[logits[expert].exp() / total],
                        1e-6,
                        "weight",
                    );
                }
            }
        }
    }
}

fn expert_of(routing: &Routing, row: u32) -> Option<usize> {
    let row = row as usize;
    let group = routing
        .groups
        .iter()
        .find(|group| (group.start..group.end).contains(&row));
    group.map(|group| group.matrix)
}

#[test]
fn nan_and_infinity_choose_different_valid_experts() {
    let (nan, least, most) = (f32::NAN, f32::NEG_INFINITY, f32::INFINITY);
    let mut routing = Routing::default();
    for cpu in cpus() {
        cpu.route(
            &mut routing,
            &[nan, nan, nan, most, 1.0, least, nan, least, 0.0],
            3,
            2,
        );
        let experts: Vec<_> = routing
            .rows
            .iter()
            .map(|&row| expert_of(&routing, row).unwrap())
            .collect();
        assert_eq!(experts, [0, 1, 0, 1, 2, 1]);
        assert_eq!(routing.weights[4..], [1.0, 0.0]);
    }
}

#[test]
fn results_are_gathered_and_combined() {
    let (tokens, experts, top_k, width) = (5, 4, 2, 33);
    let mut routing = Routing::default();
    let x = noise(2, tokens * width);
    let (gates, shared) = (noise(3, tokens), noise(4, tokens * width));
    for cpu in cpus() {
        cpu.route(&mut routing, &noise(1, tokens * experts), experts, top_k);
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
