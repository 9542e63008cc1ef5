//! Taking connections, and ending in order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use crate::app::{App, Served};
use crate::router::router;

/// Bytes of a request's head that are read.
const HEAD_BYTES: usize = 64 << 10;
/// Threads that move bytes; the engine has its own. A second one would be woken beside the first for most tokens,
/// and take a processor from those that compute.
const THREADS: usize = 1;
/// How long to wait after the system refused a connection (too many open files).
const AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// A server that takes connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: std::thread::JoinHandle<io::Result<()>>,
}

impl Server {
    /// Takes connections of a listener, on threads of its own.
    ///
    /// # Errors
    /// When the system refuses threads or the listener is unusable.
    pub fn start(served: Served, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("aurore-server".to_owned());
        let thread = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("aurore-http")
                .enable_all()
                .build()?;
            runtime.block_on(run(served.app, listener, &stopped))
        })?;
        Ok(Self {
            address,
            stop,
            thread,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has ended by itself, which is a defect.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Takes no more connections and requests, lets answers end, and returns when all have, or when they were given
    /// [`crate::Options::patience`].
    ///
    /// # Errors
    /// What made it end earlier.
    pub fn stop(self) -> io::Result<()> {
        self.stop.notify_one();
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the server's thread panicked")))
    }
}

async fn run(served: App, listener: TcpListener, stop: &Notify) -> io::Result<()> {
    let connections = Connections {
        most: served.options.connections,
        arrival: served.options.arrival,
        departure: served.options.departure,
    };
    let graceful = accept(router(served.clone()), listener, connections, stop.notified()).await?;
    let patience = served.options.patience;
    let scheduler = served.scheduler.clone();
    let drained = tokio::task::spawn_blocking(move || scheduler.drain(patience));
    let ended = async {
        let _ = drained.await;
        served.background.ended().await;
        graceful.shutdown().await;
    };
    // Clients that do not read their answers are not waited for.
    let _ = timeout(patience + GRACE, ended).await;
    Ok(())
}

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    /// At once.
    pub(crate) most: usize,
    /// For a request's head to arrive.
    pub(crate) arrival: Duration,
    /// For a client to take what it is sent.
    pub(crate) departure: Duration,
}

/// Takes connections until it is stopped; those that are open then are left to the caller.
pub(crate) async fn accept(
    router: Router,
    listener: TcpListener,
    connections: Connections,
    stopped: impl Future<Output = ()>,
) -> io::Result<GracefulShutdown> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = TowerToHyperService::new(router);
    let places = Arc::new(Semaphore::new(connections.most));
    let graceful = GracefulShutdown::new();
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(connections.arrival)
        .max_buf_size(HEAD_BYTES);
    let mut stopped = pin!(stopped);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.map_err(io::Error::other)?,
            () = &mut stopped => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was refused");
                    tokio::time::sleep(AFTER_REFUSAL).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        // Events are small and should go out at once.
        let _ = stream.set_nodelay(true);
        // An answer that nobody takes would be written to its end.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(connections.departure));
        let connection = server.serve_connection(TokioIo::new(Box::pin(stream)), service.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    Ok(graceful)
}

/// How long the last bytes may take to leave after the engine has ended.
const GRACE: Duration = Duration::from_secs(2);
