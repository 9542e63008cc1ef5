//! The committed goldens, and how closely they must be met.

use std::path::PathBuf;

use aurore_checkpoint::{Case, CaseEntry, Cases, Checkpoint, Config, Expected};
use aurore_model::{ImagePatches, TokenId, positions::prompt_positions};

/// The tiny checkpoints.
pub(crate) const CHECKPOINTS: [&str; 4] = ["dense", "moe", "moe-per-expert", "text-only"];

/// Largest absolute difference of an f32 path.
pub(crate) const MAX_ABS: f32 = 5e-3;
/// Root mean square difference of an f32 path.
pub(crate) const RMS: f32 = 2e-4;
/// Greedy choices closer than this may differ.
pub(crate) const MARGIN: f32 = 0.01;

pub(crate) fn checkpoint(name: &str) -> Checkpoint {
    Checkpoint::open(&folder(name)).unwrap()
}

/// Every case of a checkpoint, with the configuration that it runs under.
pub(crate) fn cases(name: &str) -> Vec<(CaseEntry, Case, Config)> {
    let config = checkpoint(name).config().clone();
    let cases = Cases::open(&folder(name).join("cases")).unwrap();
    let with_case = |entry: &CaseEntry| {
        let mut config = config.clone();
        if let Some(overrides) = &entry.rope_parameters_override {
            let longest = config.text.max_position_embeddings;
            config.text.rope = config.text.rope.merged(overrides, longest, "index.json").unwrap();
        }
        (entry.clone(), cases.load(entry).unwrap(), config)
    };
    cases.entries().iter().map(with_case).collect()
}

/// A case's prompt, owned; positions are this crate's own, checked against the case's.
pub(crate) struct Prompt {
    pub(crate) ids: Vec<TokenId>,
    pub(crate) positions: Vec<[u32; 3]>,
    pub(crate) images: Vec<ImagePatches>,
}

pub(crate) fn prompt(case: &Case, config: &Config) -> Prompt {
    let ids = case.input_ids().unwrap().unwrap();
    let images: Vec<ImagePatches> = case
        .images()
        .unwrap()
        .into_iter()
        .map(|image| ImagePatches {
            grid: image.grid,
            patches: image.patches,
        })
        .collect();
    let (positions, delta) = prompt_positions(&ids, &images, config.image_token_id, 2);
    assert_eq!(Some(&positions), case.positions().unwrap().as_ref());
    assert_eq!(Some(delta), case.rope_delta().unwrap());
    Prompt {
        ids,
        positions,
        images,
    }
}

/// Largest and root mean square difference.
pub(crate) fn difference(found: &[f32], expected: &[f32]) -> (f32, f32) {
    assert_eq!(found.len(), expected.len());
    let mut max = 0.0f32;
    let mut squares = 0.0f64;
    for (found, expected) in found.iter().zip(expected) {
        let difference = (found - expected).abs();
        assert!(difference.is_finite());
        max = max.max(difference);
        squares += f64::from(difference).powi(2);
    }
    (max, (squares / expected.len() as f64).sqrt() as f32)
}

/// Fails unless `found` is within the gates of an f32 path.
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &Expected) {
    let (max, rms) = difference(found, &expected.values);
    assert!(max <= MAX_ABS && rms <= RMS, "{what}: max {max}, rms {rms}");
}

pub(crate) fn argmax(row: &[f32]) -> TokenId {
    let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]).then(b.cmp(a)));
    best.unwrap() as TokenId
}

pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference/goldens")).join(name)
}
