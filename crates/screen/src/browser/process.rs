//! The browser's processes: found, started in a group and with a profile of their own, and ended with the run.

use std::collections::VecDeque;
use std::io::{PipeReader, PipeWriter, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, geteuid, kill_process_group};

use super::BrowserOptions;
use super::profile::Profile;
use crate::ScreenError;

/// Names that are tried on `PATH`, in order.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// What is started around the browser, so that it ends with this process however that ends.
const KEEPER: &str = include_str!("keeper.sh");

/// Bytes of standard error that are kept for messages.
const LAST_WORDS: usize = 2000;

/// How long the keeper gets to end everything by itself.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Switches that keep a browser from calling home, updating, asking and animating.
const QUIET: &[&str] = &[
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-quic",
    // Containers often have a shared memory too small for a page.
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-client-side-phishing-detection",
    "--disable-search-engine-choice-screen",
    "--disable-infobars",
    "--disable-prompt-on-repost",
    "--metrics-recording-only",
    "--no-pings",
    "--no-service-autorun",
    "--password-store=basic",
    "--use-mock-keychain",
    "--mute-audio",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    // Pages in the background stay awake, so that a tab answers whichever is in front.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=Translate,MediaRouter,OptimizationHints,AutofillServerCommunication,PaintHolding,HttpsUpgrades,DialMediaRouteProvider",
];

/// A running browser and the two ends of its pipe.
pub(super) struct Process {
    keeper: Child,
    /// Closing it tells the keeper to end everything; so does the end of this process.
    lifeline: Option<PipeWriter>,
    profile: Profile,
    /// The browser's program.
    pub(super) program: PathBuf,
    stderr: LastWords,
    /// What the person should know.
    pub(super) warnings: Vec<String>,
}

/// The end of the browser's standard error.
#[derive(Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<VecDeque<u8>>>);

impl Process {
    /// Starts a browser; gives the pipe's end to write commands to, and the one to read answers from.
    pub(super) fn start(options: &BrowserOptions) -> Result<(Self, PipeWriter, PipeReader), ScreenError> {
        let program = find(options.path.as_deref())?;
        let io = |what: &str| {
            let what = format!("cannot start {}: {what}", program.display());
            move |source| ScreenError::Io { what, source }
        };
        let profile = Profile::open(options.profile.as_deref())?;
        let (command_reader, command_writer) = std::io::pipe().map_err(io("no pipe"))?;
        let (answer_reader, answer_writer) = std::io::pipe().map_err(io("no pipe"))?;
        let (lifeline_reader, lifeline) = std::io::pipe().map_err(io("no pipe"))?;

        let mut warnings = Vec::new();
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(KEEPER).arg("aurore-browser-keeper");
        command.arg(profile.passing()).arg(&program).args(QUIET);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // The page's size is set over the protocol; a window has its bars beside it.
        let (beside, above) = if options.show { (20, 140) } else { (0, 0) };
        command.arg(format!(
            "--window-size={},{}",
            options.viewport.width.saturating_add(beside),
            options.viewport.height.saturating_add(above)
        ));
        if !options.show {
            command.args(["--headless=new", "--disable-gpu"]);
        }
        if geteuid().is_root() {
            command.arg("--no-sandbox");
            warnings.push(
                "running as root: the browser's own sandbox is off (Chromium refuses it to root); run as an ordinary user where pages are not trusted"
                    .to_owned(),
            );
        }
        command.arg("about:blank");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut handed = vec![
            FdMapping {
                parent_fd: command_reader.into(),
                child_fd: 3,
            },
            FdMapping {
                parent_fd: answer_writer.into(),
                child_fd: 4,
            },
            FdMapping {
                parent_fd: lifeline_reader.into(),
                child_fd: 5,
            },
        ];
        if let Some(lock) = profile.lock()? {
            // The keeper holds the lock too: it is free only when the browser is gone.
            handed.push(FdMapping {
                parent_fd: lock.into(),
                child_fd: 6,
            });
        }
        command
            .fd_mappings(handed)
            .map_err(|collision| ScreenError::Launch {
                path: program.clone(),
                reason: collision.to_string(),
                stderr: String::new(),
            })?;
        let mut keeper = command.spawn().map_err(io("/bin/sh cannot be run"))?;
        // The command owns this process's copies of the child's ends; the pipe must end when the browser does.
        drop(command);
        let stderr = LastWords::default();
        if let Some(mut stream) = keeper.stderr.take() {
            let words = stderr.clone();
            std::thread::spawn(move || words.listen(&mut stream));
        }
        let process = Self {
            keeper,
            lifeline: Some(lifeline),
            profile: profile.handed_over(),
            program,
            stderr,
            warnings,
        };
        Ok((process, command_writer, answer_reader))
    }

    /// Its profile folder.
    pub(super) fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Whether its profile outlives it.
    pub(super) fn keeps_profile(&self) -> bool {
        self.profile.is_kept()
    }

    /// The end of its standard error.
    pub(super) fn stderr(&self) -> &LastWords {
        &self.stderr
    }

    /// Lets go of the browser and waits until nothing of it is left.
    pub(super) fn end(&mut self) {
        if self.lifeline.take().is_none() {
            return;
        }
        let start = Instant::now();
        loop {
            match self.keeper.try_wait() {
                Ok(None) if start.elapsed() < END_LIMIT => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => {
                    // Not waited for yet, so its number is still its group's.
                    let _ = kill_process_group(Pid::from_child(&self.keeper), Signal::KILL);
                    let _ = self.keeper.wait();
                    break;
                }
                Ok(Some(_)) | Err(_) => break,
            }
        }
        self.profile.end();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

impl LastWords {
    fn listen(&self, stream: &mut impl Read) {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            words.extend(buffer.iter().take(count));
            let excess = words.len().saturating_sub(LAST_WORDS);
            words.drain(..excess);
        }
    }

    /// What was kept.
    pub(super) fn text(&self) -> String {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (head, tail) = words.as_slices();
        String::from_utf8_lossy(&[head, tail].concat()).trim().to_owned()
    }
}

/// The browser's program.
fn find(named: Option<&Path>) -> Result<PathBuf, ScreenError> {
    if let Some(path) = named {
        return if path.is_file() {
            Ok(path.to_owned())
        } else {
            Err(ScreenError::NotFound {
                looked_for: path.display().to_string(),
            })
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    NAMES
        .iter()
        .flat_map(|name| std::env::split_paths(&folders).map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
        .ok_or_else(|| ScreenError::NotFound {
            looked_for: format!("{} on PATH", NAMES.join(", ")),
        })
}
