//! Other networks of the same shape: longer contexts, layers of one kind.

use super::{Config, LayerType, Yarn};

impl Config {
    /// The same network for sequences of up to `tokens` tokens (at least 1). Beyond what it was trained
    /// for, YaRN is set as the model cards say: with the least whole factor that reaches so far (2 for
    /// 524,288 tokens, 4 for 1,010,000 of the published models). A factor that is there and reaches
    /// stays, since YaRN changes every length.
    #[must_use]
    pub fn with_context(mut self, tokens: usize) -> Self {
        let text = &mut self.text;
        let (original, reach) = match &text.rope.yarn {
            None => (text.max_position_embeddings, text.max_position_embeddings),
            Some(yarn) => {
                let original = yarn.original_max_position_embeddings;
                let reach = original as f64 * yarn.factor;
                (original, text.max_position_embeddings.max(reach as usize))
            }
        };
        if tokens > reach {
            let factor = tokens.div_ceil(original.max(1)) as f64;
            text.rope.yarn = Some(Yarn::new(factor, original));
        }
        text.max_position_embeddings = tokens.max(1);
        self
    }

    /// The same sizes with the same mixer in every layer: what the family's mixture of the two is
    /// measured against. Published weights do not fit it.
    #[must_use]
    pub fn with_all_layers(mut self, kind: LayerType) -> Self {
        self.text.layer_types.fill(kind);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_contexts_take_the_factor_of_the_model_cards() {
        let config = Config::official("0.8B").unwrap();
        let factor = |tokens: usize| {
            let config = config.clone().with_context(tokens);
            assert_eq!(config.text.max_position_embeddings, tokens);
            config.text.rope.yarn.map(|yarn| yarn.factor)
        };
        assert_eq!(factor(4096), None);
        assert_eq!(factor(262_144), None);
        assert_eq!(factor(262_145), Some(2.0));
        assert_eq!(factor(524_288), Some(2.0));
        assert_eq!(factor(1_010_000), Some(4.0));
        // What the model cards tell to write into config.json is the same thing.
        let overrides = serde_json::json!({
            "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 262_144,
        });
        let overrides = overrides.as_object().unwrap();
        let merged = config
            .text
            .rope
            .merged(overrides, 262_144, "config.json")
            .unwrap();
        let long = config.clone().with_context(1_010_000);
        assert_eq!(long.text.rope, merged);
        // A shorter context of a stretched network keeps its factor, a longer one starts from the original.
        let shorter = long.clone().with_context(300_000);
        assert_eq!(shorter.text.rope, long.text.rope);
        let longer = long.with_context(2_000_000).text.rope.yarn.unwrap();
        assert_eq!(
            (longer.factor, longer.original_max_position_embeddings),
            (8.0, 262_144)
        );
    }

    #[test]
    fn layers_of_one_kind_are_written_and_read_back() {
        for kind in [LayerType::FullAttention, LayerType::LinearAttention] {
            let config = Config::official("35B-A3B").unwrap().with_all_layers(kind);
            let full = kind == LayerType::FullAttention;
            assert_eq!(config.text.full_layers(), if full { 40 } else { 0 });
            let read = Config::from_json(&config.to_json(), "config.json").unwrap();
            assert_eq!(read, config);
        }
    }
}
