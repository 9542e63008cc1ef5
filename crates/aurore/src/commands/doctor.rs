//! `aurore doctor`: what this machine offers, what is missing, and how to get it.

use std::path::PathBuf;
use std::process::ExitCode;

use aurore_kernels::Isa;
use serde::Serialize;

use crate::global::Global;
use crate::machine;
use crate::models;
use crate::style::{Look, Style};
use crate::tasks::MiniWob;

/// Options of `aurore doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// The browser, if it is not on PATH.
    #[arg(long, value_name = "FILE")]
    browser_path: Option<PathBuf>,
    /// The folder of the MiniWoB++ pages, if it is not where set-up puts them.
    #[arg(long, value_name = "DIR")]
    miniwob: Option<PathBuf>,
}

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// There.
    Ok,
    /// Missing or poor; something optional does not work or is slower.
    Optional,
    /// Missing; what the program is for does not work.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    status: Status,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            status: Status::Ok,
            found: found.into(),
            hint: None,
        }
    }

    fn lacking(
        what: &'static str,
        status: Status,
        found: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            what,
            status,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Runs the command. Exit code 1 when something is missing that the program cannot do without.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let findings = [
        processor(),
        instructions(),
        memory(),
        huge_pages(),
        embedded_model(),
        browser(&args),
        fonts(),
        miniwob(&args),
    ];
    let style = Style::new(global.color);
    for finding in &findings {
        if global.json {
            println!("{}", serde_json::to_string(finding)?);
            continue;
        }
        let mark = match finding.status {
            Status::Ok => style.paint(Look::Green, "ok      "),
            Status::Optional => style.paint(Look::Yellow, "optional"),
            Status::Missing => style.paint(Look::Red, "missing "),
        };
        println!("{mark}  {:<12}  {}", finding.what, finding.found);
        if let Some(hint) = &finding.hint {
            println!("                        hint: {hint}");
        }
    }
    let missing = findings.iter().any(|finding| finding.status == Status::Missing);
    Ok(if missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn processor() -> Finding {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let name = machine::processor_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    Finding::ok("processor", format!("{name}, {threads} threads for this program"))
}

fn instructions() -> Finding {
    let best = Isa::chosen().unwrap_or_else(|_| Isa::best()).name();
    let all: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    let found = format!("{best} is used (here: {})", all.join(", "));
    if best == "portable" {
        return Finding::lacking(
            "instructions",
            Status::Optional,
            found,
            "no vector instructions that Aurore knows: everything works, slowly",
        );
    }
    Finding::ok("instructions", found)
}

fn memory() -> Finding {
    match machine::memory() {
        Some(memory) => Finding::ok(
            "memory",
            format!("{} free of {}", gib(memory.available), gib(memory.total)),
        ),
        None => Finding::ok("memory", "not told by this system"),
    }
}

fn huge_pages() -> Finding {
    match machine::transparent_huge_pages().as_deref() {
        Some("never") => Finding::lacking(
            "huge pages",
            Status::Optional,
            "never",
            "large models run faster with them: as root, echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        ),
        Some(mode) => Finding::ok("huge pages", mode),
        None => Finding::ok("huge pages", "not told by this system"),
    }
}

fn embedded_model() -> Finding {
    if !models::has_nano() {
        return Finding::lacking(
            "model nano",
            Status::Optional,
            "not in this build",
            "name a checkpoint folder with --model DIR, or build where models/nano/model.safetensors is",
        );
    }
    match models::open(models::DEFAULT) {
        Ok(checkpoint) => Finding::ok(
            "model nano",
            format!(
                "embedded, {:.1} million parameters",
                checkpoint.total_parameters() as f64 / 1e6
            ),
        ),
        Err(error) => Finding::lacking(
            "model nano",
            Status::Missing,
            format!("{error:#}"),
            "rebuild from a clean clone",
        ),
    }
}

fn browser(args: &Args) -> Finding {
    match machine::browser(args.browser_path.as_deref()) {
        Some(path) => match machine::version(&path) {
            Some(version) => Finding::ok("browser", format!("{version} ({})", path.display())),
            None => Finding::lacking(
                "browser",
                Status::Missing,
                format!("{} does not say its version", path.display()),
                "reinstall Chromium, or name another one with --browser-path FILE",
            ),
        },
        None => Finding::lacking(
            "browser",
            Status::Missing,
            "no Chromium or Chrome on PATH",
            machine::how_to_install("chromium"),
        ),
    }
}

fn fonts() -> Finding {
    match machine::fonts() {
        Some(0) => Finding::lacking(
            "fonts",
            Status::Optional,
            "none found: pages show no text",
            machine::how_to_install("fonts-liberation"),
        ),
        Some(count) => Finding::ok("fonts", format!("{count} files")),
        None => Finding::ok("fonts", "not looked for on this system"),
    }
}

fn miniwob(args: &Args) -> Finding {
    let hint = "`cargo xtask setup` fetches them (Python package miniwob 1.1.0), or name a folder: AURORE_MINIWOB=DIR";
    match MiniWob::find(args.miniwob.as_deref()) {
        Ok(Some(pages)) => Finding::ok(
            "MiniWoB++",
            format!("{} tasks in {}", pages.tasks().len(), pages.root().display()),
        ),
        Ok(None) => Finding::lacking(
            "MiniWoB++",
            Status::Optional,
            "not here; demo and eval use the bundled pages",
            hint,
        ),
        Err(error) => Finding::lacking("MiniWoB++", Status::Optional, error.to_string(), hint),
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
