//! Rotary position embedding parameters.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::CheckpointError;

/// Parameters of the partial, interleaved multimodal rotary embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeParameters {
    /// Base of the frequencies.
    pub theta: f64,
    /// Share of a head's dimensions that are rotated.
    pub partial_rotary_factor: f64,
    /// Frequencies of time, height and width; only the last two are looked at.
    pub mrope_section: [usize; 3],
    /// Static YaRN scaling for long contexts.
    pub yarn: Option<Yarn>,
}

/// YaRN scaling (arXiv 2309.00071), applied at every length.
#[derive(Clone, Debug, PartialEq)]
pub struct Yarn {
    /// How many times longer than the original the context may be.
    pub factor: f64,
    /// Context length of pre-training in tokens.
    pub original_max_position_embeddings: usize,
    /// Multiplies cosines and sines.
    pub attention_factor: f64,
    /// Rotations over the original context above which a frequency stays as it is.
    pub beta_fast: f64,
    /// Rotations over the original context below which a frequency is divided by `factor`.
    pub beta_slow: f64,
    /// Whether the corrected range is rounded to whole dimensions.
    pub truncate: bool,
}

impl RopeParameters {
    /// The parameters with some of them replaced, as a verification case or a user's setting does.
    ///
    /// `overrides` has the keys of `rope_parameters` in `config.json`; `file` is for messages.
    pub fn merged(
        &self,
        overrides: &Map<String, Value>,
        max_position_embeddings: usize,
        file: &str,
    ) -> Result<Self, CheckpointError> {
        let mut map = self.to_map();
        map.extend(overrides.clone());
        Self::parse(
            Fields::new(file, "rope_parameters", &map),
            max_position_embeddings,
        )
    }

    /// Reads an object with every default filled in but `rope_theta`'s and `partial_rotary_factor`'s
    /// older places, which the caller has merged into the object.
    pub(super) fn parse(fields: Fields<'_>, max_position_embeddings: usize) -> Result<Self, CheckpointError> {
        let kind = fields
            .text("rope_type")?
            .or(fields.text("type")?)
            .unwrap_or("default");
        // The official implementation's default; every published file states 10,000,000.
        let theta = fields.number("rope_theta", 1.0..=1e15)?.unwrap_or(10_000.0);
        let partial_rotary_factor = fields.number("partial_rotary_factor", 0.0..=1.0)?.unwrap_or(0.25);
        let mrope_section = match fields.numbers::<3>("mrope_section")? {
            None => [11, 11, 10],
            Some(section)
                if section
                    .iter()
                    .all(|n| (0.0..=4096.0).contains(n) && n.fract() == 0.0) =>
            {
                section.map(|n| n as usize)
            }
            Some(_) => return Err(fields.wrong("mrope_section", "three whole numbers up to 4096")),
        };
        if fields.flag("mrope_interleaved")? == Some(false) {
            return Err(fields.unsupported("mrope_interleaved", "this family interleaves"));
        }
        // "mrope" is what older writers put for "default".
        let yarn = match kind {
            "default" | "mrope" => None,
            "yarn" => Some(Yarn::parse(fields, max_position_embeddings, theta)?),
            _ => {
                let name = if fields.get("rope_type").is_some() {
                    "rope_type"
                } else {
                    "type"
                };
                return Err(fields.unsupported(name, "use \"default\" or \"yarn\""));
            }
        };
        Ok(Self {
            theta,
            partial_rotary_factor,
            mrope_section,
            yarn,
        })
    }

    pub(super) fn to_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
        set("rope_theta", self.theta.into());
        set("partial_rotary_factor", self.partial_rotary_factor.into());
        set("mrope_section", self.mrope_section.to_vec().into());
        set(
            "rope_type",
            if self.yarn.is_some() { "yarn" } else { "default" }.into(),
        );
        if let Some(yarn) = &self.yarn {
            set("factor", yarn.factor.into());
            set(
                "original_max_position_embeddings",
                yarn.original_max_position_embeddings.into(),
            );
            set("beta_fast", yarn.beta_fast.into());
            set("beta_slow", yarn.beta_slow.into());
            set("truncate", yarn.truncate.into());
            // The attention factor follows from the factor, unless it was set apart from it.
            if (yarn.attention_factor - mscale(yarn.factor, 1.0)).abs() > 1e-12 {
                set("attention_factor", yarn.attention_factor.into());
            }
        }
        map
    }
}

impl Yarn {
    /// The published settings for contexts `factor` times as long as the original.
    pub fn new(factor: f64, original_max_position_embeddings: usize) -> Self {
        Self {
            factor,
            original_max_position_embeddings,
            attention_factor: mscale(factor, 1.0),
            beta_fast: BETA_FAST,
            beta_slow: BETA_SLOW,
            truncate: true,
        }
    }

    fn parse(
        fields: Fields<'_>,
        max_position_embeddings: usize,
        theta: f64,
    ) -> Result<Self, CheckpointError> {
        // The range of dimensions is found with 1 / ln(theta).
        if theta <= 1.0 {
            return Err(fields.wrong("rope_theta", "a number above 1 with YaRN"));
        }
        let original_max_position_embeddings = fields.size_or(
            "original_max_position_embeddings",
            max_position_embeddings,
            1..=1 << 40,
        )?;
        let factor = fields
            .number("factor", 1.0..=1e6)?
            .unwrap_or(max_position_embeddings as f64 / original_max_position_embeddings as f64);
        let scale = |name| fields.number(name, 0.0..=1e6).map(|n| n.filter(|n| *n != 0.0));
        let attention_factor = match fields.number("attention_factor", 0.0..=1e6)? {
            Some(given) => given,
            None => match (scale("mscale")?, scale("mscale_all_dim")?) {
                (Some(one), Some(all)) => mscale(factor, one) / mscale(factor, all),
                _ => mscale(factor, 1.0),
            },
        };
        Ok(Self {
            factor,
            original_max_position_embeddings,
            attention_factor,
            beta_fast: scale("beta_fast")?.unwrap_or(BETA_FAST),
            beta_slow: scale("beta_slow")?.unwrap_or(BETA_SLOW),
            truncate: fields.flag("truncate")?.unwrap_or(true),
        })
    }
}

/// The published bounds of the ramp, in rotations over the original context.
const BETA_FAST: f64 = 32.0;
const BETA_SLOW: f64 = 1.0;

fn mscale(factor: f64, scale: f64) -> f64 {
    if factor <= 1.0 {
        1.0
    } else {
        0.1 * scale * factor.ln() + 1.0
    }
}
