//! `config.json` and its companions.

use std::fs;

use aurore_checkpoint::{Config, Ffn, Files, GenerationConfig, LayerType, OFFICIAL, PreprocessorConfig};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::folder::{assert_says, golden};

/// The published file of 35B-A3B, with what does nothing here left in.
fn published() -> Value {
    serde_json::from_str(
        r#"{
        "architectures": ["Qwen3_5MoeForConditionalGeneration"],
        "model_type": "qwen3_5_moe",
        "image_token_id": 248056,
        "video_token_id": 248057,
        "vision_start_token_id": 248053,
        "vision_end_token_id": 248054,
        "tie_word_embeddings": false,
        "transformers_version": "4.57.0.dev0",
        "text_config": {
            "model_type": "qwen3_5_moe_text",
            "attention_bias": false,
            "attention_dropout": 0.0,
            "attn_output_gate": true,
            "dtype": "bfloat16",
            "eos_token_id": 248044,
            "full_attention_interval": 4,
            "head_dim": 256,
            "hidden_act": "silu",
            "hidden_size": 2048,
            "initializer_range": 0.02,
            "linear_conv_kernel_dim": 4,
            "linear_key_head_dim": 128,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 32,
            "linear_value_head_dim": 128,
            "mamba_ssm_dtype": "float32",
            "max_position_embeddings": 262144,
            "mlp_only_layers": [],
            "moe_intermediate_size": 512,
            "mtp_num_hidden_layers": 1,
            "mtp_use_dedicated_embeddings": false,
            "num_attention_heads": 16,
            "num_experts": 256,
            "num_experts_per_tok": 8,
            "num_hidden_layers": 40,
            "num_key_value_heads": 2,
            "output_router_logits": false,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "mrope_interleaved": true,
                "mrope_section": [11, 11, 10],
                "partial_rotary_factor": 0.25,
                "rope_theta": 10000000,
                "rope_type": "default"
            },
            "router_aux_loss_coef": 0.001,
            "shared_expert_intermediate_size": 512,
            "tie_word_embeddings": false,
            "use_cache": true,
            "vocab_size": 248320
        },
        "vision_config": {
            "model_type": "qwen3_5_moe",
            "deepstack_visual_indexes": [],
            "depth": 27,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": 1152,
            "in_channels": 3,
            "intermediate_size": 4304,
            "num_heads": 16,
            "num_position_embeddings": 2304,
            "out_hidden_size": 2048,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2
        }
    }"#,
    )
    .unwrap()
}

fn parse(value: &Value) -> Result<Config, String> {
    Config::from_json(&value.to_string(), "config.json").map_err(|error| error.to_string())
}

#[test]
fn a_published_file_is_the_official_shape() {
    assert_eq!(parse(&published()).unwrap(), Config::official("35B-A3B").unwrap());
    assert_eq!(Config::official("Qwen3.5-35B-A3B"), Config::official("35B-A3B"));
    assert_eq!(Config::official("36B"), None);
    assert!(OFFICIAL.iter().all(|name| Config::official(name).is_some()));
}

#[test]
fn missing_keys_have_the_family_s_defaults() {
    let mut value = published();
    let text = value["text_config"].as_object_mut().unwrap();
    for key in [
        "head_dim",
        "linear_key_head_dim",
        "linear_conv_kernel_dim",
        "hidden_act",
        "full_attention_interval",
    ] {
        text.remove(key);
    }
    text["rope_parameters"] = json!({"rope_theta": 1e7});
    value["vision_config"] = json!({"out_hidden_size": 2048});
    assert_eq!(parse(&value).unwrap(), Config::official("35B-A3B").unwrap());
}

#[test]
fn layer_types_win_over_the_interval() {
    let mut value = published();
    value["text_config"]["num_hidden_layers"] = json!(2);
    value["text_config"]["layer_types"] = json!(["full_attention", "linear_attention"]);
    let config = parse(&value).unwrap();
    assert_eq!(
        config.text.layer_types,
        [LayerType::FullAttention, LayerType::LinearAttention]
    );
    assert_eq!((config.text.full_layers(), config.text.linear_layers()), (1, 1));
}

#[test]
fn text_only_files_have_their_configuration_at_the_top() {
    let mut value = published()["text_config"].clone();
    value["tie_word_embeddings"] = json!(true);
    let config = parse(&value).unwrap();
    assert_eq!(config.vision, None);
    assert!(config.tie_word_embeddings);
    assert_eq!(config.text, Config::official("35B-A3B").unwrap().text);
}

#[test]
fn older_places_of_rope_settings_are_read() {
    let mut value = published();
    let text = value["text_config"].as_object_mut().unwrap();
    text.remove("rope_parameters");
    text.insert("rope_theta".to_owned(), json!(5e6));
    text.insert("partial_rotary_factor".to_owned(), json!(0.5));
    text.insert(
        "rope_scaling".to_owned(),
        json!({"type": "yarn", "factor": 2.0, "mrope_section": [4, 3, 2]}),
    );
    let rope = parse(&value).unwrap().text.rope;
    assert_eq!(
        (rope.theta, rope.partial_rotary_factor, rope.mrope_section),
        (5e6, 0.5, [4, 3, 2])
    );
    let yarn = rope.yarn.unwrap();
    assert_eq!(
        (yarn.factor, yarn.original_max_position_embeddings),
        (2.0, 262_144)
    );
    assert!((yarn.attention_factor - (0.1 * 2f64.ln() + 1.0)).abs() < 1e-12);
}

#[test]
fn overrides_merge_into_rope_parameters() {
    let text = Config::official("0.8B").unwrap().text;
    let overrides = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 262_144});
    let merged = text
        .rope
        .merged(overrides.as_object().unwrap(), 262_144, "index.json")
        .unwrap();
    assert_eq!((merged.theta, merged.mrope_section), (1e7, [11, 11, 10]));
    assert!((merged.yarn.clone().unwrap().attention_factor - 1.138_629_436).abs() < 1e-8);
    // Merging again with another factor does not keep the first one's attention factor.
    let again = merged
        .merged(json!({"factor": 2.0}).as_object().unwrap(), 262_144, "index.json")
        .unwrap();
    assert!((again.yarn.unwrap().attention_factor - (0.1 * 2f64.ln() + 1.0)).abs() < 1e-12);
    let error = text.rope.merged(
        json!({"rope_type": "longrope"}).as_object().unwrap(),
        1,
        "index.json",
    );
    assert_says(
        &error.unwrap_err().to_string(),
        &["index.json", "rope_parameters.rope_type", "longrope"],
    );
}

#[test]
fn impossible_values_are_named() {
    for (place, found, says) in [
        (
            "/model_type",
            json!("llama"),
            "model_type = \"llama\" is not supported",
        ),
        ("/model_type", json!(null), "model_type: expected"),
        ("/text_config", json!([]), "text_config: expected an object"),
        (
            "/text_config/hidden_size",
            json!(0),
            "text_config.hidden_size: expected a whole number",
        ),
        ("/text_config/hidden_size", json!(-4), "text_config.hidden_size"),
        ("/text_config/hidden_size", json!(2048.5), "found 2048.5"),
        (
            "/text_config/hidden_size",
            json!(u64::MAX),
            "text_config.hidden_size",
        ),
        ("/text_config/hidden_size", json!("2048"), "found \"2048\""),
        (
            "/text_config/num_hidden_layers",
            json!(1_000_000_000),
            "text_config.num_hidden_layers",
        ),
        (
            "/text_config/layer_types",
            json!(["full_attention"]),
            "text_config.layer_types: expected 40 of",
        ),
        (
            "/text_config/num_key_value_heads",
            json!(3),
            "a divisor of num_attention_heads",
        ),
        (
            "/text_config/linear_num_value_heads",
            json!(40),
            "a multiple of linear_num_key_heads",
        ),
        (
            "/text_config/linear_conv_kernel_dim",
            json!(3),
            "text_config.linear_conv_kernel_dim",
        ),
        (
            "/text_config/num_experts_per_tok",
            json!(257),
            "text_config.num_experts_per_tok",
        ),
        (
            "/text_config/mlp_only_layers",
            json!([1]),
            "mlp_only_layers = [1] is not supported",
        ),
        (
            "/text_config/attention_bias",
            json!(true),
            "attention_bias = true is not supported",
        ),
        (
            "/text_config/hidden_act",
            json!("gelu"),
            "hidden_act = \"gelu\" is not supported",
        ),
        (
            "/text_config/rope_parameters/rope_theta",
            json!(0),
            "rope_parameters.rope_theta",
        ),
        (
            "/text_config/rope_parameters/partial_rotary_factor",
            json!(1.5),
            "rope_parameters.partial_rotary_factor",
        ),
        (
            "/text_config/rope_parameters/mrope_section",
            json!([1, 2]),
            "a list of 3 numbers",
        ),
        (
            "/text_config/rope_parameters/rope_type",
            json!("dynamic"),
            "rope_type = \"dynamic\" is not supported",
        ),
        ("/vision_config/num_heads", json!(5), "vision_config.num_heads"),
        (
            "/vision_config/num_position_embeddings",
            json!(2300),
            "a square number",
        ),
        (
            "/vision_config/out_hidden_size",
            json!(2049),
            "the text model's hidden_size, 2048",
        ),
        (
            "/vision_config/deepstack_visual_indexes",
            json!([1]),
            "deepstack_visual_indexes",
        ),
        ("/vision_config", json!(null), "vision_config: expected an object"),
        (
            "/image_token_id",
            json!(-1),
            "image_token_id: expected a token id",
        ),
    ] {
        let mut value = published();
        match value.pointer_mut(place) {
            Some(at) => *at = found,
            None => {
                let (parent, key) = place.rsplit_once('/').unwrap();
                value.pointer_mut(parent).unwrap()[key] = found;
            }
        }
        assert_says(&parse(&value).unwrap_err(), &["config.json", says]);
    }
}

#[test]
fn quantised_checkpoints_are_named_as_such() {
    let mut value = published();
    value["quantization_config"] = json!({"quant_method": "fp8"});
    assert_says(
        &parse(&value).unwrap_err(),
        &["quantization_config", "fp8", "not supported", "bf16"],
    );
}

#[test]
fn dense_files_have_one_inner_width() {
    let mut value = published();
    value["model_type"] = json!("qwen3_5");
    value["text_config"]["intermediate_size"] = json!(3584);
    assert_eq!(parse(&value).unwrap().text.ffn, Ffn::Dense { intermediate: 3584 });
}

#[test]
fn generation_defaults_are_read() {
    let text =
        r#"{"eos_token_id":[248046,248044],"do_sample":true,"temperature":1.0,"top_k":20,"top_p":0.95}"#;
    let config = GenerationConfig::from_json(text, "generation_config.json").unwrap();
    assert_eq!(config.eos_token_ids, Some(vec![248_046, 248_044]));
    assert_eq!(
        (config.top_k, config.top_p, config.min_p),
        (Some(20), Some(0.95), None)
    );
    let single = GenerationConfig::from_json(r#"{"eos_token_id":7}"#, "f").unwrap();
    assert_eq!(single.eos_token_ids, Some(vec![7]));
    let error = GenerationConfig::from_json(r#"{"temperature":-1}"#, "generation_config.json");
    assert_says(
        &error.unwrap_err().to_string(),
        &["generation_config.json", "temperature", "-1"],
    );
    assert_eq!(
        GenerationConfig::read(&Files::embedded(&[])).unwrap(),
        GenerationConfig::default()
    );
}

#[test]
fn preprocessor_settings_are_read() {
    let usual = PreprocessorConfig::default();
    assert_eq!(PreprocessorConfig::read(&Files::embedded(&[])).unwrap(), usual);
    assert_eq!(PreprocessorConfig::from_json("{}", "f").unwrap(), usual);
    let text = r#"{"size":{"shortest_edge":1024,"longest_edge":4096},"image_mean":[0.1,0.2,0.3]}"#;
    let config = PreprocessorConfig::from_json(text, "f").unwrap();
    assert_eq!(
        (config.min_pixels, config.max_pixels, config.image_mean),
        (1024, 4096, [0.1, 0.2, 0.3])
    );
    let nested = PreprocessorConfig::from_json(r#"{"image_processor":{"min_pixels":5}}"#, "f").unwrap();
    assert_eq!(nested.min_pixels, 5);
    for (text, says) in [
        (
            r#"{"size":{"shortest_edge":9,"longest_edge":8}}"#,
            "shortest_edge not above longest_edge",
        ),
        (r#"{"image_std":[0,1,1]}"#, "image_std"),
        (r#"{"patch_size":0}"#, "patch_size"),
        ("[]", "preprocessor_config.json"),
    ] {
        let error = PreprocessorConfig::from_json(text, "preprocessor_config.json").unwrap_err();
        assert_says(&error.to_string(), &["preprocessor_config.json", says]);
    }
}

proptest! {
    #[test]
    fn mangled_text_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = fs::read(golden("moe").join("config.json")).unwrap();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(config) = Config::from_json(&text, "config.json")
        {
            // Whatever was accepted can be laid out.
            prop_assert!(!aurore_checkpoint::layout(&config).is_empty());
        }
    }

    #[test]
    fn any_number_anywhere_never_panics(field in any::<prop::sample::Index>(), number in any::<i64>()) {
        let mut value = published();
        let text = value["text_config"].as_object_mut().unwrap();
        let key = text.keys().nth(field.index(text.len())).unwrap().clone();
        text[&key] = json!(number);
        let _ = parse(&value);
    }
}
