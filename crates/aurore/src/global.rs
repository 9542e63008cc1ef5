//! What every command is given.

use std::io::IsTerminal;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Options and facts that hold for the whole program.
pub struct Global {
    /// Print JSON, one object a line, instead of text.
    pub json: bool,
    /// Whether standard output takes colours: a terminal, and no `NO_COLOR`.
    pub color: bool,
    /// Set by the first Ctrl-C (or a termination signal); the second one ends the program at once.
    pub interrupted: Arc<AtomicBool>,
}

/// What shells expect of a program that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

impl Global {
    /// Reads the surroundings and takes over Ctrl-C.
    ///
    /// # Errors
    /// When the signal handler cannot be installed.
    pub fn new(json: bool) -> anyhow::Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                exit(EXIT_INTERRUPTED);
            }
        })
        .context("cannot listen for Ctrl-C")?;
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Ok(Self {
            json,
            color: std::io::stdout().is_terminal() && !no_color && !json,
            interrupted,
        })
    }

    /// Whether Ctrl-C was pressed.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
}
