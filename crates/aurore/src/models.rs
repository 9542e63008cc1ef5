//! Where `--model` leads: the embedded nano, or a checkpoint folder.

/// The model that is used when none is named.
pub const DEFAULT: &str = "nano";

/// The option that chooses a model, the same in every command.
#[derive(Debug, Clone, clap::Args)]
pub struct ModelChoice {
    /// `nano` (inside this program) or a checkpoint folder in the official layout.
    #[arg(long, short, default_value = DEFAULT, value_name = "NAME|DIR")]
    pub model: String,
}
