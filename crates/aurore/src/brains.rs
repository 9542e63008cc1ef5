//! Who decides: a loaded model, or a script.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aurore_agent::{Brain, NetworkBrain, NetworkOpinion, NetworkOptions, ScriptedBrain, SecondOpinion};
use aurore_chat::AgentSettings;

use crate::adapters::AdapterChoice;
use crate::failure::WithHint;
use crate::models::ModelChoice;
use crate::talk::Talker;

/// A brain with what it wishes of its screen.
pub struct Mind {
    /// Decides.
    pub brain: Box<dyn Brain>,
    /// Viewport and memory that it was trained on.
    pub settings: AgentSettings,
    /// In words, for the head of a report: `nano, 5.9 million parameters, avx2`.
    pub description: String,
    /// The same model's second opinion, in a conversation of its own.
    pub opinion: Option<Box<dyn SecondOpinion>>,
    /// Origins that belong to the agent itself, such as its model's server: no page leads there.
    pub controls: Vec<String>,
}

/// Loads the model as a brain.
///
/// # Errors
/// When the checkpoint cannot be opened or loaded.
pub fn network(
    choice: &ModelChoice,
    adapter: &AdapterChoice,
    threads: Option<usize>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Mind> {
    let talker = Talker::load(choice, adapter, threads)?;
    let settings = talker.chat().settings();
    let name = settings.name.clone().unwrap_or_else(|| choice.model.clone());
    let brain = NetworkBrain::new(
        Arc::clone(talker.chat()),
        talker.engine().clone(),
        NetworkOptions {
            name: name.clone(),
            fingerprint: talker.fingerprint().to_owned(),
            cancel: Arc::clone(stop),
            ..NetworkOptions::default()
        },
    );
    let opinion = NetworkOpinion::new(
        Arc::clone(talker.chat()),
        talker.engine().clone(),
        &name,
        Arc::clone(stop),
    );
    Ok(Mind {
        brain: Box::new(brain),
        opinion: Some(Box::new(opinion)),
        settings: settings.agent,
        description: format!(
            "{name}{}, {:.1} million parameters, {}",
            adapter.note(),
            talker.parameters() as f64 / 1e6,
            talker.engine().model().isa_name()
        ),
        controls: Vec::new(),
    })
}

/// A script of tool calls as a brain.
///
/// # Errors
/// When it cannot be read.
pub fn script(file: &Path) -> anyhow::Result<Mind> {
    script_after(file, None)
}

/// The same; a script that a run of this fingerprint has begun goes on after so many steps that are done already.
///
/// # Errors
/// When it cannot be read.
pub fn script_after(file: &Path, begun: Option<(&str, usize)>) -> anyhow::Result<Mind> {
    let mut brain = ScriptedBrain::open(file).with_hint(
        &format!("the script {} cannot be used", file.display()),
        "one JSON object a line: {\"intent\": \"…\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [500, 500]}}",
    )?;
    if let Some((_, done)) = begun.filter(|(fingerprint, _)| *fingerprint == brain.fingerprint()) {
        brain.skip(done);
    }
    Ok(Mind {
        brain: Box::new(brain),
        opinion: None,
        settings: AgentSettings::default(),
        description: format!("the script {}", file.display()),
        controls: Vec::new(),
    })
}
