//! Random weights of any configuration's shapes, made as they are asked for.

use std::{borrow::Cow, collections::HashMap};

use half::bf16;

use crate::{CheckpointError, Config, Dtype, Expert, ExpertPart, Ffn, Tensor, Weights, layout};

/// Deterministic random weights: the same configuration and seed give the same bytes, whatever
/// the order in which tensors are asked for. Magnitudes keep activations and logits ordinary
/// (logits with a standard deviation near 1.8), so that numbers measured with them mean something.
pub struct RandomWeights {
    seed: u64,
    hidden: usize,
    /// Inner width of routed experts, 0 without experts.
    expert_inner: usize,
    shapes: HashMap<String, Vec<usize>>,
}

impl RandomWeights {
    /// Weights for `config`; nothing is allocated for them yet.
    pub fn new(config: &Config, seed: u64) -> Self {
        let expert_inner = match config.text.ffn {
            Ffn::Dense { .. } => 0,
            Ffn::Moe { intermediate, .. } => intermediate,
        };
        Self {
            seed,
            hidden: config.text.hidden_size,
            expert_inner,
            shapes: layout(config)
                .into_iter()
                .map(|slot| (slot.name, slot.shape))
                .collect(),
        }
    }

    fn shape(&self, name: &str) -> Result<&[usize], CheckpointError> {
        self.shapes
            .get(name)
            .map(Vec::as_slice)
            .ok_or_else(|| CheckpointError::MissingTensor {
                file: "random weights".to_owned(),
                tensor: name.to_owned(),
                expected: Vec::new(),
                hint: "this configuration has no such tensor",
            })
    }

    fn make(&self, name: String, shape: Vec<usize>) -> Tensor<'static> {
        let count: usize = shape.iter().product();
        let mut numbers = Numbers::new(self.seed, &name);
        let (centre, reach) = self.range(&name, &shape);
        let dtype = dtype_of(&name);
        let single = dtype == Dtype::F32;
        let mut bytes = Vec::with_capacity(count * dtype.size());
        // Four 16-bit uniforms of every 64-bit draw.
        for index in 0..count.div_ceil(4) {
            let draw = numbers.next();
            for lane in 0..(count - 4 * index).min(4) {
                let uniform = f32::from((draw >> (16 * lane)) as u16 as i16) / 32_768.0;
                let value = centre + reach * uniform;
                if single {
                    bytes.extend_from_slice(&value.to_le_bytes());
                } else {
                    bytes.extend_from_slice(&bf16::from_f32(value).to_le_bytes());
                }
            }
        }
        Tensor {
            name,
            file: "random weights".to_owned(),
            dtype,
            shape,
            bytes: Cow::Owned(bytes),
        }
    }

    /// Centre and half width of a tensor's uniform distribution.
    fn range(&self, name: &str, shape: &[usize]) -> (f32, f32) {
        // A uniform distribution over ±reach has a standard deviation of reach / √3.
        let spread = |std: f32| (0.0, std * 3.0f32.sqrt());
        let visual = name.starts_with("model.visual.");
        if name.ends_with(".A_log") {
            (1.0, 1.5)
        } else if name.ends_with(".dt_bias") {
            (-2.0, 2.0)
        } else if name.ends_with("norm.weight")
            || name.ends_with("norm1.weight")
            || name.ends_with("norm2.weight")
        {
            // Zero-centred in the language model, plain in the tower and in the gated norm.
            let plain = visual || name.ends_with("linear_attn.norm.weight");
            (if plain { 1.0 } else { 0.0 }, 0.3)
        } else if shape.len() == 1 {
            (0.0, 0.1)
        } else if name.ends_with("conv1d.weight") {
            spread(0.5)
        } else if name.ends_with("embed_tokens.weight") || name == "lm_head.weight" {
            spread(1.8 / (self.hidden as f32).sqrt())
        } else if name.ends_with("pos_embed.weight") {
            spread(0.3)
        } else {
            let inputs: usize = shape.iter().skip(1).product();
            spread(1.0 / (inputs.max(1) as f32).sqrt())
        }
    }
}

impl Weights for RandomWeights {
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        Ok(self.make(name.to_owned(), self.shape(name)?.to_vec()))
    }

    fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// Without making the tensor.
    fn dtype(&self, name: &str) -> Result<Dtype, CheckpointError> {
        self.shape(name).map(|_| dtype_of(name))
    }

    /// Made one at a time: a fused tensor of all experts would need gigabytes.
    fn expert(&self, prefix: &str, index: usize) -> Result<Expert<'_>, CheckpointError> {
        let part = |part| self.expert_part(prefix, index, part);
        Ok(Expert {
            gate: part(ExpertPart::Gate)?,
            up: part(ExpertPart::Up)?,
            down: part(ExpertPart::Down)?,
        })
    }

    fn expert_part(
        &self,
        prefix: &str,
        index: usize,
        part: ExpertPart,
    ) -> Result<Tensor<'_>, CheckpointError> {
        let (inner, hidden) = (self.expert_inner, self.hidden);
        let (name, shape) = match part {
            ExpertPart::Gate => ("gate_proj", [inner, hidden]),
            ExpertPart::Up => ("up_proj", [inner, hidden]),
            ExpertPart::Down => ("down_proj", [hidden, inner]),
        };
        Ok(self.make(format!("{prefix}.experts.{index}.{name}.weight"), shape.to_vec()))
    }
}

/// The data types of the family's published bf16 checkpoints.
fn dtype_of(name: &str) -> Dtype {
    if name.ends_with(".A_log") || name.ends_with(".linear_attn.norm.weight") {
        Dtype::F32
    } else {
        Dtype::BF16
    }
}

/// SplitMix64, seeded by the tensor's name.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64, name: &str) -> Self {
        // FNV-1a
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
