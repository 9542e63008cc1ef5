//! Secrets by name, each bound to the origins that may receive it.

use std::path::{Path, PathBuf};
use std::process::Command;

use aurore_screen::{Secret, SecretRefused, Secrets};
use serde::Deserialize;

use crate::failure::{WithHint, hinted};
use crate::folders;

/// Secrets of a file:
///
/// ```toml
/// [[secret]]
/// name = "bank"
/// origins = ["https://bank.example"]
/// command = ["pass", "show", "bank"]   # or: value = "…"
/// ```
#[derive(Clone, Default)]
pub struct Keyring {
    secrets: Vec<Entry>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    secret: Vec<Entry>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    origins: Vec<String>,
    value: Option<String>,
    /// Prints the value; the last line break does not count.
    command: Option<Vec<String>>,
}

const HINT: &str = "[[secret]] tables with name, origins, and value or command; docs/rules.md shows one";

impl Keyring {
    /// The secrets of the file named, or of `secrets.toml` in the user's folder of settings if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, is readable by others, or says what it should not.
    pub fn open(named: Option<&Path>) -> anyhow::Result<Self> {
        let file: Option<PathBuf> = match named {
            Some(file) => Some(file.to_path_buf()),
            None => folders::config()
                .map(|folder| folder.join("secrets.toml"))
                .filter(|file| file.exists()),
        };
        let Some(file) = file else {
            return Ok(Self::default());
        };
        private(&file)?;
        let cannot = format!("cannot read the secrets in {}", file.display());
        let text = std::fs::read_to_string(&file).with_hint(&cannot, HINT)?;
        // The parser's message shows the line, which may hold a value.
        let parsed: File = toml::from_str(&text).map_err(|error| {
            let line = text[..error.span().map_or(0, |span| span.start).min(text.len())]
                .lines()
                .count();
            hinted(
                format!("{}:{line}: this is no table of secrets", file.display()),
                HINT,
            )
        })?;
        for entry in &parsed.secret {
            let one = entry.value.is_some() != entry.command.as_ref().is_some_and(|argv| !argv.is_empty());
            let bound = !entry.origins.is_empty()
                && entry
                    .origins
                    .iter()
                    .all(|origin| aurore_policy::origin_of(origin) == origin.trim_end_matches('/'));
            if entry.name.is_empty() || !one || !bound {
                return Err(hinted(
                    format!(
                        "{}: the secret {:?} needs a name, one of value and command, and whole origins such as https://bank.example",
                        file.display(),
                        entry.name
                    ),
                    HINT,
                ));
            }
        }
        Ok(Self {
            secrets: parsed.secret,
        })
    }

    /// Names, and the origins that each is bound to.
    pub fn names(&self) -> Vec<(String, Vec<String>)> {
        self.secrets
            .iter()
            .map(|entry| (entry.name.clone(), entry.origins.clone()))
            .collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }
}

impl Secrets for Keyring {
    fn resolve(&self, name: &str, origin: &str) -> Result<Secret, SecretRefused> {
        let entry = self
            .secrets
            .iter()
            .find(|entry| entry.name == name)
            .ok_or(SecretRefused::Unknown)?;
        if !entry
            .origins
            .iter()
            .any(|bound| bound.trim_end_matches('/') == origin)
        {
            return Err(SecretRefused::WrongOrigin {
                origin: origin.to_owned(),
            });
        }
        match (&entry.value, &entry.command) {
            (Some(value), _) => Ok(Secret::new(value.clone())),
            (None, Some(argv)) => printed(argv).map(Secret::new).ok_or(SecretRefused::Unknown),
            (None, None) => Err(SecretRefused::Unknown),
        }
    }
}

/// What a command prints, without its last line break.
fn printed(argv: &[String]) -> Option<String> {
    let (program, arguments) = argv.split_first()?;
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.is_empty()).then(|| text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

#[cfg(unix)]
fn private(file: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata =
        std::fs::metadata(file).with_hint(&format!("cannot read the secrets in {}", file.display()), HINT)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(hinted(
            format!("{} can be read by others", file.display()),
            format!("chmod 600 {}", file.display()),
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_: &Path) -> anyhow::Result<()> {
    Ok(())
}
