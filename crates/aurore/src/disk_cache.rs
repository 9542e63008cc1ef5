//! Where `serve` keeps what was read, and for which program and checkpoint.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use aurore_checkpoint::{Checkpoint, Files};
use aurore_engine::DiskLimits;
use sha2::{Digest, Sha256};

use crate::{folders, models, size};

/// What `serve` is asked to keep on disk.
#[derive(clap::Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of the options")]
pub struct Wanted {
    /// Disk space for what was read, so that it is known after a restart: 500MB, 4GB, or 0 for none.
    #[arg(long, default_value = "8GB", value_name = "SIZE", value_parser = size)]
    pub cache_disk: u64,
    /// Folder for it; the user's folder of caches if absent. Whoever can read it could learn of conversations.
    #[arg(long, value_name = "DIR")]
    pub cache_folder: Option<PathBuf>,
    /// Most of it that is written in an hour, for a disk wears with what is written to it; 0 for no limit.
    #[arg(long, default_value = "10GB", value_name = "SIZE", value_parser = size)]
    pub cache_writes: u64,
    /// Space of the disk that it leaves free for others; 0 for none.
    #[arg(long, default_value = "1GB", value_name = "SIZE", value_parser = size)]
    pub cache_spare: u64,
}

/// A size for the cache, where 0 means none.
fn size(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { size::parse(text) }
}

/// What is kept of what a model reads, if it is wanted, there is a place for it, and the model and this program can be told
/// from others. A warning says why not.
pub fn limits(wanted: &Wanted, model: &str) -> Option<DiskLimits> {
    if wanted.cache_disk == 0 {
        return None;
    }
    let Some(folder) = wanted.cache_folder.clone().or_else(folders::cache) else {
        tracing::warn!("nothing is kept on disk: there is no home folder; name one with --cache-folder");
        return None;
    };
    match models::open(model).and_then(|checkpoint| Ok(identity(&checkpoint)?)) {
        Ok(identity) => Some(DiskLimits {
            folder: folder.join("prefix"),
            bytes: wanted.cache_disk,
            spare: wanted.cache_spare,
            hourly: Some(wanted.cache_writes).filter(|bytes| *bytes > 0),
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
    use std::path::Path;

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
        let wanted = |cache_disk, cache_writes| Wanted {
            cache_disk,
            cache_folder: Some(PathBuf::from("x")),
            cache_writes,
            cache_spare: 3,
        };
        assert_eq!(limits(&wanted(0, 0), "nano"), None);
        assert_eq!(limits(&wanted(5, 0), "no such model"), None);
        let with = |writes| limits(&wanted(5, writes), "nano").unwrap();
        assert_eq!(
            (with(7).folder.as_path(), with(7).bytes, with(7).spare),
            (Path::new("x/prefix"), 5, 3)
        );
        assert_eq!((with(7).hourly, with(0).hourly), (Some(7), None));
    }
}
