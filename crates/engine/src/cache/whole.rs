//! Memory and disk together: memory answers at once, the disk when it has more.

use std::sync::Arc;

use aurore_model::{Model, Snapshot};

use super::disk::{Disk, DiskLimits};
use super::tree::{Found, PrefixCache};
use super::{BlockKey, Place};

/// What was read before.
#[derive(Debug)]
pub(crate) struct Cache {
    // Before the disk: states that nobody has any more are not written when both go.
    tree: PrefixCache,
    disk: Option<Disk>,
}

impl Cache {
    /// An empty memory over what the disk has, if it is to be used and can be.
    pub(crate) fn new(model: &Arc<Model>, disk: Option<&DiskLimits>) -> Self {
        let block_bytes = model.memory_plan().kv_per_token * Snapshot::EVERY as u64;
        Self {
            tree: PrefixCache::new(block_bytes),
            disk: disk.and_then(|limits| Disk::open(limits, model)),
        }
    }

    /// Bytes of all states and pages in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.tree.bytes()
    }

    /// Number of states in memory.
    pub(crate) fn len(&self) -> usize {
        self.tree.len()
    }

    /// The longest known beginning of a prompt's blocks that has a state in memory, `most` blocks at most, and the blocks
    /// that memory or disk share with the prompt.
    pub(crate) fn find(&mut self, keys: &[BlockKey], most: usize) -> Found {
        let mut found = self.tree.find(keys, most);
        if let Some(disk) = &self.disk {
            found.shared = found.shared.max(disk.reach(keys, most).0);
            if let Some(sequence) = &found.sequence {
                disk.used(&keys[..sequence.len() / Snapshot::EVERY]);
            }
        }
        found
    }

    /// Blocks that [`Cache::find`] would find a state for, without using them.
    pub(crate) fn reach(&self, keys: &[BlockKey], most: usize) -> usize {
        self.tree.reach(keys, most)
    }

    /// What is kept beyond memory, if anything.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Keeps a state after these blocks, and has it written.
    pub(crate) fn insert(&mut self, keys: &[BlockKey], snapshot: Snapshot, place: Place) {
        let kept = self.tree.insert(keys, snapshot, place);
        if let (Some(disk), Some(snapshot)) = (&self.disk, kept) {
            disk.keep(keys, &snapshot);
        }
    }

    /// Gives up what is worth least in memory until no more than so many bytes are left.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        self.tree.shrink(bytes);
    }
}
