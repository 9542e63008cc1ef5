//! Whole checkpoints: layouts that are accepted, damage that is named.

use std::fs;

use aurore_checkpoint::{Checkpoint, Config, Files, RandomWeights, Weights};
use tempfile::TempDir;

use crate::folder::{Dtype, Piece, assert_says, changed, golden, pieces, write};

const NORM: &str = "model.norm.weight";
const NORM_OFFICIAL: &str = "model.language_model.norm.weight";

fn refuse(folder: &TempDir) -> String {
    Checkpoint::open(folder.path()).unwrap_err().to_string()
}

/// A copy of a golden checkpoint's own files.
fn copy(name: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in fs::read_dir(golden(name)).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    folder
}

#[test]
fn every_layout_opens() {
    for (name, tensors) in [
        ("dense", 88),
        ("moe", 146),
        ("moe-per-expert", 101),
        ("text-only", 28),
    ] {
        let checkpoint = Checkpoint::open(&golden(name)).unwrap();
        assert_eq!(checkpoint.tensor_names().count(), tensors, "{name}");
        let sum: u64 = checkpoint
            .tensor_names()
            .map(|tensor| checkpoint.tensor(tensor).unwrap().bytes.len() as u64)
            .sum();
        assert_eq!(checkpoint.total_bytes(), sum);
        assert_eq!(checkpoint.bytes_by_dtype().values().sum::<u64>(), sum);
        assert_eq!(checkpoint.tensor(NORM_OFFICIAL).unwrap().shape, [64], "{name}");
    }
}

#[test]
fn embedded_files_open() {
    static FILES: &[(&str, &[u8])] = &[
        (
            "config.json",
            include_bytes!("../../../../reference/goldens/text-only/config.json"),
        ),
        (
            "model.safetensors",
            include_bytes!("../../../../reference/goldens/text-only/model.safetensors"),
        ),
    ];
    let embedded = Checkpoint::from_files(Files::embedded(FILES)).unwrap();
    let folder = Checkpoint::open(&golden("text-only")).unwrap();
    assert_eq!(embedded.hash(), folder.hash());
    assert_eq!(embedded.files().read("tokenizer.json").unwrap(), None);
    let error = Checkpoint::from_files(Files::embedded(&FILES[..1]))
        .unwrap_err()
        .to_string();
    assert_says(&error, &["embedded", "model.safetensors"]);
}

#[test]
fn missing_extra_and_misshapen_tensors_are_named() {
    let missing = changed(|tensors| drop(tensors.remove(NORM)));
    assert_says(&refuse(&missing), &[NORM_OFFICIAL, "is missing", "[64]"]);

    let extra = changed(|tensors| {
        let piece = tensors[NORM].clone();
        tensors.insert("model.layers.0.surprise".to_owned(), piece);
    });
    assert_says(
        &refuse(&extra),
        &["model.safetensors", "layers.0.surprise", "[64]", "no place"],
    );

    let misshapen = changed(|tensors| {
        let piece = tensors.get_mut("model.layers.1.self_attn.k_proj.weight").unwrap();
        piece.shape.reverse();
    });
    assert_says(
        &refuse(&misshapen),
        &[
            "model.safetensors",
            "layers.1.self_attn.k_proj.weight",
            "expected shape [128, 64]",
            "found [64, 128]",
        ],
    );

    let dtype = changed(|tensors| {
        let piece = tensors.get_mut(NORM).unwrap();
        *piece = Piece {
            dtype: Dtype::I64,
            shape: vec![64],
            data: vec![0; 512],
        };
    });
    assert_says(
        &refuse(&dtype),
        &[
            "model.safetensors",
            NORM_OFFICIAL,
            "expected dtype F32, BF16 or F16",
            "I64",
        ],
    );

    let foreign = changed(|tensors| {
        let piece = tensors.get_mut(NORM).unwrap();
        *piece = Piece {
            dtype: Dtype::F8_E4M3,
            shape: vec![64],
            data: vec![0; 64],
        };
    });
    assert_says(
        &refuse(&foreign),
        &["model.safetensors", "norm.weight", "F8_E4M3"],
    );

    let both = changed(|tensors| {
        let piece = tensors[NORM].clone();
        tensors.insert(NORM_OFFICIAL.to_owned(), piece);
    });
    assert_says(&refuse(&both), &[NORM_OFFICIAL, "also in"]);
}

#[test]
fn unused_tensors_of_other_writers_are_tolerated() {
    let folder = changed(|tensors| {
        let piece = tensors[NORM].clone();
        tensors.insert("model.visual.merger.norm.weight".to_owned(), piece);
    });
    Checkpoint::open(folder.path()).unwrap();
}

#[test]
fn mtp_tensors_come_together_or_not_at_all() {
    let folder = copy("moe");
    let index = folder.path().join("model.safetensors.index.json");
    let all: serde_json::Value = serde_json::from_str(&fs::read_to_string(&index).unwrap()).unwrap();
    let shard_names: std::collections::BTreeSet<String> = all["weight_map"]
        .as_object()
        .unwrap()
        .values()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect();
    let rewrite = |keep: &dyn Fn(&str) -> bool| {
        let mut map = serde_json::Map::new();
        for shard in &shard_names {
            let mut tensors = pieces(&golden("moe").join(shard));
            tensors.retain(|name, _| keep(name));
            map.extend(tensors.keys().map(|name| (name.clone(), shard.as_str().into())));
            write(&folder.path().join(shard), &tensors);
        }
        fs::write(&index, serde_json::json!({"weight_map": map}).to_string()).unwrap();
    };
    rewrite(&|name| !name.starts_with("mtp."));
    Checkpoint::open(folder.path()).unwrap();
    rewrite(&|name| name != "mtp.layers.0.mlp.experts.3.up_proj.weight");
    assert_says(
        &refuse(&folder),
        &[
            "mtp.layers.0.mlp.experts.3.up_proj.weight",
            "is missing",
            "[32, 64]",
        ],
    );
}

#[test]
fn cut_files_are_named() {
    let folder = copy("text-only");
    let file = folder.path().join("model.safetensors");
    let whole = fs::read(&file).unwrap();
    for length in [0, 7, 100, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert_says(&refuse(&folder), &["model.safetensors", "hint"]);
    }
}

#[test]
fn an_index_cannot_lead_elsewhere() {
    for name in [
        "../model.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "..",
        "",
        "c:model",
        "a\\b",
    ] {
        let folder = copy("text-only");
        let index = serde_json::json!({"weight_map": {"model.norm.weight": name}});
        fs::write(
            folder.path().join("model.safetensors.index.json"),
            index.to_string(),
        )
        .unwrap();
        assert_says(
            &refuse(&folder),
            &["model.safetensors.index.json", "not a plain file name"],
        );
    }
}

#[test]
fn an_index_that_lies_is_named() {
    for (index, says) in [
        (
            r#"{"weight_map":{"model.norm.weight":"absent.safetensors"}}"#,
            "absent.safetensors",
        ),
        (
            r#"{"weight_map":{"nowhere":"model.safetensors"}}"#,
            "tensor nowhere is missing",
        ),
        (
            r#"{"weight_map":{"a":"model.safetensors","a":"model.safetensors"}}"#,
            "occurs twice",
        ),
        (r#"{"weight_map":[]}"#, "model.safetensors.index.json"),
        ("{}", "weight_map"),
        (r#"{"weight_map":{}}"#, "is missing"),
    ] {
        let folder = copy("text-only");
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        assert_says(&refuse(&folder), &[says]);
    }
}

#[test]
fn absent_files_are_named() {
    let empty = TempDir::new().unwrap();
    assert_says(&refuse(&empty), &["config.json", "hint"]);
    fs::copy(
        golden("text-only").join("config.json"),
        empty.path().join("config.json"),
    )
    .unwrap();
    assert_says(
        &refuse(&empty),
        &["model.safetensors.index.json or model.safetensors", "hint"],
    );
    fs::create_dir(empty.path().join("model.safetensors")).unwrap();
    assert_says(&refuse(&empty), &["model.safetensors", "not a regular file"]);
    let error = Checkpoint::open(&empty.path().join("nowhere"))
        .unwrap_err()
        .to_string();
    assert_says(&error, &["nowhere", "config.json"]);
}

#[test]
fn a_configuration_of_another_model_is_noticed() {
    let folder = copy("text-only");
    let file = folder.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"vocab_size\": 320", "\"vocab_size\": 321")).unwrap();
    assert_says(
        &refuse(&folder),
        &[
            "embed_tokens.weight",
            "expected shape [321, 64]",
            "found [320, 64]",
        ],
    );
    fs::write(&file, "\u{feff}{}").unwrap();
    assert_says(&refuse(&folder), &["config.json"]);
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_says(&refuse(&folder), &["config.json", "not UTF-8"]);
}

#[test]
fn hashes_tell_checkpoints_apart() {
    let original = Checkpoint::open(&golden("text-only")).unwrap();
    assert_eq!(original.hash().len(), 64);
    // One bit in the middle of a large tensor: only the full hash sees it.
    let folder = changed(|tensors| {
        let piece = tensors.get_mut("model.embed_tokens.weight").unwrap();
        let middle = piece.data.len() / 2;
        piece.data[middle] ^= 1;
    });
    let other = Checkpoint::open(folder.path()).unwrap();
    assert_ne!(original.hash(), other.hash());
    assert_eq!(original.fingerprint(), other.fingerprint());
    let first = changed(|tensors| tensors.get_mut("model.embed_tokens.weight").unwrap().data[0] ^= 1);
    assert_ne!(
        original.fingerprint(),
        Checkpoint::open(first.path()).unwrap().fingerprint()
    );
}

#[test]
fn fused_experts_are_cut_out() {
    let checkpoint = Checkpoint::open(&golden("moe")).unwrap();
    let prefix = "model.language_model.layers.2.mlp";
    let fused = checkpoint
        .tensor(&format!("{prefix}.experts.gate_up_proj"))
        .unwrap();
    let down = checkpoint.tensor(&format!("{prefix}.experts.down_proj")).unwrap();
    assert_eq!(fused.shape, [8, 64, 64]);
    let expert = checkpoint.expert(prefix, 5).unwrap();
    assert_eq!(
        (expert.gate.shape, expert.down.shape.clone()),
        (vec![32, 64], vec![64, 32])
    );
    let half = 32 * 64 * 2;
    assert_eq!(expert.gate.bytes[..], fused.bytes[10 * half..11 * half]);
    assert_eq!(expert.up.bytes[..], fused.bytes[11 * half..12 * half]);
    assert_eq!(expert.down.bytes[..], down.bytes[5 * half..6 * half]);
    assert_says(
        &checkpoint.expert(prefix, 8).unwrap_err().to_string(),
        &["experts.gate_up_proj"],
    );
    assert!(checkpoint.expert("model.language_model.layers.9.mlp", 0).is_err());
}

#[test]
fn random_weights_repeat() {
    let config = Config::from_json(
        &fs::read_to_string(golden("moe").join("config.json")).unwrap(),
        "f",
    )
    .unwrap();
    let (one, two) = (RandomWeights::new(&config, 1), RandomWeights::new(&config, 1));
    let name = "model.language_model.layers.0.linear_attn.in_proj_qkv.weight";
    assert_eq!(one.tensor(name).unwrap().bytes, two.tensor(name).unwrap().bytes);
    assert_ne!(
        one.tensor(name).unwrap().bytes,
        RandomWeights::new(&config, 2).tensor(name).unwrap().bytes
    );
    let expert = |index| one.expert("model.language_model.layers.0.mlp", index).unwrap();
    assert_eq!(expert(3).up.shape, [32, 64]);
    assert_ne!(expert(3).up.bytes, expert(4).up.bytes);
    assert!(one.tensor("nothing").is_err());
    assert!(one.has(name) && !one.has("nothing"));
}
