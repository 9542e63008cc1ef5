//! The apps of a suite, served.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::check::{Difference, Snapshot, differences};
use crate::web::{Listening, Stage};
use crate::{App, AppsError, Goal, Suite, served};

/// The apps of a suite on the loopback address, each on an origin of its own. They end when this is dropped.
///
/// Their addresses stay the same for as long as it lives; [`Site::begin`] changes the world that they show.
pub struct Site {
    suite: Suite,
    origins: Vec<(App, String)>,
    shown: Arc<RwLock<Option<Arc<Stage>>>>,
    /// As the databases were when the world began.
    before: Snapshot,
    /// Ends the servers when it is dropped.
    _runtime: Runtime,
}

impl Site {
    /// Starts serving. Before the first goal every page says that there is no world yet.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub fn start(suite: Suite) -> Result<Self, AppsError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("aurore-apps")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| AppsError::Listen {
                app: suite.name(),
                source,
            })?;
        let shown = Arc::new(RwLock::new(None));
        let mut origins = Vec::new();
        for app in suite.apps() {
            let listening = Listening::open(app)?;
            origins.push((app, listening.origin.clone()));
            let served = listening.serve(served::routes(app), Arc::clone(&shown));
            runtime.spawn(async move {
                if let Err(error) = served.await {
                    tracing::error!(app = app.name(), %error, "an app is served no more");
                }
            });
        }
        Ok(Self {
            suite,
            origins,
            shown,
            before: Snapshot::default(),
            _runtime: runtime,
        })
    }

    /// Which apps are served.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Apps and their origins, `http://127.0.0.1:PORT`.
    pub fn origins(&self) -> &[(App, String)] {
        &self.origins
    }

    /// The address of an app's first page; empty for an app of another suite.
    pub fn address(&self, app: App) -> String {
        self.origins
            .iter()
            .find(|(known, _)| *known == app)
            .map_or_else(String::new, |(_, origin)| format!("{origin}/"))
    }

    /// Shows the world of a goal, untouched.
    ///
    /// # Errors
    /// When a database cannot be filled.
    pub fn begin(&mut self, goal: &Goal) -> Result<(), AppsError> {
        let mut databases = BTreeMap::new();
        for app in self.suite.apps() {
            let failed = |source| AppsError::Database {
                app: app.name(),
                source,
            };
            let database = Connection::open_in_memory().map_err(failed)?;
            served::fill(app, &database, &goal.world).map_err(failed)?;
            databases.insert(app, Mutex::new(database));
        }
        self.before = Snapshot::of(&databases)?;
        let stage = Stage {
            look: goal.world.look,
            today: goal.world.today,
            origins: self.origins.clone(),
            databases,
        };
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(stage));
        Ok(())
    }

    /// Whatever is not exactly as the goal wants it; nothing when it is met.
    ///
    /// # Errors
    /// When a database cannot be read, or no goal was begun.
    pub fn differences(&self, goal: &Goal) -> Result<Vec<Difference>, AppsError> {
        let stage = self.shown.read().unwrap_or_else(PoisonError::into_inner).clone();
        let stage = stage.ok_or(AppsError::NoWorld)?;
        Ok(differences(
            &self.before,
            &Snapshot::of(&stage.databases)?,
            &goal.wanted,
        ))
    }
}
