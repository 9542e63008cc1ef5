//! Processes that want the cores too: a browser always runs beside the agent.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::WithHint;

/// A busy process ends by itself after this long, whatever became of the one that started it.
const LONGEST: Duration = Duration::from_hours(1);
/// How often it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// Busy processes; they end when this does.
pub(super) struct Beside(Vec<Child>);

impl Beside {
    /// Starts `count` of them.
    pub(super) fn start(count: usize) -> anyhow::Result<Self> {
        let mut children = Self(Vec::new());
        for _ in 0..count {
            let hint = "leave out --beside";
            let program = std::env::current_exe().with_hint("this program cannot be found", hint)?;
            let child = Command::new(program)
                .args(["bench", "--spin"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .with_hint("a busy process cannot be started", hint)?;
            children.0.push(child);
        }
        Ok(children)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a busy process does: nothing, at full speed, until its input closes.
pub(super) fn spin() {
    let started = Instant::now();
    let watcher = std::thread::spawn(|| {
        // The end of input is the end of whoever wanted this, however it ended.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    });
    let mut looked = Instant::now();
    while !watcher.is_finished() && started.elapsed() < LONGEST {
        while looked.elapsed() < LOOK {
            std::hint::spin_loop();
        }
        looked = Instant::now();
    }
}
