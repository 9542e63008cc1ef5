//! The matrices that a network multiplies with, each joined from official tensors that read the same
//! input. One list for loading and for packed files, so that a matrix can come from either.

use std::borrow::Cow;

use crate::{CheckpointError, Config, Ffn, LayerType, Tensor, TextConfig, VisionConfig, Weights};

/// What a matrix does; decides how precisely it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Token embedding with a head of its own beside it: rows are looked up, never multiplied.
    Embedding,
    /// Hidden states to logits; also the embedding where the two are tied.
    Head,
    /// Gated DeltaNet: queries, keys, values, output gate, and the two gates of the recurrence.
    DeltaInput,
    /// Gated DeltaNet: back to the residual stream.
    DeltaOutput,
    /// Full attention: queries with their gates, keys, values.
    AttentionInput,
    /// Full attention: back to the residual stream.
    AttentionOutput,
    /// Dense feed-forward: gate and up.
    GateUp,
    /// Dense feed-forward: down.
    Down,
    /// Chooses the experts: small, and an error changes who computes.
    Router,
    /// Weight of the shared expert: one row.
    SharedGate,
    /// Shared expert: gate and up.
    SharedGateUp,
    /// Shared expert: down.
    SharedDown,
    /// A routed expert: gate and up.
    ExpertGateUp,
    /// A routed expert: down.
    ExpertDown,
    /// Vision tower: pixels of a patch to its hidden state.
    VisionPatch,
    /// Vision tower: queries, keys, values.
    VisionInput,
    /// Vision tower: back to the residual stream.
    VisionOutput,
    /// Vision tower: the first layer of a block's MLP.
    VisionUp,
    /// Vision tower: the second one.
    VisionDown,
    /// Vision tower: four patches to one token.
    VisionMerger,
    /// Multi-token prediction: joins an embedding with a hidden state.
    MtpInput,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 21] = [
        Self::Embedding,
        Self::Head,
        Self::DeltaInput,
        Self::DeltaOutput,
        Self::AttentionInput,
        Self::AttentionOutput,
        Self::GateUp,
        Self::Down,
        Self::Router,
        Self::SharedGate,
        Self::SharedGateUp,
        Self::SharedDown,
        Self::ExpertGateUp,
        Self::ExpertDown,
        Self::VisionPatch,
        Self::VisionInput,
        Self::VisionOutput,
        Self::VisionUp,
        Self::VisionDown,
        Self::VisionMerger,
        Self::MtpInput,
    ];

    /// A short name, such as `delta-input`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Head => "head",
            Self::DeltaInput => "delta-input",
            Self::DeltaOutput => "delta-output",
            Self::AttentionInput => "attention-input",
            Self::AttentionOutput => "attention-output",
            Self::GateUp => "gate-up",
            Self::Down => "down",
            Self::Router => "router",
            Self::SharedGate => "shared-gate",
            Self::SharedGateUp => "shared-gate-up",
            Self::SharedDown => "shared-down",
            Self::ExpertGateUp => "expert-gate-up",
            Self::ExpertDown => "expert-down",
            Self::VisionPatch => "vision-patch",
            Self::VisionInput => "vision-input",
            Self::VisionOutput => "vision-output",
            Self::VisionUp => "vision-up",
            Self::VisionDown => "vision-down",
            Self::VisionMerger => "vision-merger",
            Self::MtpInput => "mtp-input",
        }
    }
}

/// One of the three matrices of a routed expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpertPart {
    /// `[intermediate, hidden]`
    Gate,
    /// `[intermediate, hidden]`
    Up,
    /// `[hidden, intermediate]`
    Down,
}

/// Where some rows of a matrix come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowSource {
    /// A tensor by official name; axes after the first count as columns.
    Tensor(String),
    /// A part of a routed expert, whether stored fused or per expert.
    Expert {
        /// The feed-forward layer, such as `model.language_model.layers.0.mlp`.
        prefix: String,
        /// The expert's number.
        index: usize,
        /// Which of its matrices.
        part: ExpertPart,
    },
}

/// A matrix `[rows, columns]`: its parts one below the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixSpec {
    /// Stable name, such as `layers.3.linear_attn.input`.
    pub key: String,
    /// What it does.
    pub role: Role,
    /// Inputs.
    pub columns: usize,
    /// Where its rows come from, and how many from each.
    pub parts: Vec<(RowSource, usize)>,
}

impl MatrixSpec {
    fn new(key: &str, role: Role, columns: usize, parts: Vec<(RowSource, usize)>) -> Self {
        let key = key.strip_prefix("model.").unwrap_or(key);
        let key = key.strip_prefix("language_model.").unwrap_or(key).to_owned();
        Self {
            key,
            role,
            columns,
            parts,
        }
    }

    fn single(key: &str, role: Role, columns: usize, name: String, rows: usize) -> Self {
        Self::new(key, role, columns, vec![(RowSource::Tensor(name), rows)])
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.parts.iter().map(|(_, rows)| rows).sum()
    }

    /// Number of weights.
    pub fn elements(&self) -> u64 {
        self.rows() as u64 * self.columns as u64
    }

    /// The parts' tensors, checked: each has its rows of `columns` elements.
    pub fn tensors<'a>(&self, weights: &'a dyn Weights) -> Result<Vec<Tensor<'a>>, CheckpointError> {
        let tensor = |(source, rows): &(RowSource, usize)| {
            let tensor = match source {
                RowSource::Tensor(name) => weights.tensor(name)?,
                RowSource::Expert { prefix, index, part } => weights.expert_part(prefix, *index, *part)?,
            };
            // A convolution over whole patches is a matrix too: only the sizes' product counts.
            if tensor.shape.first() == Some(rows) && tensor.len() == rows * self.columns {
                return Ok(tensor);
            }
            tensor.expect_shape(&[*rows, self.columns])
        };
        self.parts.iter().map(tensor).collect()
    }
}

/// All matrices of a configuration, in the order in which a token meets them. Those of
/// multi-token prediction come last and only when asked for.
pub fn matrices(config: &Config, with_mtp: bool) -> Vec<MatrixSpec> {
    let text = &config.text;
    let mut all = Vec::new();
    if let Some(vision) = &config.vision {
        all.push(vision_patch(vision));
        for index in 0..vision.depth {
            all.extend(vision_block(vision, index));
        }
        all.extend(vision_merger(vision));
    }
    all.extend(embedding(config));
    for (index, kind) in text.layer_types.iter().enumerate() {
        layer(
            &mut all,
            text,
            &format!("model.language_model.layers.{index}"),
            *kind,
        );
    }
    all.push(head(config));
    if with_mtp && text.mtp_num_hidden_layers > 0 {
        let hidden = text.hidden_size;
        let name = "mtp.fc.weight".to_owned();
        all.push(MatrixSpec::single(
            "mtp.fc",
            Role::MtpInput,
            2 * hidden,
            name,
            hidden,
        ));
        for index in 0..text.mtp_num_hidden_layers {
            let prefix = format!("mtp.layers.{index}");
            layer(&mut all, text, &prefix, LayerType::FullAttention);
        }
    }
    all
}

fn layer(all: &mut Vec<MatrixSpec>, text: &TextConfig, prefix: &str, kind: LayerType) {
    match kind {
        LayerType::LinearAttention => {
            let prefix = format!("{prefix}.linear_attn");
            all.extend([delta_input(text, &prefix), delta_output(text, &prefix)]);
        }
        LayerType::FullAttention => {
            let prefix = format!("{prefix}.self_attn");
            all.extend([attention_input(text, &prefix), attention_output(text, &prefix)]);
        }
    }
    let prefix = format!("{prefix}.mlp");
    match text.ffn {
        Ffn::Dense { .. } => all.extend(dense(text, &prefix).into_iter().flatten()),
        Ffn::Moe { experts, .. } => {
            all.extend(moe(text, &prefix).into_iter().flatten());
            for index in 0..experts {
                all.extend(expert(text, &prefix, index).into_iter().flatten());
            }
        }
    }
}

/// The embedding's matrix, where it is not the head's.
pub fn embedding(config: &Config) -> Option<MatrixSpec> {
    let (rows, columns) = (config.text.vocab_size, config.text.hidden_size);
    let name = "model.language_model.embed_tokens.weight".to_owned();
    (!config.tie_word_embeddings)
        .then(|| MatrixSpec::single("embed_tokens", Role::Embedding, columns, name, rows))
}

/// The matrix that makes logits.
pub fn head(config: &Config) -> MatrixSpec {
    let (rows, columns) = (config.text.vocab_size, config.text.hidden_size);
    MatrixSpec::single("head", Role::Head, columns, config.head_name().to_owned(), rows)
}

/// Input of the DeltaNet layer at `prefix`; rows: convolution inputs (queries, keys, values), z, b, a.
pub fn delta_input(text: &TextConfig, prefix: &str) -> MatrixSpec {
    let heads = text.linear_num_value_heads;
    let parts = [
        ("qkv", text.linear_conv_dim()),
        ("z", text.linear_value_dim()),
        ("b", heads),
        ("a", heads),
    ];
    let parts = parts.map(|(part, rows)| {
        let name = format!("{prefix}.in_proj_{part}.weight");
        (RowSource::Tensor(name), rows)
    });
    let key = format!("{prefix}.input");
    MatrixSpec::new(&key, Role::DeltaInput, text.hidden_size, parts.into())
}

/// Output of the DeltaNet layer at `prefix`.
pub fn delta_output(text: &TextConfig, prefix: &str) -> MatrixSpec {
    let name = format!("{prefix}.out_proj.weight");
    let (key, columns) = (format!("{prefix}.output"), text.linear_value_dim());
    MatrixSpec::single(&key, Role::DeltaOutput, columns, name, text.hidden_size)
}

/// Input of the attention layer at `prefix`; rows: per query head its query and its gate, then
/// keys, then values.
pub fn attention_input(text: &TextConfig, prefix: &str) -> MatrixSpec {
    let dim = text.head_dim;
    let parts = [
        ("q", 2 * text.num_attention_heads * dim),
        ("k", text.num_key_value_heads * dim),
        ("v", text.num_key_value_heads * dim),
    ];
    let parts = parts.map(|(part, rows)| {
        let name = format!("{prefix}.{part}_proj.weight");
        (RowSource::Tensor(name), rows)
    });
    let key = format!("{prefix}.input");
    MatrixSpec::new(&key, Role::AttentionInput, text.hidden_size, parts.into())
}

/// Output of the attention layer at `prefix`.
pub fn attention_output(text: &TextConfig, prefix: &str) -> MatrixSpec {
    let name = format!("{prefix}.o_proj.weight");
    let columns = text.num_attention_heads * text.head_dim;
    let key = format!("{prefix}.output");
    MatrixSpec::single(&key, Role::AttentionOutput, columns, name, text.hidden_size)
}

/// Gate-and-up and down of the dense feed-forward layer at `prefix`; `None` where there are experts.
pub fn dense(text: &TextConfig, prefix: &str) -> Option<[MatrixSpec; 2]> {
    let Ffn::Dense { intermediate } = text.ffn else {
        return None;
    };
    let roles = [Role::GateUp, Role::Down];
    Some(swiglu(prefix, roles, text.hidden_size, intermediate))
}

/// Router, shared gate, and the shared expert's gate-and-up and down; `None` without experts.
pub fn moe(text: &TextConfig, prefix: &str) -> Option<[MatrixSpec; 4]> {
    let Ffn::Moe {
        experts,
        shared_intermediate,
        ..
    } = text.ffn
    else {
        return None;
    };
    let hidden = text.hidden_size;
    let small = |name: &str, role, rows| {
        let name = format!("{prefix}.{name}");
        MatrixSpec::single(&name, role, hidden, format!("{name}.weight"), rows)
    };
    let roles = [Role::SharedGateUp, Role::SharedDown];
    let [gate_up, down] = swiglu(
        &format!("{prefix}.shared_expert"),
        roles,
        hidden,
        shared_intermediate,
    );
    Some([
        small("gate", Role::Router, experts),
        small("shared_expert_gate", Role::SharedGate, 1),
        gate_up,
        down,
    ])
}

/// Gate-and-up and down of one routed expert; `None` without experts.
pub fn expert(text: &TextConfig, prefix: &str, index: usize) -> Option<[MatrixSpec; 2]> {
    let Ffn::Moe { intermediate, .. } = text.ffn else {
        return None;
    };
    let hidden = text.hidden_size;
    let source = |part| RowSource::Expert {
        prefix: prefix.to_owned(),
        index,
        part,
    };
    let key = |part: &str| format!("{prefix}.experts.{index}.{part}");
    let gate_up = [ExpertPart::Gate, ExpertPart::Up].map(|part| (source(part), intermediate));
    let down = vec![(source(ExpertPart::Down), hidden)];
    Some([
        MatrixSpec::new(&key("gate_up"), Role::ExpertGateUp, hidden, gate_up.into()),
        MatrixSpec::new(&key("down"), Role::ExpertDown, intermediate, down),
    ])
}

fn swiglu(prefix: &str, roles: [Role; 2], hidden: usize, inner: usize) -> [MatrixSpec; 2] {
    let name = |part: &str| RowSource::Tensor(format!("{prefix}.{part}_proj.weight"));
    let gate_up = vec![(name("gate"), inner), (name("up"), inner)];
    let down = vec![(name("down"), hidden)];
    [
        MatrixSpec::new(&format!("{prefix}.gate_up"), roles[0], hidden, gate_up),
        MatrixSpec::new(&format!("{prefix}.down"), roles[1], inner, down),
    ]
}

/// The tower's first matrix.
pub fn vision_patch(vision: &VisionConfig) -> MatrixSpec {
    let (rows, columns) = (vision.hidden_size, vision.patch_dim());
    vision_linear("patch_embed.proj", Role::VisionPatch, rows, columns)
}

/// Of one block: queries, keys and values; output; the MLP's two.
pub fn vision_block(vision: &VisionConfig, index: usize) -> [MatrixSpec; 4] {
    let (hidden, inner) = (vision.hidden_size, vision.intermediate_size);
    [
        ("attn.qkv", Role::VisionInput, 3 * hidden, hidden),
        ("attn.proj", Role::VisionOutput, hidden, hidden),
        ("mlp.linear_fc1", Role::VisionUp, inner, hidden),
        ("mlp.linear_fc2", Role::VisionDown, hidden, inner),
    ]
    .map(|(part, role, rows, columns)| vision_linear(&format!("blocks.{index}.{part}"), role, rows, columns))
}

/// The two of the merger.
pub fn vision_merger(vision: &VisionConfig) -> [MatrixSpec; 2] {
    let merged = vision.hidden_size * vision.merge_unit();
    [
        ("merger.linear_fc1", merged),
        ("merger.linear_fc2", vision.out_hidden_size),
    ]
    .map(|(part, rows)| vision_linear(part, Role::VisionMerger, rows, merged))
}

fn vision_linear(part: &str, role: Role, rows: usize, columns: usize) -> MatrixSpec {
    let name = format!("model.visual.{part}");
    MatrixSpec::single(&name, role, columns, format!("{name}.weight"), rows)
}

/// Part `part` of `parts` equal row groups of matrix `index` of a `[matrices, rows, columns]` tensor.
pub(crate) fn slice<'a>(
    tensor: &Tensor<'a>,
    index: usize,
    part: usize,
    parts: usize,
) -> Result<Tensor<'a>, CheckpointError> {
    let found = || CheckpointError::Entry {
        file: tensor.file.clone(),
        tensor: tensor.name.clone(),
        expected: format!("[more than {index} experts, rows in {parts} parts, columns]"),
        found: format!("{:?}", tensor.shape),
    };
    let [matrices, rows, columns] = tensor.shape[..] else {
        return Err(found());
    };
    if index >= matrices || !rows.is_multiple_of(parts) {
        return Err(found());
    }
    let rows = rows / parts;
    let size = rows * columns * tensor.dtype.size();
    let start = (index * parts + part) * size;
    let bytes = match &tensor.bytes {
        Cow::Borrowed(bytes) => bytes.get(start..start + size).map(Cow::Borrowed),
        Cow::Owned(bytes) => bytes
            .get(start..start + size)
            .map(|bytes| Cow::Owned(bytes.to_vec())),
    };
    Ok(Tensor {
        name: format!("{}[{index}]", tensor.name),
        file: tensor.file.clone(),
        dtype: tensor.dtype,
        shape: vec![rows, columns],
        bytes: bytes.ok_or_else(found)?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::{OFFICIAL, layout};

    #[test]
    fn every_matrix_of_every_shape_stands_in_one_place() {
        for name in OFFICIAL {
            let config = Config::official(name).unwrap();
            let all = matrices(&config, true);
            let keys: HashSet<_> = all.iter().map(|spec| &spec.key).collect();
            assert_eq!(keys.len(), all.len(), "{name}");
            let mut found: HashMap<String, u64> = HashMap::new();
            for spec in &all {
                for (source, rows) in &spec.parts {
                    let tensor = match source {
                        RowSource::Tensor(name) => name.clone(),
                        RowSource::Expert { prefix, part, .. } if *part == ExpertPart::Down => {
                            format!("{prefix}.experts.down_proj")
                        }
                        RowSource::Expert { prefix, .. } => format!("{prefix}.experts.gate_up_proj"),
                    };
                    *found.entry(tensor).or_default() += (rows * spec.columns) as u64;
                }
            }
            for slot in layout(&config) {
                let vector = slot.shape.len() == 1
                    || slot.name.ends_with("conv1d.weight")
                    || slot.name.ends_with("pos_embed.weight");
                let expected = (!vector).then(|| slot.parameters());
                assert_eq!(found.remove(&slot.name), expected, "{name}: {}", slot.name);
            }
            assert!(found.is_empty(), "{name}: {found:?}");
        }
    }

    #[test]
    fn role_names_are_unique() {
        let names: HashSet<_> = Role::ALL.iter().map(|role| role.name()).collect();
        assert_eq!(names.len(), Role::ALL.len());
    }
}
