//! Which files there are, how large they are, and when they were last used.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::file::Kind;
use super::key::{PathKey, hex, unhex};

/// A file of this cache's own identity.
#[derive(Debug, Clone, Copy)]
struct Entry {
    bytes: u64,
    /// Blocks of 64 tokens that lead to its end.
    blocks: u32,
    /// Nanoseconds since 1970, never twice the same.
    used: u64,
}

/// A file of another checkpoint or program.
#[derive(Debug)]
struct Foreign {
    path: PathBuf,
    bytes: u64,
    blocks: u32,
    used: u64,
}

/// What is in the folder.
#[derive(Debug, Default)]
pub(super) struct Index {
    own: HashMap<(Kind, PathKey), Entry>,
    foreign: Vec<Foreign>,
    bytes: u64,
    states: usize,
    clock: u64,
}

/// A file to be given up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Own(String),
    Foreign(PathBuf),
}

impl Index {
    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// States of its own.
    pub(super) fn states(&self) -> usize {
        self.states
    }

    pub(super) fn has(&self, kind: Kind, key: &PathKey) -> bool {
        self.own.contains_key(&(kind, *key))
    }

    /// Leading blocks of a path that are there, and how many of them, `most` at most, lead to the deepest state.
    pub(super) fn reach(&self, path: &[PathKey], most: usize) -> (usize, usize) {
        let blocks = path.iter().take_while(|key| self.has(Kind::Block, key));
        let shared = blocks.count();
        let mut depths = (1..=shared.min(most)).rev();
        let deepest = depths.find(|depth| self.has(Kind::State, &path[depth - 1]));
        (shared, deepest.unwrap_or(0))
    }

    pub(super) fn add(&mut self, kind: Kind, key: PathKey, blocks: usize, bytes: u64, used: Option<u64>) {
        let used = used.unwrap_or_else(|| self.now());
        let entry = Entry {
            bytes,
            blocks: u32::try_from(blocks).unwrap_or(u32::MAX),
            used,
        };
        self.remove(kind, &key);
        self.own.insert((kind, key), entry);
        self.bytes += bytes;
        self.states += usize::from(kind == Kind::State);
    }

    pub(super) fn add_foreign(&mut self, path: PathBuf, blocks: u32, bytes: u64, used: u64) {
        self.bytes += bytes;
        self.foreign.push(Foreign {
            path,
            bytes,
            blocks,
            used,
        });
    }

    /// The name of the file, if it was there.
    pub(super) fn remove(&mut self, kind: Kind, key: &PathKey) -> Option<String> {
        let entry = self.own.remove(&(kind, *key))?;
        self.bytes -= entry.bytes;
        self.states -= usize::from(kind == Kind::State);
        Some(name(kind, entry.blocks, key))
    }

    /// Notes that the blocks of a path and the state at its end were used: the files' names, and when.
    pub(super) fn used(&mut self, path: &[PathKey]) -> (Vec<String>, u64) {
        let now = self.now();
        let blocks = path.iter().map(|key| (Kind::Block, *key));
        let state = path.last().map(|key| (Kind::State, *key));
        let mut names = Vec::new();
        for key in blocks.chain(state) {
            if let Some(entry) = self.own.get_mut(&key) {
                entry.used = now;
                names.push(name(key.0, entry.blocks, &key.1));
            }
        }
        (names, now)
    }

    /// Forgets what was not used for longest until no more than so many bytes are left. Of what was used together the
    /// deepest goes first, for it leads nowhere.
    pub(super) fn shrink(&mut self, bytes: u64) -> Vec<Victim> {
        if self.bytes <= bytes {
            return Vec::new();
        }
        let own = self.own.iter().map(|((kind, key), entry)| {
            let order = (entry.used, Reverse(entry.blocks), Reverse(*kind));
            (order, Ok((*kind, *key)))
        });
        let foreign = self.foreign.iter().enumerate().map(|(number, file)| {
            let order = (file.used, Reverse(file.blocks), Reverse(Kind::Block));
            (order, Err(number))
        });
        let mut all: Vec<_> = own.chain(foreign).collect();
        all.sort_unstable_by_key(|(order, _)| *order);
        let mut victims = Vec::new();
        for (_, file) in all {
            if self.bytes <= bytes {
                break;
            }
            match file {
                Ok((kind, key)) => victims.extend(self.remove(kind, &key).map(Victim::Own)),
                Err(number) => {
                    let file = &mut self.foreign[number];
                    self.bytes -= std::mem::take(&mut file.bytes);
                    victims.push(Victim::Foreign(std::mem::take(&mut file.path)));
                }
            }
        }
        self.foreign.retain(|file| !file.path.as_os_str().is_empty());
        victims
    }

    /// Later than every time before, whatever the clock does.
    fn now(&mut self) -> u64 {
        self.clock = nanoseconds(SystemTime::now()).max(self.clock + 1);
        self.clock
    }
}

/// Since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What a file is called.
pub(super) fn name(kind: Kind, blocks: u32, key: &PathKey) -> String {
    format!("{blocks:08x}-{}.{}", hex(key), kind.ending())
}

/// Back from [`name`].
pub(super) fn parse(name: &str) -> Option<(Kind, u32, PathKey)> {
    let (blocks, rest) = name.split_once('-')?;
    let (key, ending) = rest.split_once('.')?;
    let kind = [Kind::Block, Kind::State]
        .into_iter()
        .find(|kind| kind.ending() == ending)?;
    let blocks = u32::from_str_radix(blocks, 16)
        .ok()
        .filter(|_| blocks.len() == 8)?;
    Some((kind, blocks, unhex(key)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(first: u8, blocks: usize) -> Vec<PathKey> {
        (0..blocks).map(|number| [first + number as u8; 32]).collect()
    }

    #[test]
    fn the_deepest_state_with_all_its_blocks_is_found() {
        let mut index = Index::default();
        let path = path(1, 5);
        for (number, key) in path.iter().enumerate() {
            index.add(Kind::Block, *key, number + 1, 10, None);
        }
        for depth in [2, 4] {
            index.add(Kind::State, path[depth - 1], depth, 100, None);
        }
        assert_eq!((index.bytes(), index.states()), (250, 2));
        assert_eq!(index.reach(&path, 9), (5, 4));
        assert_eq!(index.reach(&path, 3), (5, 2));
        assert_eq!(index.reach(&path[1..], 9), (4, 3));
        index.remove(Kind::Block, &path[2]);
        assert_eq!(index.reach(&path, 9), (2, 2));
        index.remove(Kind::State, &path[1]);
        assert_eq!(index.reach(&path, 9), (2, 0));
        assert_eq!(index.reach(&[], 9), (0, 0));
    }

    #[test]
    fn the_oldest_go_first_and_paths_from_their_ends() {
        let mut index = Index::default();
        let (old, new) = (path(1, 2), path(10, 2));
        for (number, key) in old.iter().chain(&new).enumerate() {
            index.add(Kind::Block, *key, number % 2 + 1, 10, None);
        }
        index.add(Kind::State, old[1], 2, 100, None);
        index.add_foreign(PathBuf::from("else"), 7, 5, 3);
        index.used(&new);
        index.used(&old);
        let own = |kind, blocks, key| Victim::Own(name(kind, blocks, key));
        assert_eq!(index.shrink(145), []);
        assert_eq!(index.shrink(140), [Victim::Foreign("else".into())]);
        assert_eq!(index.shrink(130), [own(Kind::Block, 2, &new[1])]);
        assert_eq!(
            index.shrink(20),
            [own(Kind::Block, 1, &new[0]), own(Kind::State, 2, &old[1])]
        );
        assert_eq!((index.bytes(), index.states()), (20, 0));
        assert_eq!(index.shrink(0).len(), 2);
    }

    #[test]
    fn names_are_read_back() {
        let name = name(Kind::State, 77, &[5; 32]);
        assert_eq!(parse(&name), Some((Kind::State, 77, [5; 32])));
        for wrong in [
            "",
            "notes.txt",
            "a-b.kv",
            "0000004d-05.state",
            &format!("{name}x"),
        ] {
            assert_eq!(parse(wrong), None);
        }
    }
}
