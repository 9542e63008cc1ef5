//! The rules in force: built in, the system's, the user's, the project folder's, and this run's.

use std::path::{Path, PathBuf};

use aurore_policy::{Layer, Rules};

use crate::allowances::Allowances;
use crate::failure::{WithHint, hinted};
use crate::folders;

const SYSTEM_FILE: &str = "/etc/aurore/rules.toml";

/// Longest rule file that is read.
const FILE_LIMIT: u64 = 1 << 20;

/// Where a project keeps its rules, in the folder of the call or one above.
const PROJECT_FILE: &str = ".aurore/rules.toml";

/// The built-in rules with those of `/etc/aurore/rules.toml`, of the user's `rules.toml` and kept allowances, of the
/// project's folder, and of the files named for this run, as far as they exist.
///
/// # Errors
/// When a file cannot be read or is refused. Running with fewer rules than the person wrote is no way out.
pub fn load(named: &[PathBuf]) -> anyhow::Result<Rules> {
    let mut rules = of_the_system()?;
    let kept = Allowances::of_the_user()
        .ok()
        .map(|allowances| allowances.file().to_path_buf());
    if let Some(file) = user_file().filter(|file| file.exists()) {
        rules = add(rules, Layer::User, &file)?;
    }
    if let Some(file) = kept.filter(|file| file.exists()) {
        let text = read(&file)?;
        rules = rules.with_answers(&file.display().to_string(), &text)?;
    }
    if let Some(project) = project_file() {
        rules = add(rules, Layer::Project, &project)?;
    }
    for file in named {
        rules = add(rules, Layer::Run, file)?;
    }
    Ok(rules)
}

/// The built-in rules and those of the machine.
///
/// # Errors
/// When the machine's file cannot be read, is refused, or is not root's alone.
pub fn of_the_system() -> anyhow::Result<Rules> {
    of_root(Path::new(SYSTEM_FILE))
}

fn of_root(file: &Path) -> anyhow::Result<Rules> {
    if !file.exists() {
        return Ok(Rules::builtin());
    }
    check_owner(file)?;
    add(Rules::builtin(), Layer::System, file)
}

/// The project's rules: of the nearest folder that has some, from the one of the call upwards. They can only
/// tighten, so that a strange project's do no harm.
fn project_file() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .map(|folder| folder.join(PROJECT_FILE))
        .find(|file| file.exists())
}

/// Adds a file's rules in a layer.
///
/// # Errors
/// When it cannot be read, or is refused.
pub fn add(rules: Rules, layer: Layer, file: &Path) -> anyhow::Result<Rules> {
    Ok(rules.with(layer, &file.display().to_string(), &read(file)?)?)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let cannot = format!("cannot read the rules in {}", file.display());
    let hint = "rules are a TOML file; docs/rules.md shows its form";
    let size = std::fs::metadata(file).with_hint(&cannot, hint)?.len();
    if size > FILE_LIMIT {
        return Err(hinted(format!("{cannot}: {size} bytes are too long"), hint));
    }
    std::fs::read_to_string(file).with_hint(&cannot, hint)
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn the_systems_rules_are_roots_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        let count = |rules: &Rules| rules.sources().count();
        let builtin = count(&Rules::builtin());
        assert_eq!(count(&of_root(&file).unwrap()), builtin, "there need be none");
        std::fs::write(
            &file,
            "[[rule]]\nname = \"a\"\ndecision = \"deny\"\nlabel = \"x\"\nreason = \"a test\"\n",
        )
        .unwrap();
        let allow = |mode: u32| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        for writable in [0o666, 0o664, 0o646] {
            allow(writable);
            let error = of_root(&file).unwrap_err().to_string();
            assert!(error.contains("not root's alone"), "{error}");
        }
        allow(0o644);
        let loaded = of_root(&file);
        if std::fs::metadata(&file).unwrap().uid() == 0 {
            assert_eq!(count(&loaded.unwrap()), builtin + 1);
        } else {
            assert!(loaded.unwrap_err().to_string().contains("not root's alone"));
        }
    }
}
