//! The thread that reads.

use std::sync::Arc;

use aurore_model::{Model, Snapshot};

use super::file::{HEAD, Kind};
use super::key::PathKey;
use super::shelf::Shelf;
use super::{Jobs, Read};

pub(super) struct Reader {
    shelf: Arc<Shelf>,
    model: Arc<Model>,
}

impl Reader {
    pub(super) fn new(shelf: Arc<Shelf>, model: Arc<Model>) -> Self {
        Self { shelf, model }
    }

    pub(super) fn run(self, jobs: &Jobs<Read>) {
        for Read { path, base, done } in jobs {
            done.tell(self.restore(&path, base.as_ref()));
        }
    }

    /// The deepest state that can be read. Damage on the way to one leads to the next one before it.
    pub(super) fn restore(&self, path: &[PathKey], base: Option<&Snapshot>) -> Option<Snapshot> {
        let known = base.map_or(0, Snapshot::len) / Snapshot::EVERY;
        let mut most = path.len();
        loop {
            let (_, depth) = self.shelf.index().reach(path, most);
            if depth <= known {
                return None;
            }
            if let Some(snapshot) = self.read(&path[..depth], base) {
                self.shelf.used(&path[..depth]);
                return Some(snapshot);
            }
            most = depth - 1;
        }
    }

    /// A file that cannot be used is gone from the index afterwards.
    fn read(&self, path: &[PathKey], base: Option<&Snapshot>) -> Option<Snapshot> {
        let mut buffer = Vec::new();
        let mut rebuild = self.model.rebuild(base);
        for (number, key) in path.iter().enumerate().skip(rebuild.blocks()) {
            let is_read = self.shelf.read(Kind::Block, *key, number + 1, &mut buffer);
            if !is_read || !rebuild.block(&buffer[HEAD..]) {
                return None;
            }
        }
        let state = self
            .shelf
            .read(Kind::State, *path.last()?, path.len(), &mut buffer);
        rebuild.finish(&buffer[HEAD..]).filter(|_| state)
    }
}
