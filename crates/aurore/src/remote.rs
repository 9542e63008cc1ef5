//! `--model-url`: a model behind somebody's OpenAI-compatible server.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aurore_agent::{Memory, RemoteBrain, RemoteOptions, reveal};
use aurore_chat::AgentSettings;
use aurore_remote::{Address, Limits, Patience, Server};

use crate::adapters::AdapterChoice;
use crate::brains::Mind;
use crate::failure::hinted;

/// Options of a model elsewhere.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of the options")]
pub struct RemoteChoice {
    /// Ask the model of an OpenAI-compatible server (Aurore's own, vLLM, SGLang, llama.cpp), such as
    /// http://127.0.0.1:8000/v1, instead of loading one. It gets the screenshots.
    #[arg(long, value_name = "URL", conflicts_with_all = ["model", "script", "threads"])]
    pub model_url: Option<String>,
    /// The model's name there; may be left out where only one is served.
    #[arg(long, value_name = "NAME", requires = "model_url")]
    pub model_name: Option<String>,
    /// The environment variable that holds the server's key.
    #[arg(long, value_name = "VAR", requires = "model_url")]
    pub model_key_env: Option<String>,
    /// The model's context, where the server does not tell it: older steps are folded to stay within.
    #[arg(long, value_name = "TOKENS", requires = "model_url", value_parser = clap::value_parser!(u32).range(2048..))]
    pub model_context: Option<u32>,
    /// What the model is shown of the past: the conversation, or one frame with the names or with the intents of the
    /// deeds so far.
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "conversation",
        requires = "model_url"
    )]
    pub model_memory: MemoryForm,
}

/// What a model is shown of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MemoryForm {
    Conversation,
    Frame,
    Intents,
}

/// Finds the model on its server.
///
/// # Errors
/// When the address, the key or the model cannot be used, nobody answers, or an adapter is named.
pub fn connect(
    url: &str,
    choice: &RemoteChoice,
    adapter: &AdapterChoice,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Mind> {
    if adapter.adapter.is_some() {
        return Err(hinted(
            "an adapter stands beside a model of this program, not beside one on a server",
            "leave --adapter out, or serve it (`aurore serve --adapter NAME=DIR`) and ask for NAME",
        ));
    }
    let address = Address::parse(url)?;
    let key = match &choice.model_key_env {
        Some(name) => match std::env::var(name) {
            Ok(key) if !key.trim().is_empty() => Some(key.trim().to_owned()),
            _ => {
                return Err(hinted(
                    format!("the environment variable {name} holds no key"),
                    format!("set it: export {name}=…"),
                ));
            }
        },
        None => None,
    };
    if address.is_exposed() {
        eprintln!(
            "note: {address} is another machine over plain http: screenshots{} can be read on the way",
            if key.is_some() { " and the key" } else { "" }
        );
    }
    let mut server = Server::new(
        address.clone(),
        key,
        Limits::default(),
        Patience::default(),
        Arc::clone(stop),
    );
    server.on_trouble(|trouble| {
        eprintln!(
            "note: the model server fails ({}); it is asked again in {:.1} s",
            reveal(&trouble.what, false),
            trouble.pause.as_secs_f32()
        );
    });
    let served = server.find(choice.model_name.as_deref())?;
    let (name, origin) = (served.id.clone(), address.origin());
    let options = RemoteOptions {
        model: served.id,
        context: choice
            .model_context
            .map(|tokens| tokens as usize)
            .or(served.max_model_len),
        memory: match choice.model_memory {
            MemoryForm::Conversation => Memory::Conversation,
            MemoryForm::Frame => Memory::Frame,
            MemoryForm::Intents => Memory::Intents,
        },
        max_new_tokens: None,
    };
    Ok(Mind {
        brain: Box::new(RemoteBrain::new(server, options)),
        settings: AgentSettings::default(),
        opinion: None,
        description: format!("{name} at {address}"),
        controls: vec![origin],
    })
}
