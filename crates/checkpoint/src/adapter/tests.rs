//! Folders of adapters: what PEFT wrote is read, what is written is read back, and what is wrong is named.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, Adapter, AdapterConfig, Merged};
use crate::{Checkpoint, Config, Described, Dtype, SafetensorsFile, SafetensorsWriter, Weights};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(name)
}

fn config(name: &str) -> Config {
    let file = reference(&format!("gradients/{name}/config.json"));
    Config::from_json(&std::fs::read_to_string(file).unwrap(), "config.json").unwrap()
}

fn about() -> AdapterConfig {
    AdapterConfig {
        base: "base".to_owned(),
        rank: 4,
        alpha: 6.0,
        root: false,
    }
}

#[test]
fn what_peft_writes_is_what_is_written() {
    for name in ["dense", "moe"] {
        let (folder, config) = (reference(&format!("adapters/{name}")), config(name));
        let adapter = Adapter::open(&folder, &config).unwrap();
        assert_eq!(adapter.parameters() % 4, 0);
        let to = tempfile::tempdir().unwrap();
        adapter.write(to.path(), &config, &about()).unwrap();
        // The same tensors under the same names, and the same targets.
        let [theirs, ours] = [folder.as_path(), to.path()]
            .map(|folder| SafetensorsFile::open(&folder.join(ADAPTER_WEIGHTS)).unwrap());
        assert!(theirs.names().eq(ours.names()), "{name}");
        for tensor in theirs.names() {
            let (theirs, ours) = (theirs.tensor(tensor).unwrap(), ours.tensor(tensor).unwrap());
            assert_eq!(
                (theirs.shape.clone(), theirs.to_f32()),
                (ours.shape.clone(), ours.to_f32())
            );
        }
        let [theirs, ours] = [folder.as_path(), to.path()].map(|folder| -> Value {
            serde_json::from_str(&std::fs::read_to_string(folder.join(ADAPTER_CONFIG)).unwrap()).unwrap()
        });
        for field in ["target_modules", "target_parameters"] {
            let sorted = |value: &Value| {
                let list = value[field].as_array().cloned().unwrap_or_default();
                let mut list: Vec<String> = list.iter().map(ToString::to_string).collect();
                list.sort();
                list
            };
            assert_eq!(sorted(&theirs), sorted(&ours), "{name}: {field}");
        }
        for field in [
            "peft_type",
            "r",
            "bias",
            "use_dora",
            "use_rslora",
            "fan_in_fan_out",
        ] {
            assert_eq!(theirs[field], ours[field], "{name}: {field}");
        }
        let again = Adapter::open(to.path(), &config).unwrap();
        assert_eq!(again.identity(), adapter.identity());
        assert_ne!(adapter.identity(), Adapter::random(&config, 4, 1).identity());
    }
}

#[test]
fn text_only_checkpoints_have_names_of_their_own() {
    let folder = reference("goldens/text-only");
    let config = Checkpoint::open(&folder).unwrap().config().clone();
    assert!(config.vision.is_none());
    let adapter = Adapter::random(&config, 2, 3);
    let to = tempfile::tempdir().unwrap();
    adapter.write(to.path(), &config, &about()).unwrap();
    let file = SafetensorsFile::open(&to.path().join(ADAPTER_WEIGHTS)).unwrap();
    assert!(
        file.names()
            .all(|name| name.starts_with("base_model.model.model.layers."))
    );
    let again = Adapter::open(to.path(), &config).unwrap();
    assert!(
        again
            .parts()
            .map(|(name, _)| name)
            .eq(adapter.parts().map(|(name, _)| name))
    );
}

#[test]
fn merged_weights_have_the_additions() {
    let checkpoint = Checkpoint::open(&reference("gradients/moe")).unwrap();
    let adapter = Adapter::open(&reference("adapters/moe"), checkpoint.config()).unwrap();
    let merged = Merged::new(&checkpoint, &adapter).exact();
    let layer = "model.language_model.layers.0";
    let check = |name: &str, index: usize, plain: Vec<f32>, found: Vec<f32>, first: usize| {
        let part = &adapter.get(name).unwrap()[index];
        for (place, (plain, found)) in plain.iter().zip(&found).enumerate() {
            let (row, column) = (first + place / part.inputs, place % part.inputs);
            let sum: f32 = (0..part.rank)
                .map(|r| part.b[row * part.rank + r] * part.a[r * part.inputs + column])
                .sum();
            assert!(
                (found - plain - part.scale * sum).abs() < 1e-5,
                "{name} {row} {column}"
            );
        }
        assert_ne!(plain, found);
    };
    let name = format!("{layer}.linear_attn.in_proj_z.weight");
    let values = |weights: &dyn Weights| weights.tensor(&name).unwrap().to_f32();
    check(&name, 0, values(&checkpoint), values(&merged), 0);
    let prefix = format!("{layer}.mlp");
    let (plain, found) = (
        checkpoint.expert(&prefix, 3).unwrap(),
        merged.expert(&prefix, 3).unwrap(),
    );
    let fused = format!("{prefix}.experts.gate_up_proj");
    let half = plain.gate.shape[0];
    check(&fused, 3, plain.gate.to_f32(), found.gate.to_f32(), 0);
    check(&fused, 3, plain.up.to_f32(), found.up.to_f32(), half);
    let fused = format!("{prefix}.experts.down_proj");
    check(&fused, 3, plain.down.to_f32(), found.down.to_f32(), 0);
    // The same through the fused tensor.
    let tensor = merged.tensor(&fused).unwrap().to_f32();
    let size = found.down.len();
    assert_eq!(tensor[3 * size..4 * size], found.down.to_f32());
}

/// A folder with another configuration, or other tensors, than PEFT's.
fn changed(
    config: impl FnOnce(&mut Value),
    tensors: impl FnOnce(&mut Vec<(Described, Vec<u8>)>),
) -> tempfile::TempDir {
    let from = reference("adapters/dense");
    let to = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(from.join(ADAPTER_CONFIG)).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    config(&mut value);
    std::fs::write(to.path().join(ADAPTER_CONFIG), value.to_string()).unwrap();
    let file = SafetensorsFile::open(&from.join(ADAPTER_WEIGHTS)).unwrap();
    let mut list: Vec<(Described, Vec<u8>)> = file
        .names()
        .map(|name| {
            let tensor = file.tensor(name).unwrap();
            let described = Described {
                name: name.to_owned(),
                dtype: Dtype::F32,
                shape: tensor.shape.clone(),
            };
            (described, tensor.bytes.to_vec())
        })
        .collect();
    tensors(&mut list);
    let described: Vec<Described> = list.iter().map(|(described, _)| described.clone()).collect();
    let mut writer = SafetensorsWriter::create(&to.path().join(ADAPTER_WEIGHTS), &described).unwrap();
    for (_, bytes) in &list {
        writer.write(bytes).unwrap();
    }
    writer.finish().unwrap();
    to
}

#[test]
fn mistakes_are_named() {
    let refused = |folder: &Path, config: &Config, says: &[&str]| {
        let error = Adapter::open(folder, config).unwrap_err().to_string();
        for part in says.iter().chain(&["hint:"]) {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    let dense = config("dense");
    refused(Path::new("/nowhere"), &dense, &[ADAPTER_CONFIG]);
    for (field, value) in [
        ("use_dora", Value::from(true)),
        ("bias", Value::from("all")),
        ("alpha_pattern", serde_json::json!({"q_proj": 3})),
        ("modules_to_save", serde_json::json!(["lm_head"])),
        ("peft_type", Value::from("IA3")),
        ("r", Value::from(0)),
        ("lora_alpha", Value::from("much")),
    ] {
        let folder = changed(|config| config[field] = value, |_| ());
        let named = if field == "peft_type" { "IA3" } else { field };
        let named = if field == "lora_alpha" { "expected" } else { named };
        refused(folder.path(), &dense, &[ADAPTER_CONFIG, named]);
    }
    let first = |list: &mut Vec<(Described, Vec<u8>)>| list[0].0.name.clone();
    let mut name = String::new();
    // A without its B, a tensor of no addition, one of no such place, numbers that are none.
    let folder = changed(
        |_| (),
        |list| {
            name = first(list);
            list.remove(1);
        },
    );
    refused(folder.path(), &dense, &["lora_B", "missing"]);
    let folder = changed(
        |_| (),
        |list| {
            let described = Described {
                name: "something.weight".to_owned(),
                dtype: Dtype::F32,
                shape: vec![1],
            };
            list.push((described, vec![0; 4]));
        },
    );
    refused(folder.path(), &dense, &["something.weight"]);
    let folder = changed(
        |_| (),
        |list| {
            for (described, _) in list.iter_mut() {
                described.name = described.name.replace("q_proj", "quiz_proj");
            }
        },
    );
    refused(folder.path(), &dense, &["quiz_proj"]);
    let folder = changed(
        |_| (),
        |list| list[0].1[..4].copy_from_slice(&f32::NAN.to_le_bytes()),
    );
    refused(folder.path(), &dense, &[&name, "finite", "NaN"]);
    // An adapter for another network.
    let other = Config::official("0.8B").unwrap();
    refused(&reference("adapters/dense"), &other, &["shape"]);
    refused(&reference("adapters/moe"), &config("dense"), &["experts"]);
}
