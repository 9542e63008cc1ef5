//! A run of the agent, shown to people and to programs that may answer and hold it.
//!
//! The run publishes to a [`Hub`]; here it is a page (`page/`), a stream of events, frames, and routes for answers and
//! orders. The agent does not know that it is served, and cannot reach what is served: its address is one of the run's
//! controls, its browser has no cookie of the page's, and no page of another origin is answered.

mod answers;
mod events;
mod guard;
mod hands;
mod orders;
mod page;
mod router;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aurore_agent::Hub;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::timeout;

use crate::app::Options;
use crate::keys::Keys;
use crate::listen::{Connections, accept};
use crate::page::Doors;

/// Connections at once: a few viewers, each with a stream and some pictures.
const CONNECTIONS: usize = 128;
/// Bytes of an answer or an order.
const BODY_BYTES: usize = 64 << 10;
/// How long streams may take to end after the last event.
const GRACE: Duration = Duration::from_secs(2);
/// What a person needs to see a question. An answer from the page that comes sooner was on its way before.
const GLANCE: Duration = Duration::from_millis(500);

/// A served run.
#[derive(Debug)]
pub struct Watch {
    address: SocketAddr,
    state: State,
    thread: std::thread::JoinHandle<io::Result<()>>,
}

/// What every handler is given.
type State = Arc<Parts>;

struct Parts {
    hub: Hub,
    doors: Doors,
    /// Secrets of the pages that may do more than look.
    hands: Doors,
    options: Options,
    /// Changes whenever the hub does.
    news: Sender<()>,
    stopping: Sender<bool>,
    viewers: AtomicUsize,
    was_watched: AtomicBool,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Watch {
    /// Serves a hub on a listener, on threads of its own. Keys of the scope [`Agent`](crate::Scope::Agent) open it
    /// beside the links.
    ///
    /// # Errors
    /// When the system refuses threads or the listener is unusable.
    pub fn start(hub: Hub, keys: Keys, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let news = Sender::new(());
        hub.on_news({
            let news = news.clone();
            move || {
                news.send_replace(());
            }
        });
        let state = Arc::new(Parts {
            hub,
            doors: Doors::default(),
            hands: Doors::default(),
            options: Options {
                keys,
                connections: CONNECTIONS,
                body_bytes: BODY_BYTES,
                ..Options::default()
            },
            news,
            stopping: Sender::new(false),
            viewers: AtomicUsize::new(0),
            was_watched: AtomicBool::new(false),
        });
        let thread = std::thread::Builder::new().name("aurore-watch".to_owned());
        let served = Arc::clone(&state);
        let thread = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(run(served, listener))
        })?;
        Ok(Self {
            address,
            state,
            thread,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin: one of the controls of the run.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An address that lets one browser in, once.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn link(&self) -> Result<String, getrandom::Error> {
        Ok(format!("http://{}{}", self.address, self.state.doors.link()?))
    }

    /// How many look on now.
    pub fn viewers(&self) -> usize {
        self.state.viewers.load(Ordering::SeqCst)
    }

    /// Whether anybody ever looked on.
    pub fn was_watched(&self) -> bool {
        self.state.was_watched.load(Ordering::SeqCst)
    }

    /// Takes no more requests, lets streams end, and returns when they have.
    ///
    /// # Errors
    /// What made it end earlier.
    pub fn stop(self) -> io::Result<()> {
        self.state.stopping.send_replace(true);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the watch page's thread panicked")))
    }
}

async fn run(state: State, listener: TcpListener) -> io::Result<()> {
    let connections = Connections {
        most: state.options.connections,
        arrival: state.options.arrival,
        departure: state.options.departure,
    };
    let stopped = stopped(state.stopping.subscribe());
    let graceful = accept(router::router(Arc::clone(&state)), listener, connections, stopped).await?;
    let _ = timeout(GRACE, graceful.shutdown()).await;
    Ok(())
}

/// Waits until it is to stop.
async fn stopped(mut stopping: Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
