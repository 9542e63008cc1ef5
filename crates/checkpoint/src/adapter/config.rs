//! `adapter_config.json`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ADAPTER_CONFIG, AdapterSlot};
use crate::CheckpointError;

/// What an adapter says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterConfig {
    /// The checkpoint that it was made for: a name or a folder.
    pub base: String,
    /// The ordinary rank; tensors may have others.
    pub rank: usize,
    /// What additions are scaled by, times the rank.
    pub alpha: f32,
    /// Scales are `alpha / √rank` instead of `alpha / rank`.
    pub root: bool,
}

/// The file's fields that change what is computed.
#[derive(Deserialize)]
struct Raw {
    peft_type: String,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: Value,
    #[serde(default)]
    lora_bias: Value,
    #[serde(default)]
    fan_in_fan_out: Value,
    #[serde(default)]
    bias: Option<String>,
    #[serde(default)]
    alpha_pattern: Value,
    #[serde(default)]
    modules_to_save: Value,
    #[serde(default)]
    layer_replication: Value,
    #[serde(default)]
    trainable_token_indices: Value,
}

impl AdapterConfig {
    /// Reads the file's text; `file` is named in messages.
    pub(super) fn parse(text: &str, file: &str) -> Result<Self, CheckpointError> {
        let raw: Raw = serde_json::from_str(text).map_err(|error| CheckpointError::Json {
            file: file.to_owned(),
            message: error.to_string(),
        })?;
        let unsupported = |what: String| {
            Err(CheckpointError::Unsupported {
                file: file.to_owned(),
                what,
                hint: "only plain low-rank additions are: merge such an adapter with the program that made it",
            })
        };
        if raw.peft_type != "LORA" {
            return unsupported(format!("an adapter of the kind {:?}", raw.peft_type));
        }
        let is_set = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        };
        let fields = [
            ("use_dora", is_set(&raw.use_dora)),
            ("lora_bias", is_set(&raw.lora_bias)),
            ("fan_in_fan_out", is_set(&raw.fan_in_fan_out)),
            ("bias", raw.bias.is_some_and(|bias| bias != "none")),
            ("alpha_pattern", is_set(&raw.alpha_pattern)),
            ("modules_to_save", is_set(&raw.modules_to_save)),
            ("layer_replication", is_set(&raw.layer_replication)),
            ("trainable_token_indices", is_set(&raw.trainable_token_indices)),
        ];
        if let Some((field, _)) = fields.into_iter().find(|(_, set)| *set) {
            return unsupported(format!("an adapter with `{field}`"));
        }
        if raw.r == 0 || !raw.lora_alpha.is_finite() {
            return Err(CheckpointError::Field {
                file: file.to_owned(),
                field: "r, lora_alpha".to_owned(),
                expected: "a rank from 1 up and a finite number".to_owned(),
                found: format!("{}, {}", raw.r, raw.lora_alpha),
            });
        }
        Ok(Self {
            base: raw.base_model_name_or_path.unwrap_or_default(),
            rank: raw.r,
            alpha: raw.lora_alpha,
            root: raw.use_rslora,
        })
    }

    /// What an addition of that rank is multiplied with.
    pub fn scale(&self, rank: usize) -> f32 {
        let rank = rank.max(1) as f32;
        self.alpha / if self.root { rank.sqrt() } else { rank }
    }

    /// The file's text for additions to `slots`.
    pub(super) fn to_json(&self, slots: &[&AdapterSlot]) -> String {
        let mut modules: Vec<String> = Vec::new();
        let mut parameters: Vec<String> = Vec::new();
        for slot in slots {
            let module = slot.name.strip_suffix(".weight").unwrap_or(&slot.name);
            // Two levels tell projections of the tower from others of the same name.
            let mut levels = module.rsplit('.');
            let (last, before) = (
                levels.next().unwrap_or_default(),
                levels.next().unwrap_or_default(),
            );
            let (list, name) = if slot.fused {
                (&mut parameters, format!("mlp.{before}.{last}"))
            } else if module.starts_with("model.visual.") {
                (&mut modules, format!("{before}.{last}"))
            } else {
                (&mut modules, last.to_owned())
            };
            if !list.contains(&name) {
                list.push(name);
            }
        }
        let config = json!({
            "peft_type": "LORA",
            "task_type": null,
            "base_model_name_or_path": self.base,
            "inference_mode": true,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "use_rslora": self.root,
            "use_dora": false,
            "bias": "none",
            "fan_in_fan_out": false,
            "modules_to_save": null,
            "target_modules": modules,
            "target_parameters": if parameters.is_empty() { Value::Null } else { json!(parameters) },
        });
        format!("{config:#}\n")
    }

    /// The file's name in messages about an adapter at `place`.
    pub(super) fn file(place: &str) -> String {
        format!("{place}/{ADAPTER_CONFIG}")
    }
}
