//! Chromium and the fonts that pages name, by the system's own package manager.

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

/// A package manager: its program, and the commands that install Chromium.
struct Manager {
    program: &'static str,
    steps: &'static [&'static [&'static str]],
    needs_root: bool,
}

const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        steps: &[
            &["apt-get", "update", "-qq"],
            &[
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "chromium",
                "fonts-liberation",
            ],
        ],
        needs_root: true,
    },
    Manager {
        program: "dnf",
        steps: &[&["dnf", "install", "-y", "chromium", "liberation-fonts"]],
        needs_root: true,
    },
    Manager {
        program: "pacman",
        steps: &[&[
            "pacman",
            "-S",
            "--noconfirm",
            "--needed",
            "chromium",
            "ttf-liberation",
        ]],
        needs_root: true,
    },
    Manager {
        program: "zypper",
        steps: &[&[
            "zypper",
            "--non-interactive",
            "install",
            "chromium",
            "liberation-fonts",
        ]],
        needs_root: true,
    },
    Manager {
        program: "brew",
        steps: &[&["brew", "install", "--cask", "chromium"]],
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
    let Some(manager) = MANAGERS
        .iter()
        .find(|manager| shell::find(manager.program).is_some())
    else {
        bail!(
            "Chromium is missing, and none of apt-get, dnf, pacman, zypper and brew is here to install it\n\
             hint: install Chromium or Chrome so that `chromium` or `google-chrome` is on PATH"
        );
    };
    let missing = if browser.is_some() {
        "The Liberation fonts are missing. The model was trained on pages in Liberation Sans, so they are"
    } else {
        "Chromium is missing. The agent works in a real browser, so it is (with the fonts that pages name, 160 MB)"
    };
    eprintln!("{missing} installed now with {}:", manager.program);
    let as_root = !manager.needs_root || is_root();
    for step in manager.steps {
        let mut command = if as_root {
            Command::new(step[0])
        } else {
            let mut sudo = Command::new("sudo");
            sudo.arg(step[0]);
            sudo
        };
        command.args(&step[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        if !as_root && shell::find("sudo").is_none() {
            let by_hand: Vec<String> = manager.steps.iter().map(|step| step.join(" ")).collect();
            bail!(
                "installing Chromium needs root, and there is no sudo\nhint: as root, run: {}",
                by_hand.join(" && ")
            );
        }
        // With this terminal: sudo may ask for a password.
        shell::hand_over(&mut command)?;
    }
    if BROWSERS.iter().any(|name| shell::find(name).is_some()) {
        return Ok(());
    }
    bail!("Chromium is still not on PATH\nhint: see the package manager's messages above");
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
