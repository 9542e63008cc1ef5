//! Headers that lie, files that are cut, bytes that are flipped.

use aurore_checkpoint::{Bytes, CheckpointError, Dtype, SafetensorsFile};
use proptest::prelude::*;

use crate::folder::{assert_says, raw};

fn parse(bytes: Vec<u8>) -> Result<SafetensorsFile, CheckpointError> {
    SafetensorsFile::parse("model.safetensors".to_owned(), Bytes::from(bytes))
}

const GOOD: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]}}   "#;

fn good() -> Vec<u8> {
    let mut data: Vec<u8> = (1u8..=6).flat_map(|n| f32::from(n).to_le_bytes()).collect();
    data.extend_from_slice(&[0x80, 0x3f, 0x00, 0xc0]); // 1 and -2
    raw(GOOD, &data)
}

#[test]
fn tensors_are_read() {
    let file = parse(good()).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
    let a = file.tensor("a").unwrap();
    assert_eq!((a.dtype, a.shape.as_slice()), (Dtype::F32, &[2, 3][..]));
    assert_eq!(a.to_f32(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let b = file.tensor("b").unwrap();
    assert_eq!(b.to_f32(), [1.0, -2.0]);
    assert_eq!(b.to_bf16()[1].to_f32(), -2.0);
    assert!(file.get("c").unwrap().is_none());
    let error = a.expect_shape(&[3, 2]).unwrap_err().to_string();
    assert_says(&error, &["model.safetensors", "tensor a", "[3, 2]", "[2, 3]"]);
}

#[test]
fn lying_headers_are_refused() {
    let one = |entry: &str| format!(r#"{{"a":{entry}}}"#);
    for (header, data, says) in [
        ("", 0, "header is not right"),
        ("[]", 0, "header is not right"),
        ("{", 0, "header is not right"),
        (r#"{"__metadata__":{"a":1}}"#, 0, "header is not right"),
        (r#"{"a":{"b":"c"}}"#, 0, "no dtype, shape and data_offsets"),
        (
            &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}"#),
            4,
            "header is not right",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#),
            4,
            "header is not right",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#),
            4,
            "header is not right",
        ),
        (
            &one(r#"{"dtype":"F31","shape":[1],"data_offsets":[0,4]}"#),
            4,
            "found F31",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#),
            4,
            "expected 8 bytes",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[4,0]}"#),
            4,
            "data_offsets within",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#),
            4,
            "data_offsets within the 4 bytes",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#),
            8,
            "a hole before it",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#),
            9,
            "5 bytes belong to no tensor",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}"#),
            0,
            "a size that fits 64 bits",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}"#),
            0,
            "sides up to",
        ),
        (
            &one(r#"{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}"#),
            4,
            "at most 8 dimensions",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
            4,
            "overlap",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            1,
            "occurs twice",
        ),
    ] {
        let error = parse(raw(header, &vec![0; data])).unwrap_err().to_string();
        assert_says(&error, &["model.safetensors", says]);
    }
}

#[test]
fn lying_header_lengths_are_refused() {
    let mut huge = good();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_says(&parse(huge).unwrap_err().to_string(), &["beyond any sense"]);
    let mut long = good();
    long[..8].copy_from_slice(&100_000u64.to_le_bytes());
    assert_says(&parse(long).unwrap_err().to_string(), &["claims 100000 bytes"]);
    let mut bytes = raw("{\"a\": 1}", &[]);
    bytes[10] = 0xff;
    assert_says(
        &parse(bytes).unwrap_err().to_string(),
        &["at byte 10", "not UTF-8"],
    );
}

#[test]
fn deep_nesting_is_refused() {
    let header = format!(r#"{{"a":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(raw(&header, &[])).is_err());
}

#[test]
fn every_cut_is_refused() {
    let whole = good();
    for length in 0..whole.len() {
        assert!(parse(whole[..length].to_vec()).is_err(), "cut at {length}");
    }
}

#[test]
fn data_types_that_cannot_be_weights_are_named() {
    let header = r#"{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}"#;
    let file = parse(raw(header, &[0; 2])).unwrap();
    assert_says(
        &file.tensor("w").unwrap_err().to_string(),
        &["tensor w", "found F8_E4M3"],
    );
    assert_says(
        &file.tensor("x").unwrap_err().to_string(),
        &["tensor x is missing"],
    );
}

proptest! {
    #[test]
    fn mangled_bytes_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        keep in any::<bool>(),
    ) {
        let mut bytes = good();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if !keep {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(file) = parse(bytes) {
            for name in file.names() {
                if let Ok(tensor) = file.tensor(name) {
                    let elements: usize = tensor.shape.iter().product();
                    prop_assert_eq!(tensor.bytes.len(), elements * tensor.dtype.size());
                    prop_assert_eq!(tensor.to_f32().len(), elements);
                }
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(bytes);
    }
}
