//! Mixed clients, restarts and nonsense at a real server, for a while: `bench/soak` in short.

use std::path::Path;
use std::process::Command;

#[test]
fn mixed_clients_find_what_they_should_and_leave_nothing() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("clients-venv/bin/python");
    assert!(
        python.is_file(),
        "this test needs {}: run cargo xtask setup",
        python.display()
    );
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/soak"))
        .args(["--aurore", env!("CARGO_BIN_EXE_aurore")])
        .args(["--jobs", "250", "--restarts", "2", "--kills", "2"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("AURORE_API_KEY")
        .output()
        .unwrap();
    let [said, wrong] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{said}{wrong}");
}
