//! The rules in force: built in, the system's, the user's, and this run's.

use std::path::{Path, PathBuf};

use aurore_policy::{Layer, Rules};

use crate::failure::{WithHint, hinted};
use crate::folders;

const SYSTEM_FILE: &str = "/etc/aurore/rules.toml";

/// Longest rule file that is read.
const FILE_LIMIT: u64 = 1 << 20;

/// The built-in rules with those of `/etc/aurore/rules.toml`, of the user's `rules.toml`, and of the files named
/// for this run, as far as they exist.
///
/// # Errors
/// When a file cannot be read or is refused. Running with fewer rules than the person wrote is no way out.
pub fn load(named: &[PathBuf]) -> anyhow::Result<Rules> {
    let mut rules = Rules::builtin();
    let system = Path::new(SYSTEM_FILE);
    if system.exists() {
        check_owner(system)?;
        rules = add(rules, Layer::System, system)?;
    }
    if let Some(user) = user_file().filter(|file| file.exists()) {
        rules = add(rules, Layer::User, &user)?;
    }
    for file in named {
        rules = add(rules, Layer::Run, file)?;
    }
    Ok(rules)
}

/// Adds a file's rules in a layer.
///
/// # Errors
/// When it cannot be read, or is refused.
pub fn add(rules: Rules, layer: Layer, file: &Path) -> anyhow::Result<Rules> {
    let cannot = format!("cannot read the rules in {}", file.display());
    let hint = "rules are a TOML file; docs/rules.md shows its form";
    let size = std::fs::metadata(file).with_hint(&cannot, hint)?.len();
    if size > FILE_LIMIT {
        return Err(hinted(format!("{cannot}: {size} bytes are too long"), hint));
    }
    let text = std::fs::read_to_string(file).with_hint(&cannot, hint)?;
    Ok(rules.with(layer, &file.display().to_string(), &text)?)
}

/// Where the user's own rules are.
pub fn user_file() -> Option<PathBuf> {
    Some(folders::config()?.join("rules.toml"))
}

/// The system's rules bind everybody, so only the system's owner may have written them.
#[cfg(unix)]
fn check_owner(file: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(file)?;
    if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return Err(hinted(
            format!("{} is not root's alone", file.display()),
            "as root: chown root and chmod go-w that file, or remove it",
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Path) -> anyhow::Result<()> {
    Ok(())
}
