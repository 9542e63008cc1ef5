//! What to expect of experts that stay in their file.

use aurore_checkpoint::Checkpoint;
use aurore_kernels::Cpu;
use aurore_model::ExpertSizes;
use serde_json::{Value, json};

use crate::failure::hinted;
use crate::memory::size;
use crate::style::{Look, Style};

/// Figures for some memory for experts; rates are measured now.
pub(super) struct Expectation {
    sizes: ExpertSizes,
    memory: u64,
    /// Bytes a second, experts read here and there.
    disk: f64,
    /// Bytes a second.
    memory_rate: f64,
}

impl Expectation {
    /// Measures for about a second.
    ///
    /// # Errors
    /// When the checkpoint has no packed experts, or they cannot be read.
    pub(super) fn measure(checkpoint: &Checkpoint, memory: u64) -> anyhow::Result<Self> {
        let Some(sizes) = ExpertSizes::of(checkpoint) else {
            return Err(hinted(
                "only routed experts of a packed checkpoint can stay in their file",
                "leave out --expert-memory, or pack the checkpoint with `aurore quantize`",
            ));
        };
        Ok(Self {
            sizes,
            memory,
            disk: sizes.read_rate(checkpoint)?,
            memory_rate: Cpu::new(None, 0).limits().read_bytes_per_second,
        })
    }

    /// Tokens a second of one sequence with the experts in memory, and the least with them in the file.
    fn speeds(&self) -> [f64; 2] {
        [u64::MAX, self.memory].map(|memory| {
            self.sizes
                .least_tokens_per_second(memory, self.disk, self.memory_rate)
        })
    }

    pub(super) fn print(&self, style: Style) {
        println!("{}", style.paint(Look::Bold, "experts in their file"));
        let [most, least] = self.speeds();
        let row = |label: &str, value: String| println!("  {label:<22}{value:>12}");
        row("experts", size(self.sizes.experts));
        row("everything else", size(self.sizes.others));
        row("kept", format!("{:.0} %", 100.0 * self.sizes.kept(self.memory)));
        row("disk, a second", size(self.disk as u64));
        row("memory, a second", size(self.memory_rate as u64));
        println!(
            "  decoding is bound by {least:.1} tokens/s where every expert is used alike ({most:.1} with all in memory); \
             the more uneven, the nearer to that"
        );
    }

    pub(super) fn to_json(&self) -> Value {
        let [most, least] = self.speeds();
        json!({
            "memory_bytes": self.memory,
            "expert_bytes": self.sizes.experts,
            "other_bytes": self.sizes.others,
            "kept": self.sizes.kept(self.memory),
            "disk_bytes_per_second": self.disk.round(),
            "memory_bytes_per_second": self.memory_rate.round(),
            "bound_tokens_per_second": least,
            "bound_tokens_per_second_in_memory": most,
        })
    }
}
