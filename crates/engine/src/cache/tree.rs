//! The radix tree of blocks, its snapshots, and what they take.

use std::collections::HashMap;
use std::sync::Arc;

use aurore_model::{Sequence, Snapshot};

use super::{BlockKey, Place};

/// A state on the grid is worth as much as one with a meaning that was not used for so many times as long.
const GRID_AGES: u64 = 4;

/// What the tree knows of a prompt.
#[derive(Debug)]
pub(crate) struct Found {
    /// A sequence that has seen the prompt's first tokens.
    pub(crate) sequence: Option<Sequence>,
    /// Blocks that the tree shares with the prompt: at least those that the sequence has seen.
    pub(crate) shared: usize,
}

/// States by what led to them.
#[derive(Debug)]
pub(crate) struct PrefixCache {
    nodes: Vec<Node>,
    /// Places in `nodes` that are free.
    free: Vec<usize>,
    /// Counts uses.
    clock: u64,
    /// Bytes of keys and values of a block.
    block_bytes: u64,
    bytes: u64,
    snapshots: usize,
}

/// The end of a run of blocks. All but the root have a snapshot, or one below them.
#[derive(Debug, Default)]
struct Node {
    parent: usize,
    /// Blocks between the parent and here; only the root has none.
    label: Vec<BlockKey>,
    /// By the first block of their labels.
    children: HashMap<BlockKey, usize>,
    /// Blocks between the root and here.
    depth: usize,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Shared with whoever writes it to disk, while it does.
    snapshot: Arc<Snapshot>,
    place: Place,
    used: u64,
}

const ROOT: usize = 0;

impl PrefixCache {
    /// An empty tree; `block_bytes` are those of a block's keys and values.
    pub(crate) fn new(block_bytes: u64) -> Self {
        Self {
            nodes: vec![Node::default()],
            free: Vec::new(),
            clock: 0,
            block_bytes,
            bytes: 0,
            snapshots: 0,
        }
    }

    /// Bytes of all states and pages.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of states.
    pub(crate) fn len(&self) -> usize {
        self.snapshots
    }

    /// The longest known beginning of a prompt's blocks that has a state, `most` blocks at most.
    pub(crate) fn find(&mut self, keys: &[BlockKey], most: usize) -> Found {
        self.clock += 1;
        let (mut node, mut shared) = (ROOT, 0);
        let mut best = None;
        loop {
            if self.nodes[node].depth <= most && self.nodes[node].kept.is_some() {
                best = Some(node);
            }
            let Some(child) = keys
                .get(shared)
                .and_then(|key| self.nodes[node].children.get(key))
            else {
                break;
            };
            let label = &self.nodes[*child].label;
            let same = common(label, &keys[shared..]);
            shared += same;
            if same < label.len() {
                break;
            }
            node = *child;
        }
        let clock = self.clock;
        let kept = best.and_then(|node| self.nodes[node].kept.as_mut());
        Found {
            sequence: kept.map(|kept| {
                kept.used = clock;
                kept.snapshot.resume()
            }),
            shared,
        }
    }

    /// Blocks that [`PrefixCache::find`] would find, without using them.
    pub(crate) fn reach(&self, keys: &[BlockKey], most: usize) -> usize {
        let (mut node, mut depth, mut best) = (ROOT, 0, 0);
        while let Some(child) = keys.get(depth).and_then(|key| self.nodes[node].children.get(key)) {
            let data = &self.nodes[*child];
            if data.depth > most || common(&data.label, &keys[depth..]) < data.label.len() {
                break;
            }
            (node, depth) = (*child, data.depth);
            if data.kept.is_some() {
                best = depth;
            }
        }
        best
    }

    /// Keeps a state after these blocks; gives it back if there was none.
    pub(crate) fn insert(
        &mut self,
        keys: &[BlockKey],
        mut snapshot: Snapshot,
        place: Place,
    ) -> Option<Arc<Snapshot>> {
        if keys.is_empty() || snapshot.len() != keys.len() * Snapshot::EVERY {
            return None;
        }
        let node = self.node(keys);
        let used = self.clock;
        if let Some(kept) = &mut self.nodes[node].kept {
            kept.used = used;
            kept.place = kept.place.max(place);
            return None;
        }
        // One copy of the pages of a path, whoever computed it.
        if let Some((donor, depth)) = self.donor(node)
            && let Some(donor) = &self.nodes[donor].kept
        {
            snapshot.share_pages(&donor.snapshot, depth * Snapshot::EVERY);
        }
        self.bytes += snapshot.state_bytes() as u64;
        self.snapshots += 1;
        let snapshot = Arc::new(snapshot);
        self.nodes[node].kept = Some(Kept {
            snapshot: Arc::clone(&snapshot),
            place,
            used,
        });
        Some(snapshot)
    }

    /// Gives up what is worth least until no more than so many bytes are left.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        while self.bytes > bytes {
            let clock = self.clock;
            let worth = |kept: &Kept| {
                let age = clock - kept.used + 1;
                match kept.place {
                    Place::Grid => age * GRID_AGES,
                    Place::Meaning => age,
                }
            };
            let kept = self.nodes.iter().enumerate();
            let kept = kept.filter_map(|(node, data)| Some((worth(data.kept.as_ref()?), node)));
            // Of equals the deepest: what leads to others serves more prompts.
            let Some((_, node)) = kept.max_by_key(|(age, node)| (*age, self.nodes[*node].depth)) else {
                return;
            };
            self.forget(node);
        }
    }

    /// The node after these blocks, made if it is not there.
    fn node(&mut self, keys: &[BlockKey]) -> usize {
        let (mut node, mut done) = (ROOT, 0);
        while let Some(first) = keys.get(done) {
            let Some(child) = self.nodes[node].children.get(first).copied() else {
                let label = keys[done..].to_vec();
                return self.add(node, label);
            };
            let same = common(&self.nodes[child].label, &keys[done..]);
            node = if same < self.nodes[child].label.len() {
                self.split(child, same)
            } else {
                child
            };
            done += same;
        }
        node
    }

    fn add(&mut self, parent: usize, label: Vec<BlockKey>) -> usize {
        self.bytes += label.len() as u64 * self.block_bytes;
        let first = label.first().copied();
        let node = self.place(Node {
            parent,
            depth: self.nodes[parent].depth + label.len(),
            label,
            ..Node::default()
        });
        if let Some(first) = first {
            self.nodes[parent].children.insert(first, node);
        }
        node
    }

    fn place(&mut self, node: Node) -> usize {
        if let Some(free) = self.free.pop() {
            self.nodes[free] = node;
            return free;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A node on the way to `child`, `blocks` behind its parent.
    fn split(&mut self, child: usize, blocks: usize) -> usize {
        let rest = self.nodes[child].label.split_off(blocks);
        let label = std::mem::replace(&mut self.nodes[child].label, rest);
        let parent = self.nodes[child].parent;
        let (first, next) = (label[0], self.nodes[child].label[0]);
        let middle = self.place(Node {
            parent,
            depth: self.nodes[parent].depth + label.len(),
            label,
            children: HashMap::from([(next, child)]),
            kept: None,
        });
        self.nodes[child].parent = middle;
        self.nodes[parent].children.insert(first, middle);
        middle
    }

    /// A node with a snapshot that shares a path of so many blocks with `node`: one below it, or the nearest elsewhere.
    fn donor(&self, node: usize) -> Option<(usize, usize)> {
        let mut shared = node;
        loop {
            let depth = self.nodes[shared].depth;
            if depth == 0 {
                return None;
            }
            let mut below = shared;
            loop {
                if self.nodes[below].kept.is_some() {
                    return Some((below, depth));
                }
                // Not the way that led here: it has nothing.
                let mut children = self.nodes[below].children.values();
                match children.find(|child| **child != node) {
                    Some(child) => below = *child,
                    None => break,
                }
            }
            shared = self.nodes[shared].parent;
        }
    }

    /// Gives up a node's state, and what then leads nowhere.
    fn forget(&mut self, node: usize) {
        if let Some(kept) = self.nodes[node].kept.take() {
            self.bytes -= kept.snapshot.state_bytes() as u64;
            self.snapshots -= 1;
        }
        let mut node = node;
        while node != ROOT && self.nodes[node].kept.is_none() {
            let parent = self.nodes[node].parent;
            match self.nodes[node].children.len() {
                0 => {
                    let gone = self.release(node);
                    self.bytes -= gone.label.len() as u64 * self.block_bytes;
                    if let Some(first) = gone.label.first() {
                        self.nodes[parent].children.remove(first);
                    }
                    node = parent;
                }
                1 => {
                    self.join(node);
                    return;
                }
                _ => return,
            }
        }
    }

    /// Takes a node with one child out of the way between its parent and that child.
    fn join(&mut self, node: usize) {
        let gone = self.release(node);
        let Some(child) = gone.children.into_values().next() else {
            return;
        };
        let mut label = gone.label;
        let first = label[0];
        label.append(&mut self.nodes[child].label);
        self.nodes[child].label = label;
        self.nodes[child].parent = gone.parent;
        self.nodes[gone.parent].children.insert(first, child);
    }

    fn release(&mut self, node: usize) -> Node {
        self.free.push(node);
        std::mem::take(&mut self.nodes[node])
    }
}

/// Number of leading blocks that are the same.
fn common(a: &[BlockKey], b: &[BlockKey]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
impl PrefixCache {
    /// Checks what must always hold: labels, depths, no dead ends, and that the bytes are those of the parts.
    pub(super) fn check(&self) {
        let mut bytes = 0;
        let mut snapshots = 0;
        let mut waiting = vec![ROOT];
        let mut seen = 0;
        while let Some(node) = waiting.pop() {
            seen += 1;
            let data = &self.nodes[node];
            for (first, child) in &data.children {
                let child_data = &self.nodes[*child];
                assert_eq!(child_data.parent, node);
                assert_eq!(child_data.label.first(), Some(first));
                assert_eq!(child_data.depth, data.depth + child_data.label.len());
                bytes += child_data.label.len() as u64 * self.block_bytes;
                waiting.push(*child);
            }
            if let Some(kept) = &data.kept {
                assert_eq!(kept.snapshot.len(), data.depth * Snapshot::EVERY);
                assert_eq!(
                    kept.snapshot.page_bytes() as u64,
                    data.depth as u64 * self.block_bytes
                );
                bytes += kept.snapshot.state_bytes() as u64;
                snapshots += 1;
            } else if node != ROOT {
                assert!(data.children.len() > 1, "a node that serves nothing");
            }
        }
        assert_eq!(seen + self.free.len(), self.nodes.len());
        assert_eq!((bytes, snapshots), (self.bytes, self.snapshots));
    }
}
