//! Responses that nobody waits for: they are made all the same, and asked for later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Those that are under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Background {
    running: Arc<Mutex<HashMap<String, Running>>>,
}

#[derive(Debug)]
struct Running {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Background {
    /// Begins one; its work ends, with everything kept, soon after it is told to.
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        id: String,
        work: impl FnOnce(Arc<Notify>) -> F,
    ) {
        let stop = Arc::new(Notify::new());
        let work = work(Arc::clone(&stop));
        let (own, name) = (self.clone(), id.clone());
        // Held until it stands in the list, so that it is not taken out before.
        let mut running = self.lock();
        let task = tokio::spawn(async move {
            work.await;
            own.lock().remove(&name);
        });
        running.insert(id, Running { stop, task });
    }

    /// Tells one to end and waits until it has. Whether it was under way.
    pub(super) async fn cancel(&self, id: &str) -> bool {
        let Some(running) = self.lock().remove(id) else {
            return false;
        };
        running.stop.notify_one();
        // If it panicked it has ended.
        let _ = running.task.await;
        true
    }

    /// Waits until all have ended.
    pub(crate) async fn ended(&self) {
        loop {
            let next = {
                let mut running = self.lock();
                let id = running.keys().next().cloned();
                id.and_then(|id| running.remove(&id))
            };
            let Some(running) = next else { return };
            let _ = running.task.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
