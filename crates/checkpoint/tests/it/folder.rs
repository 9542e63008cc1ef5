//! Checkpoint folders to damage.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::{SafeTensors, serialize, tensor::TensorView};
use tempfile::TempDir;

pub(crate) use safetensors::Dtype;

/// One tensor to write.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<u8>,
}

/// The folder of a committed golden checkpoint.
pub(crate) fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../reference/goldens")).join(name)
}

/// The tensors of a file.
pub(crate) fn pieces(file: &Path) -> BTreeMap<String, Piece> {
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let own = |view: &TensorView<'_>| Piece {
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        data: view.data().to_vec(),
    };
    tensors
        .iter()
        .map(|(name, view)| (name.to_owned(), own(&view)))
        .collect()
}

/// Writes tensors as a file.
pub(crate) fn write(file: &Path, pieces: &BTreeMap<String, Piece>) {
    let views = pieces.iter().map(|(name, piece)| {
        (
            name,
            TensorView::new(piece.dtype, piece.shape.clone(), &piece.data).unwrap(),
        )
    });
    fs::write(file, serialize(views, None).unwrap()).unwrap();
}

/// A copy of the text-only checkpoint with changed tensors.
pub(crate) fn changed(change: impl FnOnce(&mut BTreeMap<String, Piece>)) -> TempDir {
    let folder = TempDir::new().unwrap();
    let source = golden("text-only");
    fs::copy(source.join("config.json"), folder.path().join("config.json")).unwrap();
    let mut tensors = pieces(&source.join("model.safetensors"));
    change(&mut tensors);
    write(&folder.path().join("model.safetensors"), &tensors);
    folder
}

/// A file's bytes: header length, header, data.
pub(crate) fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// Fails unless `text` contains every part.
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
