//! Responses that nobody waits for: they are made all the same, and asked for later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::growing::Growing;
use super::telling::Telling;
use crate::answers::{Answers, Encoder};
use crate::caller::Sight;

/// Those that are under way.
#[derive(Clone, Default)]
pub(crate) struct Background {
    running: Arc<Mutex<HashMap<String, Running>>>,
}

#[derive(Clone)]
struct Running {
    owner: String,
    growing: Arc<Mutex<Growing>>,
    stop: Arc<Notify>,
    /// Closes when it has ended.
    ended: watch::Receiver<()>,
}

impl Background {
    /// Goes on with a response until its end, or until it is told to stop.
    pub(super) fn spawn(&self, id: String, owner: String, growing: Growing, answers: Answers) {
        let (ending, ended) = watch::channel(());
        let running = Running {
            owner,
            growing: Arc::new(Mutex::new(growing)),
            stop: Arc::default(),
            ended,
        };
        self.lock().insert(id.clone(), running.clone());
        let all = self.clone();
        tokio::spawn(async move {
            grow(answers, &running).await;
            // What could not be kept is still there for those who ask, until the server ends.
            if running.growing().refused.is_none() {
                all.lock().remove(&id);
            }
            drop(ending);
        });
    }

    /// One that is under way, as far as it is known now. Waits while it is being kept: not for a thread that others
    /// wait for.
    pub(super) fn so_far(&self, id: &str, sight: &Sight) -> Option<Value> {
        let running = self.find(id, sight)?;
        let growing = running.growing();
        Some(growing.so_far())
    }

    /// Where the events of one are told, if they are. Waits like [`Self::so_far`].
    pub(super) fn telling(&self, id: &str, sight: &Sight) -> Option<Telling> {
        let running = self.find(id, sight)?;
        let growing = running.growing();
        growing.telling.clone()
    }

    /// Tells one to end and waits until it has.
    pub(super) async fn cancel(&self, id: &str, sight: &Sight) {
        if let Some(mut running) = self.find(id, sight) {
            running.stop.notify_one();
            running.has_ended().await;
        }
    }

    /// One that has ended and could not be kept was deleted: nobody asks for it any more.
    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Waits until all have ended.
    pub(crate) async fn ended(&self) {
        let all: Vec<Running> = self.lock().values().cloned().collect();
        for mut running in all {
            running.has_ended().await;
        }
    }

    fn find(&self, id: &str, sight: &Sight) -> Option<Running> {
        let running = self.lock().get(id).cloned();
        running.filter(|running| sight.shows(&running.owner))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn growing(&self) -> MutexGuard<'_, Growing> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn has_ended(&mut self) {
        while self.ended.changed().await.is_ok() {}
    }
}

async fn grow(mut answers: Answers, running: &Running) {
    let mut events = String::new();
    loop {
        let next = tokio::select! {
            () = running.stop.notified() => None,
            next = answers.next() => Some(next),
        };
        let mut growing = running.growing();
        let is_over = match next {
            None => {
                growing.cancel(&mut events);
                true
            }
            Some(Some((number, piece))) => {
                growing.piece(number, piece, &mut events);
                false
            }
            Some(None) => true,
        };
        if let Some(telling) = &growing.telling {
            telling.tell(&events);
            if is_over {
                telling.end();
            }
        }
        if is_over {
            return;
        }
        drop(growing);
        events.clear();
    }
}
