//! A small checkpoint folder for tests: byte-level tokeniser with the family's tags, template, numbers.

use std::sync::LazyLock;

use aurore_checkpoint::{Config, Files};
use serde_json::{Map, Value, json};

use crate::Chat;

pub(crate) const TEMPLATE: &str = include_str!("../tests/data/family.jinja");

/// Spellings of the control tokens, and whether they are special, from id 300 on.
const CONTROLS: [(&str, bool); 14] = [
    ("<|endoftext|>", true),
    ("<|im_start|>", true),
    ("<|im_end|>", true),
    ("<|vision_start|>", true),
    ("<|vision_end|>", true),
    ("<|image_pad|>", true),
    ("<|video_pad|>", true),
    ("<tool_call>", false),
    ("</tool_call>", false),
    ("<tool_response>", false),
    ("</tool_response>", false),
    ("<think>", false),
    ("</think>", false),
    ("\nExpect:", false),
];

pub(crate) const IM_END: u32 = 302;
pub(crate) const IMAGE_PAD: u32 = 305;
pub(crate) const CALL: u32 = 307;
pub(crate) const CALL_END: u32 = 308;
pub(crate) const THINK: u32 = 311;
pub(crate) const THINK_END: u32 = 312;

/// `tokenizer.json`: the 256 bytes, some merges, the tags.
pub(crate) fn tokenizer_json() -> String {
    let mut letters: Vec<(char, u8)> = crate::tokenizer::byte_level_alphabet().into_iter().collect();
    letters.sort_by_key(|(_, byte)| *byte);
    let mut vocab: Map<String, Value> = letters
        .iter()
        .map(|(letter, byte)| (letter.to_string(), (*byte).into()))
        .collect();
    let merges = [
        ("h", "e"),
        ("l", "l"),
        ("he", "ll"),
        ("hell", "o"),
        ("<", "/"),
        ("i", "n"),
        ("Ċ", "Ċ"),
        ("i", "m"),
        ("im", "_"),
        ("Ã", "¶"),
        ("t", "h"),
        ("th", "in"),
        ("thin", "k"),
    ];
    for (id, (left, right)) in (256..).zip(merges) {
        vocab.insert(format!("{left}{right}"), id.into());
    }
    let added: Vec<Value> = (300..)
        .zip(CONTROLS)
        .map(|(id, (content, special))| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": special})
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"},
             "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocab, "merges": merges},
    })
    .to_string()
}

/// A tiny network of the family with this vocabulary.
pub(crate) fn config() -> Config {
    let json = json!({
        "architectures": ["Qwen3_5ForConditionalGeneration"],
        "model_type": "qwen3_5",
        "image_token_id": IMAGE_PAD,
        "video_token_id": 306,
        "vision_start_token_id": 303,
        "vision_end_token_id": 304,
        "tie_word_embeddings": true,
        "text_config": {
            "model_type": "qwen3_5_text",
            "vocab_size": 320,
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "linear_key_head_dim": 32,
            "linear_value_head_dim": 32,
            "linear_conv_kernel_dim": 4,
            "full_attention_interval": 4,
            "max_position_embeddings": 1024,
            "rms_norm_eps": 1e-6,
            "eos_token_id": 300,
            "hidden_act": "silu",
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5,
                                "mrope_section": [3, 3, 2], "mrope_interleaved": true},
        },
        "vision_config": {
            "model_type": "qwen3_5",
            "depth": 1,
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_heads": 2,
            "in_channels": 3,
            "patch_size": 16,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [],
            "hidden_act": "gelu_pytorch_tanh",
        },
    });
    Config::from_json(&json.to_string(), "config.json").unwrap()
}

/// The folder's text files.
pub(crate) fn files() -> Files {
    let list: Vec<(&'static str, &'static [u8])> = vec![
        ("tokenizer.json", tokenizer_json().leak().as_bytes()),
        ("chat_template.jinja", TEMPLATE.as_bytes()),
        ("generation_config.json", br#"{"eos_token_id": [302, 300], "top_k": 7}"#),
        (
            "preprocessor_config.json",
            br#"{"size": {"shortest_edge": 1024, "longest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2,
                 "merge_size": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#,
        ),
        ("aurore.json", br#"{"name": "tiny", "agent": {"memory": "frame", "viewport": [160, 210]}}"#),
    ];
    Files::embedded(list.leak())
}

/// Opened once for all tests.
pub(crate) fn chat() -> &'static Chat {
    static CHAT: LazyLock<Chat> = LazyLock::new(|| Chat::from_files(&files(), &config()).unwrap());
    &CHAT
}
