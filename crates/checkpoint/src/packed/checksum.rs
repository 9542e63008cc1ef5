//! Checksums that tell damage, not forgery: XXH3 of the XXH3s of each mebibyte.
//!
//! Two levels, so that parts of a large entry can be checked on their own and by several threads.

use std::hash::Hasher;

use twox_hash::XxHash3_64;

/// Bytes below one hash of the lower level.
const LEAF: usize = 1 << 20;

/// The checksum of bytes that come in pieces.
#[derive(Default)]
pub(super) struct Checksum {
    leaf: XxHash3_64,
    filled: usize,
    root: XxHash3_64,
}

impl Checksum {
    pub(super) fn of(pieces: &[&[u8]]) -> u64 {
        if let [whole] = pieces
            && whole.len() <= FEW * LEAF
        {
            return of_few_leaves(whole);
        }
        let mut checksum = Self::default();
        for piece in pieces {
            checksum.update(piece);
        }
        checksum.finish()
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(LEAF - self.filled));
            self.leaf.write(now);
            self.filled += now.len();
            if self.filled == LEAF {
                self.close_leaf();
            }
            bytes = later;
        }
    }

    pub(super) fn finish(mut self) -> u64 {
        if self.filled > 0 {
            self.close_leaf();
        }
        self.root.finish()
    }

    fn close_leaf(&mut self) {
        self.root.write(&self.leaf.finish().to_le_bytes());
        self.leaf = XxHash3_64::default();
        self.filled = 0;
    }
}

/// Leaves of what is read again and again: experts.
const FEW: usize = 64;

/// The same of up to [`FEW`] leaves; takes no memory.
fn of_few_leaves(bytes: &[u8]) -> u64 {
    let mut hashes = [[0; 8]; FEW];
    let leaves = bytes.chunks(LEAF);
    let count = leaves.len();
    for (hash, leaf) in hashes.iter_mut().zip(leaves) {
        *hash = XxHash3_64::oneshot(leaf).to_le_bytes();
    }
    XxHash3_64::oneshot(hashes[..count].as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_matter_and_every_byte_does() {
        let mut bytes: Vec<u8> = (0..3 * LEAF + 5).map(|i| (i * 7 % 251) as u8).collect();
        let whole = Checksum::of(&[&bytes]);
        assert_eq!(whole, Checksum::of(&[&bytes, &[]]));
        for cut in [0, 1, LEAF - 1, LEAF, LEAF + 1, bytes.len()] {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(Checksum::of(&[a, b]), whole);
        }
        for place in [0, LEAF - 1, LEAF, bytes.len() - 1] {
            bytes[place] ^= 1;
            assert_ne!(Checksum::of(&[&bytes]), whole);
            bytes[place] ^= 1;
        }
        assert_ne!(Checksum::of(&[&bytes[1..]]), whole);
        assert_ne!(Checksum::of(&[]), Checksum::of(&[&[0]]));
        assert_eq!(Checksum::of(&[]), Checksum::of(&[&[]]));
        let long = vec![3; FEW * LEAF + 1];
        for len in [FEW * LEAF - 1, FEW * LEAF, long.len()] {
            assert_eq!(Checksum::of(&[&long[..len]]), Checksum::of(&[&long[..len], &[]]));
        }
    }
}
