//! Adapters beside the weights: PEFT's logits over the official classes, the merged checkpoint's logits, and company that
//! changes no bit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurore_checkpoint::{Adapter, Checkpoint, Config, LowRank, Merged, SafetensorsFile};
use aurore_model::{
    Among, Input, LoadOptions, LoadedAdapter, Logits, Model, ModelError, Precision, Segment, Sequence,
    Tokens, Want,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(name)
}

fn load(weights: &dyn aurore_checkpoint::Weights, config: &Config, precision: Precision) -> Model {
    let options = LoadOptions {
        precision,
        ..LoadOptions::default()
    };
    Model::load(weights, config, &options).unwrap()
}

fn positions(ids: &[u32]) -> Vec<[u32; 3]> {
    (0..ids.len() as u32).map(|index| [index; 3]).collect()
}

fn prefill(model: &Model, adapter: Option<&Arc<LoadedAdapter>>, ids: &[u32]) -> (Vec<f32>, Sequence) {
    let mut sequence = model.new_sequence().under(adapter.cloned());
    let positions = positions(ids);
    let input = Input {
        ids,
        positions: &positions,
        images: &[],
    };
    let logits = model.prefill(&mut sequence, &input, Want::All).unwrap();
    (logits.values, sequence)
}

/// `‖found − expected‖ / ‖expected‖`
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let square = |(f, e): (&f32, &f32)| (f - e) * (f - e);
    let apart: f32 = found.iter().zip(expected).map(square).sum();
    let size: f32 = expected.iter().map(|e| e * e).sum();
    (apart / size).sqrt()
}

#[test]
fn logits_are_those_of_peft_over_the_official_classes() {
    for name in ["dense", "moe"] {
        let checkpoint = Checkpoint::open(&folder(&format!("gradients/{name}"))).unwrap();
        let place = folder(&format!("adapters/{name}"));
        let adapter = Adapter::open(&place, checkpoint.config()).unwrap();
        let case = SafetensorsFile::open(&place.join("case.safetensors")).unwrap();
        let ids: Vec<u32> = case
            .tensor("ids")
            .unwrap()
            .to_i64()
            .unwrap()
            .iter()
            .map(|id| *id as u32)
            .collect();
        let model = load(&checkpoint, checkpoint.config(), Precision::F32);
        let loaded = Arc::new(model.load_adapter(&adapter).unwrap());
        for (adapter, expected) in [(None, "without"), (Some(&loaded), "logits")] {
            let expected = case.tensor(expected).unwrap().to_f32();
            let (logits, _) = prefill(&model, adapter, &ids);
            let apart = difference(&logits, &expected);
            assert!(apart < 1e-4, "{name}: {apart}");
        }
        assert!(loaded.memory_bytes() > 4 * adapter.parameters());
    }
}

#[test]
fn merged_weights_say_the_same() {
    // Experts whose shared one is computed with them, and whose is not; text alone.
    for name in [
        "goldens/dense",
        "goldens/moe",
        "goldens/text-only",
        "gradients/moe",
    ] {
        let checkpoint = Checkpoint::open(&folder(name)).unwrap();
        let config = checkpoint.config();
        let adapter = Adapter::random(config, 3, 4);
        let model = load(&checkpoint, config, Precision::F32);
        let merged = load(
            &Merged::new(&checkpoint, &adapter).exact(),
            config,
            Precision::F32,
        );
        let loaded = Arc::new(model.load_adapter(&adapter).unwrap());
        let ids: Vec<u32> = (0..90).map(|id| id * 7 % 80).collect();
        let (mut beside, mut one) = prefill(&model, Some(&loaded), &ids);
        let (mut within, mut other) = prefill(&merged, None, &ids);
        let (plain, _) = prefill(&model, None, &ids);
        assert!(difference(&beside, &plain) > 0.05, "{name}: it changes something");
        for id in [3, 5, 8, 13] {
            let apart = difference(&beside, &within);
            assert!(apart < 1e-4, "{name}: {apart}");
            model.step(&mut one, id, &mut beside).unwrap();
            merged.step(&mut other, id, &mut within).unwrap();
        }
    }
}

#[test]
fn company_under_other_adapters_changes_no_bit() {
    for precision in [Precision::Bf16, Precision::Q8] {
        let checkpoint = Checkpoint::open(&folder("goldens/moe")).unwrap();
        let model = load(&checkpoint, checkpoint.config(), precision);
        let adapters: Vec<Option<Arc<LoadedAdapter>>> = [None, Some(1), Some(2), Some(1), None]
            .into_iter()
            .map(|seed| {
                let adapter = Adapter::random(checkpoint.config(), 4, seed?);
                Some(Arc::new(model.load_adapter(&adapter).unwrap()))
            })
            .collect();
        let prompts: Vec<Vec<u32>> = (0..5)
            .map(|seed| (0..70 + seed).map(|id| (id * 11 + seed) % 80).collect())
            .collect();
        let alone: Vec<(Vec<f32>, Sequence)> = adapters
            .iter()
            .zip(&prompts)
            .map(|(adapter, ids)| prefill(&model, adapter.as_ref(), ids))
            .collect();
        let mut sequences: Vec<Sequence> = adapters
            .iter()
            .map(|adapter| model.new_sequence().under(adapter.clone()))
            .collect();
        let places: Vec<Vec<[u32; 3]>> = prompts.iter().map(|ids| positions(ids)).collect();
        let mut logits = Logits::default();
        let mut batch: Vec<Segment<'_>> = sequences
            .iter_mut()
            .zip(prompts.iter().zip(&places))
            .map(|(sequence, (ids, positions))| Segment {
                sequence,
                tokens: Tokens::Given {
                    ids,
                    positions,
                    features: &[],
                },
                want: Want::All,
                among: Among::All,
            })
            .collect();
        model.forward(&mut batch, &mut logits).unwrap();
        drop(batch);
        let expected: Vec<f32> = alone.iter().flat_map(|(logits, _)| logits).copied().collect();
        assert!(logits.values == expected, "{precision:?}: prompts");

        // And tokens that are written, from snapshots that keep their adapter.
        let mut expected = Vec::new();
        for (_, sequence) in &alone {
            let mut row = Vec::new();
            model
                .step(&mut sequence.snapshot().resume(), 5, &mut row)
                .unwrap();
            expected.extend(row);
        }
        let mut batch: Vec<Segment<'_>> = sequences
            .iter_mut()
            .map(|sequence| Segment {
                sequence,
                tokens: Tokens::Generated(&[5]),
                want: Want::Last,
                among: Among::All,
            })
            .collect();
        model.forward(&mut batch, &mut logits).unwrap();
        assert!(logits.values == expected, "{precision:?}: steps");
    }
}

#[test]
fn what_cannot_stand_beside_the_weights_is_refused() {
    let checkpoint = Checkpoint::open(&folder("goldens/dense")).unwrap();
    let config = checkpoint.config();
    let model = load(&checkpoint, config, Precision::F32);
    let name = "model.visual.blocks.0.attn.proj.weight";
    let side = config.vision.as_ref().unwrap().hidden_size;
    let part = LowRank {
        rank: 1,
        outputs: side,
        inputs: side,
        scale: 1.0,
        a: vec![0.1; side],
        b: vec![0.1; side],
    };
    let sees = Adapter::new("eyes".to_owned(), [(name.to_owned(), vec![part])].into());
    let error = model.load_adapter(&sees).unwrap_err();
    assert!(matches!(error, ModelError::Adapter { .. }));
    let text = error.to_string();
    assert!(
        text.contains("eyes") && text.contains("vision") && text.contains("hint:"),
        "{text}"
    );

    // One that was loaded for another network.
    let other = Checkpoint::open(&folder("goldens/moe")).unwrap();
    let other_model = load(&other, other.config(), Precision::F32);
    let foreign = other_model
        .load_adapter(&Adapter::random(other.config(), 2, 1))
        .unwrap();
    let mut sequence = model.new_sequence().under(Some(Arc::new(foreign)));
    let mut row = Vec::new();
    let error = model.step(&mut sequence, 1, &mut row).unwrap_err().to_string();
    assert!(error.contains("load_adapter"), "{error}");
}
