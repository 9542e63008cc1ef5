//! Checkpoints written in the official layout, read back by this crate and by the format's library.

use std::fs;

use aurore_checkpoint::{Checkpoint, CheckpointError, Config, Exported, RandomWeights, Weights, export};
use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::folder::golden;

fn written(weights: &dyn Weights, config: &Config, shard_bytes: u64) -> (TempDir, Exported) {
    let folder = TempDir::new().unwrap();
    let mut last = 0;
    let exported = export(weights, config, folder.path(), shard_bytes, &mut |done, total| {
        assert!(done >= last && done <= total);
        last = done;
        true
    })
    .unwrap();
    assert_eq!(last, exported.bytes);
    (folder, exported)
}

fn check_same(weights: &dyn Weights, config: &Config, folder: &TempDir) {
    let read = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(read.config(), config);
    for name in read.tensor_names() {
        let tensor = read.tensor(name).unwrap();
        if let Some(prefix) = name
            .strip_suffix(".experts.gate_up_proj")
            .or_else(|| name.strip_suffix(".experts.down_proj"))
        {
            for index in 0..tensor.shape[0] {
                let (found, expected) = (
                    read.expert(prefix, index).unwrap(),
                    weights.expert(prefix, index).unwrap(),
                );
                assert_eq!(found.gate.bytes, expected.gate.bytes, "{name} {index}");
                assert_eq!(found.up.bytes, expected.up.bytes, "{name} {index}");
                assert_eq!(found.down.bytes, expected.down.bytes, "{name} {index}");
            }
            continue;
        }
        let expected = weights.tensor(name).unwrap();
        assert_eq!(tensor.dtype, expected.dtype, "{name}");
        assert_eq!(tensor.bytes, expected.bytes, "{name}");
    }
}

#[test]
fn a_checkpoint_comes_back_as_it_was() {
    for name in ["moe", "text-only"] {
        let source = Checkpoint::open(&golden(name)).unwrap();
        let (folder, exported) = written(&source, source.config(), u64::MAX);
        assert_eq!(exported.files, ["model.safetensors"], "{name}");
        check_same(&source, source.config(), &folder);
        let bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.len(), exported.tensors);
        // Text-only checkpoints have no `language_model` level.
        let norm = if name == "moe" {
            "model.language_model.norm.weight"
        } else {
            "model.norm.weight"
        };
        assert!(tensors.tensor(norm).is_ok(), "{name}");
    }
}

#[test]
fn random_weights_of_a_shape_are_the_same_in_files() {
    let config = Checkpoint::open(&golden("moe")).unwrap().config().clone();
    let weights = RandomWeights::new(&config, 7);
    let (folder, _) = written(&weights, &config, u64::MAX);
    check_same(&weights, &config, &folder);
}

#[test]
fn large_ones_are_sharded_with_an_index() {
    let source = Checkpoint::open(&golden("moe")).unwrap();
    let limit = source.total_bytes() / 3;
    let (folder, exported) = written(&source, source.config(), limit);
    assert!(exported.files.len() >= 3, "{:?}", exported.files);
    for file in &exported.files {
        assert!(file.ends_with(&format!("-of-{:05}.safetensors", exported.files.len())));
    }
    assert!(folder.path().join("model.safetensors.index.json").is_file());
    check_same(&source, source.config(), &folder);
}

#[test]
fn fewer_layers_are_a_checkpoint_of_their_own() {
    let source = Checkpoint::open(&golden("moe")).unwrap();
    let config = source.config().clone().with_layers(2);
    assert_eq!(config.text.num_hidden_layers, 2);
    let (folder, _) = written(&source, &config, u64::MAX);
    check_same(&source, &config, &folder);
}

#[test]
fn an_end_asked_for_leaves_no_checkpoint() {
    let source = Checkpoint::open(&golden("text-only")).unwrap();
    let folder = TempDir::new().unwrap();
    let error = export(&source, source.config(), folder.path(), u64::MAX, &mut |_, _| {
        false
    })
    .unwrap_err();
    assert!(matches!(error, CheckpointError::Interrupted), "{error}");
    assert!(Checkpoint::open(folder.path()).is_err());
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["model.safetensors.partial"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let source = Checkpoint::open(&golden("text-only")).unwrap();
    let nowhere = TempDir::new().unwrap().path().join("nowhere");
    let error = export(&source, source.config(), &nowhere, u64::MAX, &mut |_, _| true).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("nowhere") && said.contains("hint:"), "{said}");
}

#[test]
fn a_tensor_that_is_not_there_is_named() {
    let source = Checkpoint::open(&golden("text-only")).unwrap();
    let mut config = source.config().clone();
    let layers = config.text.layer_types.len();
    config.text.layer_types.push(config.text.layer_types[0]);
    let folder = TempDir::new().unwrap();
    let error = export(&source, &config, folder.path(), u64::MAX, &mut |_, _| true).unwrap_err();
    let first = format!("layers.{layers}.input_layernorm.weight");
    assert!(error.to_string().contains(&first), "{error}");
}
