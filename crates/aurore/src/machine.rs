//! Facts about the machine, as far as the system tells them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cgroup;

/// Programs that are Chromium, in the order in which they are looked for.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// Bytes of main memory.
pub struct Memory {
    /// In the machine.
    pub total: u64,
    /// That this process can still have without swapping.
    pub available: u64,
}

/// The processor's own name.
pub fn processor_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Main memory.
pub fn memory() -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let free = kibibytes("MemAvailable:")? * 1024;
    Some(Memory {
        total: kibibytes("MemTotal:")? * 1024,
        available: cgroup::available().map_or(free, |left| left.min(free)),
    })
}

/// Linux's setting: `always`, `madvise` or `never`.
pub fn transparent_huge_pages() -> Option<String> {
    let text = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// The browser: the named file, or the first one on `PATH`.
pub fn browser(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(file) = named {
        return file.is_file().then(|| file.to_path_buf());
    }
    let path = std::env::var_os("PATH")?;
    BROWSERS
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// What a program says to `--version`, first line.
pub fn version(program: &Path) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// How many font files the system has; `None` where it is not known where to look.
pub fn fonts() -> Option<usize> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share/fonts"));
    let places = ["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from);
    Some(
        places
            .into_iter()
            .chain(home)
            .map(|folder| count_fonts(&folder, 4))
            .sum(),
    )
}

fn count_fonts(folder: &Path, depth: usize) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return if depth == 0 {
                    0
                } else {
                    count_fonts(&path, depth - 1)
                };
            }
            let extension = path.extension().and_then(|extension| extension.to_str());
            usize::from(matches!(extension, Some("ttf" | "otf" | "ttc" | "pfb" | "woff2")))
        })
        .sum()
}

/// The command that installs a package here, by its Debian name.
pub fn how_to_install(package: &str) -> String {
    let on_path = |program: &str| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
    };
    let fonts = package.starts_with("fonts");
    let command = if on_path("apt-get") {
        format!("apt-get install {package}")
    } else if on_path("dnf") {
        format!("dnf install {}", if fonts { "liberation-fonts" } else { package })
    } else if on_path("pacman") {
        format!("pacman -S {}", if fonts { "ttf-liberation" } else { package })
    } else if on_path("zypper") {
        format!(
            "zypper install {}",
            if fonts { "liberation-fonts" } else { package }
        )
    } else if on_path("brew") {
        format!(
            "brew install --cask {}",
            if fonts { "font-liberation" } else { package }
        )
    } else {
        return format!("install {package} with the system's package manager");
    };
    format!("`{command}`, or `cargo xtask setup` in a clone")
}
