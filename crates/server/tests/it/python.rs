//! Python packages that tests run.

use std::path::{Path, PathBuf};

/// Folder of a virtual environment's programs.
///
/// # Panics
/// When it has not what is pinned: a test that cannot run has not passed.
pub(crate) fn programs(environment: &str, requirements: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let environment = target.join(environment);
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(requirements);
    let wanted = std::fs::read_to_string(&pinned).unwrap();
    let installed = std::fs::read_to_string(environment.join("requirements.txt")).unwrap_or_default();
    assert!(
        installed == wanted,
        "this test needs the packages of crates/server/tests/{requirements} in {}: run cargo xtask setup",
        environment.display()
    );
    environment.join("bin")
}
