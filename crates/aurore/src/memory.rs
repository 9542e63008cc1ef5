//! How much memory this program may have, and whether a plan fits into it.

use aurore_checkpoint::{Checkpoint, Config};
use aurore_model::{LoadOptions, MemoryPlan, Model};

use crate::experts::ExpertMemory;
use crate::failure::hinted;
use crate::{cgroup, machine};

/// The most memory that this program can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// What sets it.
    pub by: &'static str,
}

const MACHINE: &str = "this machine's memory";
const GROUP: &str = "the memory limit of this container or control group";
const PROCESS: &str = "the limit of this process (ulimit)";

impl Limit {
    /// The least of the machine's memory, the limits of the control groups that this process is in, and its own;
    /// `None` where the system tells none of them.
    pub fn find() -> Option<Self> {
        let machine = machine::memory().map(|memory| memory.total);
        let process = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        [
            (machine, MACHINE),
            (cgroup::limit(), GROUP),
            (process_limit(&process), PROCESS),
        ]
        .into_iter()
        .filter_map(|(bytes, by)| bytes.map(|bytes| Self { bytes, by }))
        .min_by_key(|limit| limit.bytes)
    }
}

/// The least soft limit on address space and data that `limits` (`/proc/self/limits`) has.
fn process_limit(limits: &str) -> Option<u64> {
    let of = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name))?;
        line[name.len()..].split_whitespace().next()?.parse::<u64>().ok()
    };
    let found = ["Max address space", "Max data size"].map(of);
    found.into_iter().flatten().min()
}

/// The plan for what `options` load: packed matrices keep their formats.
pub fn plan(checkpoint: &Checkpoint, config: &Config, options: &LoadOptions) -> MemoryPlan {
    let kv = options.kv.unwrap_or_else(|| options.precision.kv());
    MemoryPlan::packed(checkpoint, kv).unwrap_or_else(|| MemoryPlan::with_kv(config, options.precision, kv))
}

/// Refuses what cannot fit before anything is loaded: `sequences` of `context` tokens.
///
/// # Errors
/// Says what would be needed, what there is, and which context would fit.
pub fn admit(plan: &MemoryPlan, sequences: u64, context: u64, limit: Option<Limit>) -> anyhow::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let needed = plan.total_of(sequences, context);
    if needed <= limit.bytes {
        return Ok(());
    }
    let room = format!("{} is {}", limit.by, size(limit.bytes));
    match plan
        .longest_of(sequences, limit.bytes)
        .filter(|tokens| *tokens > 0)
    {
        None => Err(hinted(
            format!(
                "the weights take {} and buffers and states {}, but {room}",
                size(plan.weights),
                size(plan.total_of(sequences, 0) - plan.weights),
            ),
            "choose fewer bits a weight (`aurore quantize`) or a smaller model; `aurore inspect all` shows what fits",
        )),
        Some(tokens) => {
            let each = if sequences == 1 {
                String::new()
            } else {
                format!("{sequences} sequences of ")
            };
            Err(hinted(
                format!(
                    "{each}{context} tokens need {} ({} of them weights, {} a token), but {room}",
                    size(needed),
                    size(plan.weights),
                    size(plan.kv_per_token),
                ),
                format!(
                    "{each}{tokens} tokens would fit: --context {tokens}; 8-bit keys and values (--kv int8) take half of bf16's memory"
                ),
            ))
        }
    }
}

/// Loads a checkpoint for contexts of up to `context` tokens (the model's own length if `None`), after making sure
/// that memory can hold that: what was asked for is refused at once, what was not is cut when it comes. Experts
/// for which there is no room stay in their file.
///
/// # Errors
/// When the weights cannot be used, or memory cannot hold them or the context.
pub fn load(
    checkpoint: &Checkpoint,
    options: &LoadOptions,
    context: Option<u64>,
    experts: &ExpertMemory,
) -> anyhow::Result<Model> {
    let config = match context {
        None => checkpoint.config().clone(),
        Some(tokens) => checkpoint.config().clone().with_context(to_usize(tokens)),
    };
    let mut plan = plan(checkpoint, &config, options);
    let options = &LoadOptions {
        expert_memory: experts.place(checkpoint, &mut plan, context)?,
        ..options.clone()
    };
    let limit = Limit::find();
    admit(&plan, 1, context.unwrap_or(MemoryPlan::PAGE), limit)?;
    let mut model = Model::load(checkpoint, &config, options)?;
    if let Some(bytes) = limit.and_then(|limit| plan.left_for_sequences(1, limit.bytes)) {
        model.limit_sequences(bytes);
    }
    Ok(model)
}

/// A number of tokens; more than can be counted are as many as can.
pub fn to_usize(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX)
}

/// A number of bytes, in decimal units.
pub fn size(bytes: u64) -> String {
    let value = bytes as f64;
    match value {
        v if v >= 1e9 => format!("{:.2} GB", v / 1e9),
        v if v >= 1e6 => format!("{:.2} MB", v / 1e6),
        v if v >= 1e3 => format!("{:.2} kB", v / 1e3),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use aurore_model::Precision;

    use super::*;

    #[test]
    fn limits_of_the_process_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         4194304000           unlimited            bytes     \n";
        assert_eq!(process_limit(limits), Some(4_194_304_000));
        assert_eq!(process_limit("Max data size   unlimited  unlimited  bytes"), None);
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_would() {
        let config = Config::official("0.8B").unwrap();
        let plan = MemoryPlan::new(&config, Precision::Q4);
        let limit = |bytes| Some(Limit { bytes, by: MACHINE });
        assert!(admit(&plan, 1, 262_144, limit(24 << 30)).is_ok());
        assert!(admit(&plan, 1, u64::MAX, None).is_ok());
        let say = |sequences, context, bytes| {
            let error = admit(&plan, sequences, context, limit(bytes)).unwrap_err();
            let hint = error
                .downcast_ref::<crate::failure::Hinted>()
                .unwrap()
                .hint()
                .to_owned();
            format!("{error}; {hint}")
        };
        let said = say(1, 1_010_000, plan.total(65_536));
        assert!(
            said.contains("--context 65536") && said.contains(MACHINE),
            "{said}"
        );
        let said = say(16, 65_536, plan.total_of(16, 4096));
        assert!(said.contains("16 sequences of 4096 tokens"), "{said}");
        let said = say(1, 64, plan.weights);
        assert!(said.contains("quantize"), "{said}");
    }
}
