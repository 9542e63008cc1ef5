//! How the program reports an error: what happened, why, and what to do.

use std::fmt;
use std::process::ExitCode;

use aurore_agent::reveal;

/// An error message with what to do about it.
#[derive(Debug)]
pub struct Hinted {
    message: String,
    hint: String,
}

#[cfg(test)]
impl Hinted {
    /// What to do.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// An error that ends in a hint.
pub fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Hinted {
        message: message.into(),
        hint: hint.into(),
    })
}

/// Adds a hint to whatever failed.
pub trait WithHint<T> {
    /// The failure under `message`, ending in `hint`.
    fn with_hint(self, message: &str, hint: &str) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn with_hint(self, message: &str, hint: &str) -> anyhow::Result<T> {
        self.map_err(|error| {
            error.into().context(Hinted {
                message: message.to_owned(),
                hint: hint.to_owned(),
            })
        })
    }
}

const FALLBACK_HINT: &str = "`aurore doctor` shows what this machine offers and what is missing";

/// Prints the error on standard error (as one JSON object with `--json`) and gives the exit code.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    // Some errors repeat their cause in their own words.
    let mut said = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said.clone_from(&cause);
            causes.push(cause);
        }
    }
    let said_already = error.chain().any(|cause| cause.to_string().contains("hint:"));
    let hint = match error.downcast_ref::<Hinted>() {
        Some(hinted) => Some(hinted.hint.as_str()),
        None if said_already => None,
        None => Some(FALLBACK_HINT),
    };
    if json {
        let object = serde_json::json!({"error": error.to_string(), "causes": causes, "hint": hint});
        eprintln!("{object}");
    } else {
        // Errors may quote a page or a file.
        eprintln!("error: {}", reveal(&error.to_string(), true));
        for cause in causes {
            eprintln!("  because: {}", reveal(&cause, true));
        }
        if let Some(hint) = hint {
            eprintln!("hint: {hint}");
        }
    }
    ExitCode::FAILURE
}
