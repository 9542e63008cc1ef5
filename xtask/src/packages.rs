//! Programs that the system's own package manager installs: Chromium with the fonts that pages name, Python, curl.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::shell;

/// Programs that are Chromium, in the order in which `aurore` looks for them.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// A package manager: its program, how it installs, and what it calls things.
struct Manager {
    program: &'static str,
    /// What comes before installing.
    before: &'static [&'static str],
    install: &'static [&'static str],
    chromium: &'static [&'static str],
    python: &'static [&'static str],
    needs_root: bool,
}

const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        before: &["apt-get", "update", "-qq"],
        install: &["apt-get", "install", "-y", "-qq", "--no-install-recommends"],
        chromium: &["chromium", "fonts-liberation"],
        python: &["python3", "python3-venv"],
        needs_root: true,
    },
    Manager {
        program: "dnf",
        before: &[],
        install: &["dnf", "install", "-y"],
        chromium: &["chromium", "liberation-fonts"],
        python: &["python3"],
        needs_root: true,
    },
    Manager {
        program: "pacman",
        before: &[],
        install: &["pacman", "-S", "--noconfirm", "--needed"],
        chromium: &["chromium", "ttf-liberation"],
        python: &["python"],
        needs_root: true,
    },
    Manager {
        program: "zypper",
        before: &[],
        install: &["zypper", "--non-interactive", "install"],
        chromium: &["chromium", "liberation-fonts"],
        python: &["python3"],
        needs_root: true,
    },
    Manager {
        program: "brew",
        before: &[],
        install: &["brew", "install"],
        chromium: &["--cask", "chromium"],
        python: &["python3"],
        needs_root: false,
    },
];

/// Makes sure that there are a Chromium and its fonts, saying first what would be installed and why.
///
/// # Errors
/// When there is none and none can be installed: with what to do by hand.
pub(crate) fn ensure_chromium() -> anyhow::Result<()> {
    let browser = BROWSERS.iter().find_map(|name| shell::find(name));
    if let (Some(found), true) = (&browser, has_fonts()) {
        eprintln!("Chromium: {}", found.display());
        return Ok(());
    }
    let missing = if browser.is_some() {
        "The Liberation fonts are missing. The model was trained on pages in Liberation Sans, so they are"
    } else {
        "Chromium is missing. The agent works in a real browser, so it is (with the fonts that pages name, 160 MB)"
    };
    install(missing, "Chromium or Chrome", |manager| manager.chromium)?;
    if BROWSERS.iter().any(|name| shell::find(name).is_some()) {
        return Ok(());
    }
    bail!("Chromium is still not on PATH\nhint: see the package manager's messages above");
}

/// Makes sure that there is a Python that makes virtual environments.
///
/// # Errors
/// When there is none and none can be installed: with what to do by hand.
pub(crate) fn ensure_python() -> anyhow::Result<()> {
    let makes_environments = || {
        Command::new("python3")
            .args(["-c", "import ensurepip, venv"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if makes_environments() {
        return Ok(());
    }
    let missing =
        "Python with its module venv is missing. Clients of the server are Python packages, so it is";
    install(missing, "Python 3.10 or later with venv", |manager| {
        manager.python
    })?;
    if makes_environments() {
        return Ok(());
    }
    bail!("`python3` still cannot make virtual environments\nhint: see the package manager's messages above");
}

/// Makes sure that there is a `curl`.
///
/// # Errors
/// When there is none and none can be installed: with what to do by hand.
pub(crate) fn ensure_curl() -> anyhow::Result<()> {
    if shell::find("curl").is_some() {
        return Ok(());
    }
    install(
        "curl is missing. It is one of the clients that the server is tested with, so it is",
        "curl",
        |_| &["curl"],
    )
}

/// Installs packages with the manager that is here, saying first why.
fn install(
    missing: &str,
    what: &str,
    packages: impl Fn(&Manager) -> &'static [&'static str],
) -> anyhow::Result<()> {
    let Some(manager) = MANAGERS
        .iter()
        .find(|manager| shell::find(manager.program).is_some())
    else {
        bail!(
            "{what} is missing, and none of apt-get, dnf, pacman, zypper and brew is here to install it\n\
             hint: install it so that it is on PATH"
        );
    };
    eprintln!("{missing} installed now with {}:", manager.program);
    let steps = [
        manager.before.to_vec(),
        [manager.install, packages(manager)].concat(),
    ];
    let steps = steps.iter().filter(|step| !step.is_empty());
    let as_root = !manager.needs_root || is_root();
    if !as_root && shell::find("sudo").is_none() {
        let by_hand: Vec<String> = steps.map(|step| step.join(" ")).collect();
        bail!(
            "installing {what} needs root, and there is no sudo\nhint: as root, run: {}",
            by_hand.join(" && ")
        );
    }
    for step in steps {
        let mut command = Command::new(if as_root { step[0] } else { "sudo" });
        command
            .args(&step[usize::from(as_root)..])
            .env("DEBIAN_FRONTEND", "noninteractive");
        // With this terminal: sudo may ask for a password.
        shell::hand_over(&mut command)?;
    }
    Ok(())
}

/// Whether Liberation Sans is there, as far as that can be told.
fn has_fonts() -> bool {
    fn found(folder: &Path, depth: u32) -> bool {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).any(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.is_some_and(|name| name.starts_with("LiberationSans-Regular"))
                || (depth > 0 && path.is_dir() && found(&path, depth - 1))
        })
    }
    !cfg!(target_os = "linux") || found(Path::new("/usr/share/fonts"), 4)
}

fn is_root() -> bool {
    // Without a crate for one system call: `id` is everywhere that sudo is.
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
