//! What tells blocks of 64 tokens apart.

use aurore_model::{ImagePatches, Snapshot};
use sha2::{Digest as _, Sha256};

use crate::Prompt;

/// A hash of a picture's patches.
pub(crate) type Digest = [u8; 32];

/// A hash of everything that a block of [`Snapshot::EVERY`] tokens is: ids, positions, and the pictures behind
/// placeholders. A strong one: a prompt that somebody constructs must not be answered from another's states.
pub(crate) type BlockKey = [u8; 32];

/// The keys of the same blocks where they are computed with an adapter: its states are no other's.
pub(crate) fn under(adapter: &[u8; 32], keys: &mut [BlockKey]) {
    for key in keys {
        let mut hash = Sha256::new();
        hash.update(b"adapter");
        hash.update(adapter);
        hash.update(*key);
        *key = hash.finalize().into();
    }
}

/// The hash of a picture.
pub(crate) fn digest(image: &ImagePatches) -> Digest {
    let mut hash = Sha256::new();
    for side in image.grid {
        hash.update(side.to_le_bytes());
    }
    let mut bytes = Vec::with_capacity(4 * PIECE);
    for piece in image.patches.chunks(PIECE) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes()));
        hash.update(&bytes);
    }
    hash.finalize().into()
}

/// Numbers that are hashed together.
const PIECE: usize = 4096;

/// Keys of a prompt's whole blocks. `pictures` has a hash and a number of placeholders for each picture, in order.
pub(crate) fn block_keys(
    prompt: &Prompt,
    image_token: Option<u32>,
    pictures: &[(Digest, usize)],
) -> Vec<BlockKey> {
    let mut owners = pictures
        .iter()
        .flat_map(|(digest, count)| std::iter::repeat_n(digest, *count));
    let blocks = prompt.ids.chunks_exact(Snapshot::EVERY);
    let positions = prompt.positions.chunks_exact(Snapshot::EVERY);
    let key = |(ids, positions): (&[u32], &[[u32; 3]])| {
        let mut hash = Sha256::new();
        let mut last: Option<&Digest> = None;
        for (id, position) in ids.iter().zip(positions) {
            hash.update(id.to_le_bytes());
            for axis in position {
                hash.update(axis.to_le_bytes());
            }
            if Some(*id) == image_token {
                let owner = owners.next();
                // Every picture of the block, at the place where it comes in.
                match owner.filter(|_| owner != last) {
                    Some(digest) => {
                        hash.update([1]);
                        hash.update(digest);
                    }
                    None => hash.update([0]),
                }
                last = owner;
            }
        }
        hash.finalize().into()
    };
    blocks.zip(positions).map(key).collect()
}
