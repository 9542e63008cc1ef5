//! `config.json` as text again, in the words of the published files.

use serde_json::{Map, Value, json};

use super::{Config, Ffn, LayerType, PreprocessorConfig, TextConfig, VisionConfig};

impl Config {
    /// The same network with only its first `layers` decoder layers; all of them when it has fewer.
    #[must_use]
    pub fn with_layers(mut self, layers: usize) -> Self {
        self.text.layer_types.truncate(layers);
        self.text.num_hidden_layers = self.text.layer_types.len();
        self
    }

    /// The text of a `config.json` that [`Config::from_json`] reads back as this configuration, and
    /// that other programs of the field take for an official one. Without a vision tower the text
    /// configuration stands at the top, as text-only checkpoints have it.
    pub fn to_json(&self) -> String {
        let family = match self.text.ffn {
            Ffn::Dense { .. } => ("Qwen3_5", "qwen3_5"),
            Ffn::Moe { .. } => ("Qwen3_5Moe", "qwen3_5_moe"),
        };
        let (class, model_type) = family;
        let text = self.text.to_value(model_type, self.tie_word_embeddings);
        let mut top = Map::new();
        let mut set = |key: &str, value: Value| top.insert(key.to_owned(), value);
        let ids = [
            ("image_token_id", self.image_token_id),
            ("video_token_id", self.video_token_id),
            ("vision_start_token_id", self.vision_start_token_id),
            ("vision_end_token_id", self.vision_end_token_id),
        ];
        match &self.vision {
            Some(vision) => {
                set(
                    "architectures",
                    json!([format!("{class}ForConditionalGeneration")]),
                );
                set("model_type", model_type.into());
                for (key, id) in ids {
                    set(key, id.into());
                }
                set("text_config", Value::Object(text));
                set("vision_config", vision.to_value(model_type));
            }
            None => {
                set("architectures", json!([format!("{class}ForCausalLM")]));
                for (key, value) in text {
                    set(&key, value);
                }
                for (key, id) in ids {
                    set(key, id.into());
                }
            }
        }
        set("tie_word_embeddings", self.tie_word_embeddings.into());
        // Of an object with plain keys nothing can fail; the compact form would say the same.
        let top = Value::Object(top);
        serde_json::to_string_pretty(&top).unwrap_or_else(|_| top.to_string()) + "\n"
    }
}

impl TextConfig {
    fn to_value(&self, model_type: &str, tied: bool) -> Map<String, Value> {
        let layer_types: Vec<&str> = self
            .layer_types
            .iter()
            .map(|kind| match kind {
                LayerType::LinearAttention => "linear_attention",
                LayerType::FullAttention => "full_attention",
            })
            .collect();
        let mut rope = self.rope.to_map();
        rope.insert("mrope_interleaved".to_owned(), true.into());
        let fields = json!({
            "model_type": format!("{model_type}_text"),
            "attention_bias": false,
            "attention_dropout": 0.0,
            "attn_output_gate": true,
            "dtype": "bfloat16",
            "eos_token_id": one_or_many(&self.eos_token_ids),
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "initializer_range": 0.02,
            "layer_types": layer_types,
            "linear_conv_kernel_dim": self.linear_conv_kernel_dim,
            "linear_key_head_dim": self.linear_key_head_dim,
            "linear_num_key_heads": self.linear_num_key_heads,
            "linear_num_value_heads": self.linear_num_value_heads,
            "linear_value_head_dim": self.linear_value_head_dim,
            "mamba_ssm_dtype": "float32",
            "max_position_embeddings": self.max_position_embeddings,
            "mtp_num_hidden_layers": self.mtp_num_hidden_layers,
            "mtp_use_dedicated_embeddings": false,
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "num_key_value_heads": self.num_key_value_heads,
            // Through text: a published 1e-6 stays 1e-6, not its nearest f32 in decimals.
            "rms_norm_eps": self.rms_norm_eps.to_string().parse::<f64>().unwrap_or(1e-6),
            "rope_parameters": rope,
            "partial_rotary_factor": self.rope.partial_rotary_factor,
            "tie_word_embeddings": tied,
            "use_cache": true,
            "vocab_size": self.vocab_size,
        });
        let mut fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        if let Some(interval) = self.full_attention_interval() {
            set("full_attention_interval", interval.into());
        }
        match self.ffn {
            Ffn::Dense { intermediate } => {
                set("intermediate_size", intermediate.into());
            }
            Ffn::Moe {
                experts,
                top_k,
                intermediate,
                shared_intermediate,
            } => {
                set("num_experts", experts.into());
                set("num_experts_per_tok", top_k.into());
                set("moe_intermediate_size", intermediate.into());
                set("shared_expert_intermediate_size", shared_intermediate.into());
                set("mlp_only_layers", json!([]));
            }
        }
        fields
    }

    /// Every how many layers one has full attention, where there is such a rule.
    fn full_attention_interval(&self) -> Option<usize> {
        let first = self
            .layer_types
            .iter()
            .position(|kind| *kind == LayerType::FullAttention)?;
        let interval = first + 1;
        let regular = self.layer_types.iter().zip(1..).all(|(kind, ordinal)| {
            (*kind == LayerType::FullAttention) == usize::is_multiple_of(ordinal, interval)
        });
        regular.then_some(interval)
    }
}

impl VisionConfig {
    fn to_value(&self, model_type: &str) -> Value {
        json!({
            "model_type": model_type,
            "deepstack_visual_indexes": [],
            "depth": self.depth,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": self.hidden_size,
            "in_channels": self.in_channels,
            "initializer_range": 0.02,
            "intermediate_size": self.intermediate_size,
            "num_heads": self.num_heads,
            "num_position_embeddings": self.num_position_embeddings,
            "out_hidden_size": self.out_hidden_size,
            "patch_size": self.patch_size,
            "spatial_merge_size": self.spatial_merge_size,
            "temporal_patch_size": self.temporal_patch_size,
        })
    }
}

impl PreprocessorConfig {
    /// The text of a `preprocessor_config.json` that [`PreprocessorConfig::from_json`] reads back.
    pub fn to_json(&self) -> String {
        let numbers =
            |values: [f32; 3]| values.map(|value| value.to_string().parse().unwrap_or(f64::from(value)));
        let fields = json!({
            "image_processor_type": "Qwen2VLImageProcessorFast",
            "size": {"shortest_edge": self.min_pixels, "longest_edge": self.max_pixels},
            "patch_size": self.patch_size,
            "temporal_patch_size": self.temporal_patch_size,
            "merge_size": self.merge_size,
            "image_mean": numbers(self.image_mean),
            "image_std": numbers(self.image_std),
        });
        format!("{fields:#}\n")
    }
}

fn one_or_many(ids: &[u32]) -> Value {
    match ids {
        [] => Value::Null,
        [one] => (*one).into(),
        many => many.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::OFFICIAL;
    use super::*;

    fn check(config: &Config) {
        let text = config.to_json();
        let read = Config::from_json(&text, "config.json").unwrap();
        assert_eq!(&read, config, "{text}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for name in OFFICIAL {
            let config = Config::official(name).unwrap();
            check(&config);
            check(&config.clone().with_layers(5));
            check(&Config {
                vision: None,
                ..config
            });
        }
    }

    #[test]
    fn preprocessing_is_read_back() {
        let config = PreprocessorConfig {
            image_mean: [0.1, 0.2, 0.3],
            max_pixels: 1 << 20,
            ..PreprocessorConfig::default()
        };
        let text = config.to_json();
        assert_eq!(
            PreprocessorConfig::from_json(&text, "preprocessor_config.json").unwrap(),
            config
        );
    }

    #[test]
    fn irregular_layers_have_no_interval() {
        let mut config = Config::official("0.8B").unwrap();
        assert_eq!(config.text.full_attention_interval(), Some(4));
        config.text.layer_types[0] = LayerType::FullAttention;
        assert_eq!(config.text.full_attention_interval(), None);
        check(&config);
        // Three layers without any full attention say nothing about an interval.
        let three = Config::official("0.8B").unwrap().with_layers(3);
        assert_eq!(three.text.full_attention_interval(), None);
        check(&three);
    }

    #[test]
    fn long_context_settings_survive() {
        let mut config = Config::official("35B-A3B").unwrap();
        let yarn = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 262_144});
        let overrides = yarn.as_object().unwrap();
        config.text.rope = config
            .text
            .rope
            .merged(overrides, 262_144, "config.json")
            .unwrap();
        config.text.eos_token_ids = vec![1, 2];
        check(&config);
    }
}
