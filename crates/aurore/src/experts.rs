//! `--expert-memory`: experts in memory, or in their file with the most used ones in memory.

use aurore_checkpoint::Checkpoint;
use aurore_model::{ExpertSizes, MemoryPlan};

use crate::failure::hinted;
use crate::{machine, size};

/// Tokens of a conversation that memory is left for.
const CONTEXT: u64 = 16_384;
/// What the rest of the program takes, at most.
const PROGRAM: u64 = 128 << 20;

/// The option, the same in every command that loads a model.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ExpertMemory {
    /// Memory for the experts of a packed file, such as 8G: the most used are kept, the others read while the
    /// model runs. If absent: what is free, where the weights do not fit.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    expert_memory: Option<u64>,
}

impl ExpertMemory {
    /// What a checkpoint is loaded with beside conversations of `context` tokens; `None` when all of it is in
    /// memory. Takes what is not in memory out of `plan`.
    ///
    /// # Errors
    /// When more is wanted than there is, or a checkpoint does not fit even without its experts.
    pub fn place(
        &self,
        checkpoint: &Checkpoint,
        plan: &mut MemoryPlan,
        context: Option<u64>,
    ) -> anyhow::Result<Option<u64>> {
        let (Some(sizes), Some(memory)) = (ExpertSizes::of(checkpoint), machine::memory()) else {
            return Ok(self.expert_memory);
        };
        let all = plan.total(context.unwrap_or(CONTEXT));
        let beside = all.saturating_sub(plan.experts).saturating_add(PROGRAM);
        let chosen = choose(self.expert_memory, sizes, beside, memory.available)?;
        if let Some(bytes) = chosen {
            let kept = bytes.min(sizes.experts + 8 * sizes.per_layer);
            plan.weights = plan.weights - plan.experts + kept;
            plan.experts = kept;
        }
        Ok(chosen)
    }
}

fn choose(
    wanted: Option<u64>,
    sizes: ExpertSizes,
    beside: u64,
    available: u64,
) -> anyhow::Result<Option<u64>> {
    let left = available.saturating_sub(beside);
    let megabytes = |bytes: u64| bytes / 1_000_000;
    if wanted.map_or(left, |wanted| left.min(wanted)) < sizes.per_layer {
        return Err(hinted(
            format!(
                "memory for experts: {} MB of {} MB free, {} MB needed for everything else, and the experts of \
                 one token in one layer take {} MB",
                megabytes(wanted.unwrap_or(left)),
                megabytes(available),
                megabytes(beside),
                megabytes(sizes.per_layer),
            ),
            "free memory, raise the limit of this process, or choose a smaller model or fewer bits a weight",
        ));
    }
    match wanted {
        Some(wanted) if wanted.min(sizes.experts) > left => Err(hinted(
            format!(
                "--expert-memory: {} MB, but beside everything else only {} MB are free",
                megabytes(wanted),
                megabytes(left)
            ),
            format!(
                "--expert-memory {}MB at most, or leave the option out",
                megabytes(left)
            ),
        )),
        Some(wanted) => Ok(Some(wanted)),
        None if sizes.experts <= left => Ok(None),
        // A little is left to whatever else runs.
        None => Ok(Some((left - left / 20).max(sizes.per_layer))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: ExpertSizes = ExpertSizes {
        experts: 1000 << 20,
        per_token: 40 << 20,
        per_layer: 10 << 20,
        others: 200 << 20,
        others_per_token: 100 << 20,
    };

    fn chosen(wanted: Option<u64>, available: u64) -> Result<Option<u64>, String> {
        let wanted = wanted.map(|wanted| wanted << 20);
        choose(wanted, SIZES, 300 << 20, available << 20)
            .map(|chosen| chosen.map(|bytes| bytes >> 20))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn experts_stay_in_their_file_when_memory_is_short() {
        assert_eq!(chosen(None, 1300), Ok(None));
        assert_eq!(chosen(None, 1299), Ok(Some(949)));
        assert_eq!(chosen(None, 500), Ok(Some(190)));
        assert_eq!(chosen(None, 310), Ok(Some(10)));
        assert!(chosen(None, 309).unwrap_err().contains("one layer"));
        assert!(chosen(None, 100).is_err());
        assert_eq!(chosen(Some(150), 2000), Ok(Some(150)));
        assert_eq!(chosen(Some(5000), 2000), Ok(Some(5000)));
        assert!(chosen(Some(150), 400).unwrap_err().contains("--expert-memory"));
        assert!(chosen(Some(9), 2000).is_err());
    }

    #[test]
    fn the_least_speed_is_that_of_even_use() {
        let speed = |memory: u64| SIZES.least_tokens_per_second(memory << 20, 1e9, 20e9);
        assert!(speed(100) < speed(500) && speed(500) < speed(1100));
        let all = 1.0 / (140.0 * 1_048_576.0 / 20e9);
        assert!((speed(1100) - all).abs() < 1e-6);
    }
}
