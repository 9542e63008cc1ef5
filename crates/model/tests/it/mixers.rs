//! Networks whose layers are all of one kind: every path takes them.

use aurore_checkpoint::packed::Writer;
use aurore_checkpoint::{Cases, Checkpoint, Config, LayerType, RandomWeights, export};
use aurore_model::verify::{Path, Status, Verifier};
use aurore_model::{
    Input, KvFormat, LoadOptions, MemoryPlan, Model, Packer, Packing, Precision, Want, reference,
};
use tempfile::TempDir;

use crate::goldens::{checkpoint, difference};

const TOKENS: usize = 100;

fn options(precision: Precision) -> LoadOptions {
    LoadOptions {
        precision,
        threads: 2,
        ..LoadOptions::default()
    }
}

fn prefill(model: &Model, tokens: usize) -> Vec<f32> {
    let ids: Vec<u32> = (0..tokens as u32).map(|i| i * 7 % 200).collect();
    let positions: Vec<[u32; 3]> = (0..tokens as u32).map(|i| [i; 3]).collect();
    let input = Input {
        ids: &ids,
        positions: &positions,
        images: &[],
    };
    let mut sequence = model.new_sequence();
    let mut values = model.prefill(&mut sequence, &input, Want::All).unwrap().values;
    // A few steps on the way that they would go as a prompt.
    let mut row = Vec::new();
    for i in tokens..TOKENS {
        model.step(&mut sequence, i as u32 * 7 % 200, &mut row).unwrap();
        values.extend(&row);
    }
    values
}

fn with_all(kind: LayerType) -> [Config; 2] {
    ["dense", "moe"].map(|name| Config {
        vision: None,
        ..checkpoint(name).config().clone().with_all_layers(kind)
    })
}

#[test]
fn one_kind_of_layers_is_what_the_reference_says() {
    for kind in [LayerType::FullAttention, LayerType::LinearAttention] {
        for config in with_all(kind) {
            let weights = RandomWeights::new(&config, 3);
            let ids: Vec<u32> = (0..TOKENS as u32).map(|i| i * 7 % 200).collect();
            let positions: Vec<[u32; 3]> = (0..TOKENS as u32).map(|i| [i; 3]).collect();
            let input = Input {
                ids: &ids,
                positions: &positions,
                images: &[],
            };
            let slow = reference::Model::load(&weights, &config).unwrap();
            let (expected, _) = slow.forward(&input).unwrap();
            let model = Model::load(&weights, &config, &options(Precision::F32)).unwrap();
            for tokens in [TOKENS, TOKENS - 5] {
                let (max, rms) = difference(&prefill(&model, tokens), &expected.logits);
                assert!(max < 5e-3 && rms < 2e-4, "{kind:?}: max {max}, rms {rms}");
            }
        }
    }
}

#[test]
fn one_kind_of_layers_is_exported_packed_and_planned() {
    for kind in [LayerType::FullAttention, LayerType::LinearAttention] {
        for config in with_all(kind) {
            let weights = RandomWeights::new(&config, 3);
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("official");
            std::fs::create_dir(&path).unwrap();
            export(&weights, &config, &path, u64::MAX, &mut |_, _| true).unwrap();
            let exported = Checkpoint::open(&path).unwrap();
            assert_eq!(exported.config(), &config);
            let expected = Model::load(&weights, &config, &options(Precision::Q8)).unwrap();
            let model = Model::load(&exported, exported.config(), &options(Precision::Q8)).unwrap();
            assert_eq!(
                prefill(&model, TOKENS - 5),
                prefill(&expected, TOKENS - 5),
                "{kind:?}"
            );

            let packer = Packer::new(&exported, Packing::new(Precision::Q8), None, 2).unwrap();
            let file = folder.path().join("model.aurore");
            let mut writer = Writer::open(&file, packer.plan().clone(), false, |_| ()).unwrap();
            for index in 0..packer.plan().entries().len() {
                packer.write(index, &mut writer).unwrap();
            }
            let packed = Checkpoint::open(&writer.finish().unwrap()).unwrap();
            let model = Model::load(&packed, packed.config(), &options(Precision::Bf16)).unwrap();
            assert_eq!(
                prefill(&model, TOKENS - 5),
                prefill(&expected, TOKENS - 5),
                "{kind:?}"
            );
            // Packed or not, the plan is what is loaded.
            let plan = MemoryPlan::packed(&packed, KvFormat::Bf16).unwrap();
            assert_eq!(plan, MemoryPlan::new(&config, Precision::Q8));
            assert_eq!(plan.weights, model.memory_bytes() as u64);
            assert_eq!(plan.weights_per_token, model.bytes_per_token() as u64);
            assert!(MemoryPlan::packed(&exported, KvFormat::Bf16).is_none());
        }
    }
}

#[test]
fn one_kind_of_layers_is_verified() {
    for kind in [LayerType::FullAttention, LayerType::LinearAttention] {
        for config in with_all(kind) {
            let weights = RandomWeights::new(&config, 3);
            let ids: Vec<u32> = (0..TOKENS as u32).collect();
            let positions: Vec<[u32; 3]> = (0..TOKENS as u32).map(|i| [i; 3]).collect();
            let input = Input {
                ids: &ids,
                positions: &positions,
                images: &[],
            };
            let slow = reference::Model::load(&weights, &config).unwrap();
            let logits = slow.forward(&input).unwrap().0.logits;
            let folder = TempDir::new().unwrap();
            let ids: Vec<u8> = ids.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
            let values: Vec<u8> = logits.iter().flat_map(|value| value.to_le_bytes()).collect();
            let header = format!(
                r#"{{"input_ids":{{"dtype":"I64","shape":[{TOKENS}],"data_offsets":[0,{}]}},"logits":{{"dtype":"F32","shape":[{TOKENS},{}],"data_offsets":[{},{}]}}}}"#,
                ids.len(),
                config.text.vocab_size,
                ids.len(),
                ids.len() + values.len(),
            );
            let length = (header.len() as u64).to_le_bytes();
            let file = [length.as_slice(), header.as_bytes(), &ids, &values].concat();
            std::fs::write(folder.path().join("case.safetensors"), file).unwrap();
            let index = r#"{"cases":[{"case":"case","file":"case.safetensors","kind":"text"}]}"#;
            std::fs::write(folder.path().join("index.json"), index).unwrap();
            let cases = Cases::open(folder.path()).unwrap();
            for path in [Path::Reference, Path::Fast(options(Precision::F32))] {
                let report = Verifier::new(&weights, &config, path, None).run(&cases, &cases.entries()[0]);
                assert_eq!(report.status, Status::Pass, "{kind:?}: {:?}", report.reason);
                assert!(report.comparison.is_some());
            }
        }
    }
}
