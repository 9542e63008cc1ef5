//! A run that is shown on a page while it goes on, and afterwards.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aurore_agent::{Hub, Journal};
use aurore_server::{KeyStore, Keys, Watch};
use serde_json::json;

use crate::failure::WithHint;
use crate::global::Global;

/// How often it is looked whether anybody still looks on.
const LOOK: Duration = Duration::from_millis(50);
/// How long a browser that lost its connection may take to come back.
const RETURN: Duration = Duration::from_secs(5);

/// Options of a watched run.
#[derive(Debug, Clone, clap::Args)]
pub struct WatchChoice {
    /// Show the run on a page of this machine: see what it thinks and does, answer its questions, pause it, take over,
    /// stop it. The link is printed and works once.
    #[arg(long)]
    pub watch: bool,
    /// The page's port; a free one if 0.
    #[arg(long, default_value_t = 0, value_name = "PORT", requires = "watch")]
    pub watch_port: u16,
}

/// A page that shows a run.
pub struct Watching {
    /// Where the run publishes.
    pub hub: Hub,
    watch: Watch,
}

impl WatchChoice {
    /// Opens the page, if it is wanted, and says where. Keys of `store` with the scope `agent` open it too.
    ///
    /// # Errors
    /// When the port is taken, or the keys cannot be read.
    pub fn open(
        &self,
        journals: &Path,
        store: Option<KeyStore>,
        global: &Global,
    ) -> anyhow::Result<Option<Watching>> {
        if !self.watch {
            return Ok(None);
        }
        Watching::open(self.watch_port, journals, store, "watch it on", global).map(Some)
    }
}

impl Watching {
    /// Opens a page at a port, and says where after some words of invitation. Keys of `store` with the scope `agent`
    /// open it too.
    ///
    /// # Errors
    /// When the port is taken, or the keys cannot be read.
    pub fn open(
        port: u16,
        journals: &Path,
        store: Option<KeyStore>,
        invitation: &str,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let hub = Hub::new(global.interrupted.clone(), Some(Journal::in_folder(journals)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_hint(
            &format!("cannot listen on port {port}"),
            "choose another one with --watch-port, or leave it out",
        )?;
        // A key made up for this run and thrown away: without a home folder only links open the page.
        let (_, made) = Keys::generate().with_hint("no key could be made up", "start it again")?;
        let keys = match store {
            Some(store) => made.with_store(store),
            None => made,
        };
        let watch = Watch::start(hub.clone(), keys, listener)?;
        let link = watch
            .link()
            .with_hint("no link could be made up", "start it again")?;
        if global.json {
            println!(
                "{}",
                json!({"event": "watch", "page": link, "address": watch.origin()})
            );
        } else {
            eprintln!("{invitation} {link}   (works once)");
        }
        Ok(Self { hub, watch })
    }

    /// The page's origin, which is none of the run's business.
    pub fn origin(&self) -> String {
        self.watch.origin()
    }

    /// Stays while somebody looks on, or until Ctrl-C.
    ///
    /// # Errors
    /// When the page ended by itself.
    pub fn stay(self, global: &Global) -> anyhow::Result<()> {
        if self.hub.was_killed() {
            // That was the page's kill switch; from here on it is Ctrl-C's again.
            global.interrupted.store(false, Ordering::SeqCst);
        }
        if self.watch.viewers() > 0 && !global.json && !global.is_interrupted() {
            eprintln!("the page stays for as long as somebody looks at it; Ctrl-C ends it");
        }
        let mut alone = None;
        while self.watch.was_watched() && !global.is_interrupted() {
            if self.watch.viewers() > 0 {
                alone = None;
            } else if alone.get_or_insert_with(Instant::now).elapsed() >= RETURN {
                break;
            }
            std::thread::sleep(LOOK);
        }
        self.watch
            .stop()
            .with_hint("the watch page ended", "start it again")
    }
}
