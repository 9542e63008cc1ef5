//! `config.json` → [`Config`].

use serde_json::{Map, Value};

use super::{
    Config, Ffn, LayerType, RopeParameters, TextConfig, VisionConfig,
    fields::{Fields, parse_object},
};
use crate::CheckpointError;

type Result<T> = std::result::Result<T, CheckpointError>;

/// The most elements of all recurrent states together; the largest official model has 150 million.
const STATE_LIMIT: usize = 1 << 30;
/// The widest matrix side that is accepted; the largest official one is 248,320.
const WIDE: usize = 1 << 24;

impl Config {
    /// Reads the text of a `config.json`; `file` is its name for messages.
    ///
    /// Accepts `qwen3_5`, `qwen3_5_moe` and their text-only forms, where the text configuration
    /// stands at the top.
    pub fn from_json(text: &str, file: &str) -> Result<Self> {
        let top = parse_object(text, file)?;
        let fields = Fields::new(file, "", &top);
        if fields.get("quantization_config").is_some() {
            return Err(fields.unsupported(
                "quantization_config",
                "quantised checkpoints cannot be loaded yet; use the bf16 one",
            ));
        }
        let model_type = fields.text("model_type")?.unwrap_or("");
        let (moe, text_only) = match model_type {
            "qwen3_5" => (false, false),
            "qwen3_5_moe" => (true, false),
            "qwen3_5_text" => (false, true),
            "qwen3_5_moe_text" => (true, true),
            "" => return Err(fields.wrong("model_type", "qwen3_5, qwen3_5_moe or their _text forms")),
            _ => {
                return Err(fields.unsupported(
                    "model_type",
                    "the Qwen3.5 family has qwen3_5, qwen3_5_moe and their _text forms",
                ));
            }
        };
        let (path, text_map) = match fields.object("text_config")? {
            Some(map) => ("text_config", map),
            None if text_only => ("", &top),
            None => return Err(fields.wrong("text_config", "an object")),
        };
        let text_fields = Fields::new(file, path, text_map);
        let text = parse_text(file, text_fields, text_map, moe)?;
        // `language_model_only` marks files whose tower was left out.
        let without_tower = text_only || fields.flag("language_model_only")? == Some(true);
        let vision = match fields.object("vision_config")? {
            Some(map) if !without_tower => Some(parse_vision(
                Fields::new(file, "vision_config", map),
                text.hidden_size,
            )?),
            None if !without_tower => return Err(fields.wrong("vision_config", "an object")),
            _ => None,
        };
        let tie = match fields.flag("tie_word_embeddings")? {
            Some(tie) => tie,
            None => text_fields.flag("tie_word_embeddings")?.unwrap_or(false),
        };
        Ok(Self {
            text,
            vision,
            image_token_id: fields.token("image_token_id", 248_056)?,
            video_token_id: fields.token("video_token_id", 248_057)?,
            vision_start_token_id: fields.token("vision_start_token_id", 248_053)?,
            vision_end_token_id: fields.token("vision_end_token_id", 248_054)?,
            tie_word_embeddings: tie,
        })
    }
}

fn parse_text(file: &str, fields: Fields<'_>, map: &Map<String, Value>, moe: bool) -> Result<TextConfig> {
    let act = fields.text("hidden_act")?.unwrap_or("silu");
    if !matches!(act, "silu" | "swish") {
        return Err(fields.unsupported("hidden_act", "this family uses silu"));
    }
    for (name, usual) in [("attention_bias", false), ("attn_output_gate", true)] {
        if fields.flag(name)?.unwrap_or(usual) != usual {
            return Err(fields.unsupported(name, "no model of this family has it so"));
        }
    }
    let layers = fields.size("num_hidden_layers", 1..=4096)?;
    let max_position_embeddings = fields.size_or("max_position_embeddings", 32_768, 1..=1 << 40)?;
    let config = TextConfig {
        vocab_size: fields.size("vocab_size", 1..=WIDE)?,
        hidden_size: fields.size("hidden_size", 1..=WIDE)?,
        num_hidden_layers: layers,
        layer_types: parse_layer_types(fields, layers)?,
        num_attention_heads: fields.size("num_attention_heads", 1..=4096)?,
        num_key_value_heads: fields.size("num_key_value_heads", 1..=4096)?,
        head_dim: fields.size_or("head_dim", 256, 2..=65_536)?,
        linear_num_key_heads: fields.size_or("linear_num_key_heads", 16, 1..=4096)?,
        linear_num_value_heads: fields.size_or("linear_num_value_heads", 32, 1..=4096)?,
        linear_key_head_dim: fields.size_or("linear_key_head_dim", 128, 1..=65_536)?,
        linear_value_head_dim: fields.size_or("linear_value_head_dim", 128, 1..=65_536)?,
        linear_conv_kernel_dim: fields.size_or("linear_conv_kernel_dim", 4, 4..=4)?,
        ffn: parse_ffn(fields, moe)?,
        rms_norm_eps: fields.number("rms_norm_eps", 0.0..=1.0)?.unwrap_or(1e-6) as f32,
        max_position_embeddings,
        rope: parse_rope(file, fields, map, max_position_embeddings)?,
        mtp_num_hidden_layers: fields.size_or("mtp_num_hidden_layers", 0, 0..=64)?,
        eos_token_ids: fields.tokens("eos_token_id")?.unwrap_or_default(),
    };
    if !config
        .num_attention_heads
        .is_multiple_of(config.num_key_value_heads)
    {
        return Err(fields.wrong("num_key_value_heads", "a divisor of num_attention_heads"));
    }
    if !config
        .linear_num_value_heads
        .is_multiple_of(config.linear_num_key_heads)
    {
        return Err(fields.wrong("linear_num_value_heads", "a multiple of linear_num_key_heads"));
    }
    let state = [
        config.linear_value_dim(),
        config.linear_key_head_dim,
        config.linear_layers(),
    ];
    if state
        .iter()
        .try_fold(1usize, |n, side| n.checked_mul(*side))
        .is_none_or(|n| n > STATE_LIMIT)
    {
        return Err(fields.wrong("linear_num_value_heads", "heads whose states fit in 4 GiB"));
    }
    if !config.rotary_dim().is_multiple_of(2) {
        return Err(fields.wrong("head_dim", "a size of which an even part is rotated"));
    }
    Ok(config)
}

fn parse_layer_types(fields: Fields<'_>, layers: usize) -> Result<Vec<LayerType>> {
    let Some(value) = fields.get("layer_types") else {
        let interval = fields.size_or("full_attention_interval", 4, 1..=4096)?;
        return Ok((1..=layers)
            .map(|ordinal| match ordinal % interval {
                0 => LayerType::FullAttention,
                _ => LayerType::LinearAttention,
            })
            .collect());
    };
    let wrong = || {
        let expected = format!("{layers} of \"linear_attention\" and \"full_attention\"");
        fields.wrong("layer_types", &expected)
    };
    let types = value
        .as_array()
        .filter(|list| list.len() == layers)
        .ok_or_else(wrong)?;
    types
        .iter()
        .map(|name| match name.as_str() {
            Some("linear_attention") => Ok(LayerType::LinearAttention),
            Some("full_attention") => Ok(LayerType::FullAttention),
            _ => Err(wrong()),
        })
        .collect()
}

fn parse_ffn(fields: Fields<'_>, moe: bool) -> Result<Ffn> {
    if !moe {
        return Ok(Ffn::Dense {
            intermediate: fields.size("intermediate_size", 1..=WIDE)?,
        });
    }
    if fields
        .get("mlp_only_layers")
        .is_some_and(|list| list.as_array().is_none_or(|l| !l.is_empty()))
    {
        return Err(fields.unsupported("mlp_only_layers", "every layer of this family has experts"));
    }
    let experts = fields.size("num_experts", 1..=65_536)?;
    Ok(Ffn::Moe {
        experts,
        top_k: fields.size("num_experts_per_tok", 1..=experts)?,
        intermediate: fields.size("moe_intermediate_size", 1..=WIDE)?,
        shared_intermediate: fields.size("shared_expert_intermediate_size", 1..=WIDE)?,
    })
}

/// The rope object, with the places that older writers used merged in.
fn parse_rope(
    file: &str,
    fields: Fields<'_>,
    text: &Map<String, Value>,
    max_position_embeddings: usize,
) -> Result<RopeParameters> {
    let older = fields.object("rope_scaling")?;
    let mut merged = match older {
        Some(map) if !map.is_empty() => map.clone(),
        _ => fields.object("rope_parameters")?.cloned().unwrap_or_default(),
    };
    for name in ["rope_theta", "partial_rotary_factor"] {
        if let (None, Some(value)) = (merged.get(name), text.get(name)) {
            merged.insert(name.to_owned(), value.clone());
        }
    }
    RopeParameters::parse(
        Fields::new(file, "rope_parameters", &merged),
        max_position_embeddings,
    )
}

fn parse_vision(fields: Fields<'_>, text_hidden: usize) -> Result<VisionConfig> {
    if fields.text("hidden_act")?.unwrap_or("gelu_pytorch_tanh") != "gelu_pytorch_tanh" {
        return Err(fields.unsupported("hidden_act", "this family's tower uses gelu_pytorch_tanh"));
    }
    if fields
        .get("deepstack_visual_indexes")
        .is_some_and(|list| list.as_array().is_none_or(|list| !list.is_empty()))
    {
        return Err(fields.unsupported("deepstack_visual_indexes", "this family has no deepstack"));
    }
    let config = VisionConfig {
        depth: fields.size_or("depth", 27, 1..=1024)?,
        hidden_size: fields.size_or("hidden_size", 1152, 1..=1 << 20)?,
        intermediate_size: fields.size_or("intermediate_size", 4304, 1..=WIDE)?,
        num_heads: fields.size_or("num_heads", 16, 1..=4096)?,
        in_channels: fields.size_or("in_channels", 3, 3..=3)?,
        patch_size: fields.size_or("patch_size", 16, 1..=1024)?,
        temporal_patch_size: fields.size_or("temporal_patch_size", 2, 1..=64)?,
        spatial_merge_size: fields.size_or("spatial_merge_size", 2, 1..=64)?,
        out_hidden_size: fields.size_or("out_hidden_size", 3584, 1..=WIDE)?,
        num_position_embeddings: fields.size_or("num_position_embeddings", 2304, 1..=1 << 20)?,
    };
    // Rotary angles come in (row, column) pairs of (cosine, sine) pairs.
    if !config.hidden_size.is_multiple_of(config.num_heads) || !config.head_dim().is_multiple_of(4) {
        return Err(fields.wrong(
            "num_heads",
            "a divisor of hidden_size that leaves a multiple of 4",
        ));
    }
    if config.position_grid().pow(2) != config.num_position_embeddings {
        return Err(fields.wrong("num_position_embeddings", "a square number"));
    }
    if config.out_hidden_size != text_hidden {
        return Err(fields.wrong(
            "out_hidden_size",
            &format!("the text model's hidden_size, {text_hidden}"),
        ));
    }
    Ok(config)
}
