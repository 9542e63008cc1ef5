//! Where `serve` keeps what was read, and for which program and checkpoint.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use aurore_checkpoint::{Checkpoint, Files};
use aurore_engine::DiskLimits;
use sha2::{Digest, Sha256};

use crate::{folders, models, size};

/// Bytes of the disk that are left free for others.
const SPARE: u64 = 1 << 30;

/// A size for the cache, where 0 means none.
pub fn size(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { size::parse(text) }
}

/// What is kept of what a model reads, if it is wanted, there is a place for it, and the model and this program can be told
/// from others. A warning says why not.
pub fn limits(bytes: u64, folder: Option<&Path>, model: &str) -> Option<DiskLimits> {
    if bytes == 0 {
        return None;
    }
    let Some(folder) = folder.map_or_else(folders::cache, |folder| Some(folder.to_path_buf())) else {
        tracing::warn!("nothing is kept on disk: there is no home folder; name one with --cache-folder");
        return None;
    };
    match models::open(model).and_then(|checkpoint| Ok(identity(&checkpoint)?)) {
        Ok(identity) => Some(DiskLimits {
            folder: folder.join("prefix"),
            bytes,
            spare: SPARE,
            identity,
        }),
        Err(error) => {
            tracing::warn!(%error, "nothing is kept on disk: this program or its model cannot be identified");
            None
        }
    }
}

/// What tells checkpoints and builds of this program apart, as far as it changes bits: the weights, and this very program.
fn identity(checkpoint: &Checkpoint) -> std::io::Result<Vec<u8>> {
    let program = digest(File::open(std::env::current_exe()?)?)?;
    Ok(format!("{program:?} {}", weights(checkpoint)?).into_bytes())
}

/// A packed checkpoint's header has checksums of all there is, and what is in the program is in its digest. A folder is
/// known by a part of every tensor and by its files' sizes and times, for reading all of it would take as long as loading.
fn weights(checkpoint: &Checkpoint) -> std::io::Result<String> {
    let Files::Folder(folder) = checkpoint.files() else {
        return Ok(if checkpoint.packed_file().is_some() {
            checkpoint.hash()
        } else {
            checkpoint.fingerprint()
        });
    };
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let metadata = std::fs::metadata(file.path())?;
        let changed = metadata
            .modified()?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        files.push((file.file_name(), metadata.len(), changed));
    }
    files.sort();
    Ok(format!("{} {files:?}", checkpoint.fingerprint()))
}

/// Of a file's content.
fn digest(mut file: File) -> std::io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_told_apart() {
        let nano = identity(&models::open("nano").unwrap()).unwrap();
        assert_eq!(identity(&models::open("nano").unwrap()).unwrap(), nano);
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/goldens/dense");
        for file in std::fs::read_dir(golden).unwrap() {
            let file = file.unwrap();
            if file.path().is_file() {
                std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
            }
        }
        let open = || identity(&models::open(folder.path().to_str().unwrap()).unwrap()).unwrap();
        let before = open();
        assert_ne!(before, nano);
        assert_eq!(open(), before);
        let weights = std::fs::File::options()
            .write(true)
            .open(folder.path().join("model.safetensors"));
        weights.unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert_ne!(open(), before);
    }

    #[test]
    fn no_size_means_no_cache() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert!(size("1").is_err());
        assert_eq!(limits(0, None, "nano"), None);
        assert_eq!(limits(5, Some(Path::new("x")), "no such model"), None);
        let limits = limits(5, Some(Path::new("x")), "nano").unwrap();
        assert_eq!(
            (limits.folder.as_path(), limits.bytes),
            (Path::new("x/prefix"), 5)
        );
    }
}
