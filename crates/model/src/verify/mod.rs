//! Comparing a path with what the official implementation computed.
//!
//! An f32 path must meet the gates on logits and, scaled by their size, on everything else that it
//! shows; a path that rounds weights is judged by how far its distributions move.

mod compare;
mod path;

use aurore_checkpoint::{Case, CaseEntry, Cases, Config, Weights};

pub use self::compare::Comparison;
pub(crate) use self::compare::{argmax, kl as divergence};
use self::path::Network;
use crate::{ImagePatches, Input, LoadOptions, ModelError, Precision, TokenId, positions::prompt_positions};

/// Largest absolute difference of logits of an f32 path.
pub const MAX_ABS: f64 = 5e-3;
/// Root mean square difference of an f32 path.
pub const RMS: f64 = 2e-4;
/// Mean Kullback-Leibler divergence of a bf16 path, in nats.
pub const BF16_KL: f64 = 5e-3;
/// Share of positions at which a bf16 path must agree on the likeliest token; in a short case, all
/// but one.
pub const BF16_TOP1: f64 = 0.97;
/// Mean divergence of an 8-bit path.
pub const Q8_KL: f64 = 0.03;
/// Mean divergence of a 4-bit path.
pub const Q4_KL: f64 = 0.3;
/// Choices closer than this, in logits, may differ.
pub const MARGIN: f32 = 0.01;

/// Which implementation is verified.
#[derive(Clone, Debug)]
pub enum Path {
    /// [`crate::reference`], always f32.
    Reference,
    /// [`crate::Model`].
    Fast(LoadOptions),
}

/// How a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Within the gates.
    Pass,
    /// Not.
    Fail,
    /// Not run.
    Skipped,
}

/// What was found out about one case; numbers are those of the logits where there are some.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it went.
    pub status: Status,
    /// The comparison of logits, or of the vision tower's features in a case without logits.
    pub comparison: Option<Comparison>,
    /// Whether every greedy choice was met; `None` without any.
    pub greedy_match: Option<bool>,
    /// Why the case failed or was skipped.
    pub reason: Option<String>,
}

/// Runs cases on one network.
pub struct Verifier<'a> {
    weights: &'a dyn Weights,
    config: &'a Config,
    path: Path,
    tolerance: Option<f64>,
    /// The network as it was last loaded, and the configuration that it was loaded with.
    loaded: Option<(Config, Network)>,
}

/// A case's prompt.
struct Prompt {
    ids: Vec<TokenId>,
    positions: Vec<[u32; 3]>,
    images: Vec<ImagePatches>,
}

impl Prompt {
    fn input(&self) -> Input<'_> {
        Input {
            ids: &self.ids,
            positions: &self.positions,
            images: &self.images,
        }
    }
}

impl<'a> Verifier<'a> {
    /// Verifies `path` with these weights. `tolerance` replaces every gate on differences: the
    /// largest absolute one may be that much.
    pub fn new(weights: &'a dyn Weights, config: &'a Config, path: Path, tolerance: Option<f64>) -> Self {
        Self {
            weights,
            config,
            path,
            tolerance,
            loaded: None,
        }
    }

    /// Runs one case. A case that cannot be read or run fails, with the error as its reason.
    pub fn run(&mut self, cases: &Cases, entry: &CaseEntry) -> Report {
        let skipped = |what: &str| Report {
            status: Status::Skipped,
            comparison: None,
            greedy_match: None,
            reason: Some(format!("not supported yet: {what}")),
        };
        if !matches!(entry.kind.as_str(), "text" | "vision") {
            return skipped(&entry.kind);
        }
        let case = match cases.load(entry) {
            Ok(case) if case.has_video() => return skipped("video"),
            Ok(case) => case,
            Err(error) => return failed(&error.into()),
        };
        self.compare(entry, &case).unwrap_or_else(|error| failed(&error))
    }

    fn compare(&mut self, entry: &CaseEntry, case: &Case) -> Result<Report, ModelError> {
        let mut config = self.config.clone();
        if let Some(overrides) = &entry.rope_parameters_override {
            let longest = config.text.max_position_embeddings;
            config.text.rope = config.text.rope.merged(overrides, longest, &entry.case)?;
        }
        let network = match &mut self.loaded {
            Some((loaded, network)) if *loaded == config => network,
            loaded => {
                let network = Network::load(&self.path, self.weights, &config)?;
                &mut loaded.insert((config.clone(), network)).1
            }
        };
        let gates = Gates {
            precision: match &self.path {
                Path::Fast(options) => options.precision,
                Path::Reference => Precision::F32,
            },
            tolerance: self.tolerance.or(entry.tolerance),
        };
        let images: Vec<ImagePatches> = case
            .images()?
            .into_iter()
            .map(|image| ImagePatches {
                grid: image.grid,
                patches: image.patches,
            })
            .collect();
        let mut report = Report {
            status: Status::Pass,
            comparison: None,
            greedy_match: None,
            reason: None,
        };
        let Some(ids) = case.input_ids()? else {
            let shown = network.encode_images(&images)?;
            report.compare_shown(&shown, case, gates)?;
            if report.comparison.is_none() {
                report.fail("the case holds nothing that can be compared".to_owned());
            }
            return Ok(report);
        };
        let prompt = prompt(case, ids, images, &config, &mut report)?;
        let (logits, shown) = network.prefill(&prompt.input())?;
        if let Some(expected) = case.expected("logits")? {
            if expected.values.len() != logits.len() || expected.columns != config.text.vocab_size {
                report.fail(format!(
                    "logits: expected shape [{}, {}], the case has {} numbers in rows of {}",
                    prompt.ids.len(),
                    config.text.vocab_size,
                    expected.values.len(),
                    expected.columns,
                ));
            } else {
                let comparison = Comparison::of_logits(&logits, &expected);
                if let Some(reason) = gates.refuse("logits", comparison, 1.0, prompt.ids.len()) {
                    report.fail(reason);
                }
                report.comparison = Some(comparison);
            }
        }
        report.compare_shown(&shown, case, gates)?;
        self.continue_greedily(
            case,
            prompt,
            logits,
            &config,
            &mut report,
            gates.precision == Precision::F32,
        )?;
        if report.comparison.is_none() && report.greedy_match.is_none() && report.reason.is_none() {
            report.fail("the case holds nothing that can be compared".to_owned());
        }
        Ok(report)
    }

    /// Feeds the reference's choices one by one and looks whether the network would choose the same.
    fn continue_greedily(
        &mut self,
        case: &Case,
        mut prompt: Prompt,
        mut logits: Vec<f32>,
        config: &Config,
        report: &mut Report,
        exact: bool,
    ) -> Result<(), ModelError> {
        let Some(greedy) = case.greedy()? else {
            return Ok(());
        };
        let Some((_, network)) = &mut self.loaded else {
            return Ok(());
        };
        if let Some(ids) = greedy.input_ids.filter(|ids| *ids != prompt.ids) {
            if !ids.contains(&config.image_token_id) {
                prompt.images.clear();
            }
            let merge = config
                .vision
                .as_ref()
                .map_or(1, |vision| vision.spatial_merge_size);
            prompt.positions = prompt_positions(&ids, &prompt.images, config.image_token_id, merge).0;
            prompt.ids = ids;
            logits = network.prefill(&prompt.input())?.0;
        }
        let start = logits.len().saturating_sub(config.text.vocab_size);
        let mut row = logits.split_off(start);
        report.greedy_match = Some(true);
        for (step, id) in greedy.ids.iter().enumerate() {
            let sure = greedy.margins.get(step).is_none_or(|margin| *margin >= MARGIN);
            let choice = compare::argmax(&row) as TokenId;
            if sure && choice != *id {
                report.greedy_match = Some(false);
                if exact {
                    report.fail(format!("greedy step {step}: expected token {id}, found {choice}"));
                }
                break;
            }
            row = network.step(*id)?;
        }
        Ok(())
    }
}

/// The case's prompt; positions are computed and must be the case's own, if it has some.
fn prompt(
    case: &Case,
    ids: Vec<TokenId>,
    images: Vec<ImagePatches>,
    config: &Config,
    report: &mut Report,
) -> Result<Prompt, ModelError> {
    let merge = config
        .vision
        .as_ref()
        .map_or(1, |vision| vision.spatial_merge_size);
    let (mut positions, delta) = prompt_positions(&ids, &images, config.image_token_id, merge);
    if let Some(given) = case.positions()? {
        if let Some(index) = given.iter().zip(&positions).position(|(given, own)| given != own) {
            let (given, own) = (given[index], positions[index]);
            report.fail(format!(
                "position_ids: at token {index} expected {given:?}, found {own:?}"
            ));
        }
        positions = given;
    }
    if let Some(given) = case.rope_delta()?.filter(|given| *given != delta) {
        report.fail(format!("rope_delta: expected {given}, found {delta}"));
    }
    Ok(Prompt {
        ids,
        positions,
        images,
    })
}

#[derive(Clone, Copy)]
struct Gates {
    /// How the path keeps weights.
    precision: Precision,
    tolerance: Option<f64>,
}

impl Gates {
    /// Why a comparison does not pass, if it does not. `scale` widens the gates for tensors whose
    /// numbers are larger than logits are.
    fn refuse(&self, what: &str, found: Comparison, scale: f64, rows: usize) -> Option<String> {
        let over = |name: &str, value: f64, limit: f64| {
            // A NaN is over any limit.
            (!matches!(value.partial_cmp(&limit), Some(order) if order.is_le()))
                .then(|| format!("{what}: {name} {value:.3e}, allowed {limit:.3e}"))
        };
        if let Some(tolerance) = self.tolerance {
            return over("largest difference", found.max_abs, tolerance);
        }
        if self.precision == Precision::F32 {
            return over("largest difference", found.max_abs, MAX_ABS * scale)
                .or_else(|| over("rms difference", found.rms, RMS * scale));
        }
        let (kl, top1) = (found.kl?, found.top1?);
        let (most, least) = match self.precision {
            Precision::F32 | Precision::Bf16 => (BF16_KL, BF16_TOP1),
            Precision::Q8 => (Q8_KL, 0.0),
            Precision::Q4 => (Q4_KL, 0.0),
        };
        let misses = ((1.0 - least) * rows as f64).ceil();
        let needed = 1.0 - misses / rows.max(1) as f64;
        over("mean divergence", kl, most)
            .or_else(|| (top1 < needed).then(|| format!("{what}: top-1 {top1:.4}, needed {needed:.4}")))
    }
}

impl Report {
    fn fail(&mut self, reason: String) {
        self.status = Status::Fail;
        // The first reason is the one that the others follow from.
        self.reason.get_or_insert(reason);
    }

    /// Compares what the path shows besides logits.
    fn compare_shown(
        &mut self,
        shown: &[(String, Vec<f32>)],
        case: &Case,
        gates: Gates,
    ) -> Result<(), ModelError> {
        for (name, found) in shown {
            let Some(expected) = case.expected(name)? else {
                continue;
            };
            if expected.values.len() != found.len() {
                let (expected, found) = (expected.values.len(), found.len());
                self.fail(format!("{name}: expected {expected} numbers, found {found}"));
                continue;
            }
            let comparison = Comparison::of_values(found, &expected.values);
            let scale = compare::rms(&expected.values).max(1.0);
            if let Some(reason) = gates.refuse(name, comparison, scale, 0) {
                self.fail(reason);
            }
            self.comparison.get_or_insert(comparison);
        }
        Ok(())
    }
}

fn failed(error: &ModelError) -> Report {
    Report {
        status: Status::Fail,
        comparison: None,
        greedy_match: None,
        reason: Some(error.to_string()),
    }
}
