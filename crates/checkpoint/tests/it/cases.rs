//! Verification cases, right and broken.

use std::fs;

use aurore_checkpoint::Cases;
use tempfile::TempDir;

use crate::folder::{Dtype, Piece, assert_says, golden, pieces, write};

#[test]
fn cases_are_read() {
    let cases = Cases::open(&golden("dense").join("cases")).unwrap();
    let entry = cases
        .entries()
        .iter()
        .find(|entry| entry.case == "image-two")
        .unwrap();
    assert_eq!(entry.kind, "vision");
    let case = cases.load(entry).unwrap();
    let images = case.images().unwrap();
    assert_eq!(
        images.iter().map(|image| image.grid).collect::<Vec<_>>(),
        [[1, 4, 6], [1, 4, 2]]
    );
    assert!(
        images
            .iter()
            .all(|image| { image.patches.len() == image.grid.iter().product::<u32>() as usize * 1536 })
    );
    let tokens = case.input_ids().unwrap().unwrap().len();
    assert_eq!(case.positions().unwrap().unwrap().len(), tokens);
    let logits = case.expected("logits").unwrap().unwrap();
    assert_eq!((logits.columns, logits.values.len()), (320, tokens * 320));
    let greedy = case.greedy().unwrap().unwrap();
    assert_eq!((greedy.ids.len(), greedy.margins.len()), (8, 8));
    assert!(!case.has_video());
    assert_eq!(case.expected("hidden.layer.99").unwrap(), None);
}

#[test]
fn rope_overrides_and_tolerances_are_read() {
    let folder = TempDir::new().unwrap();
    let index = r#"{"cases":[{"case":"a","file":"a.safetensors","kind":"text","tolerance":0.5,"rope_parameters_override":{"factor":2}}]}"#;
    fs::write(folder.path().join("index.json"), index).unwrap();
    let cases = Cases::open(folder.path()).unwrap();
    let entry = &cases.entries()[0];
    assert_eq!(entry.tolerance, Some(0.5));
    assert_eq!(entry.rope_parameters_override.as_ref().unwrap()["factor"], 2);
    assert_says(
        &cases.load(entry).unwrap_err().to_string(),
        &["a.safetensors", "index.json names it"],
    );
}

#[test]
fn broken_indexes_are_named() {
    for (index, says) in [
        ("{}", "cases: expected a list"),
        (r#"{"cases":[1]}"#, "cases: expected a list of objects"),
        (
            r#"{"cases":[{"file":"a","kind":"text"}]}"#,
            "cases[0].case: expected text",
        ),
        (
            r#"{"cases":[{"case":"a","file":"a","kind":"text","tolerance":-1}]}"#,
            "cases[0].tolerance",
        ),
        ("nonsense", "index.json"),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("index.json"), index).unwrap();
        assert_says(
            &Cases::open(folder.path()).unwrap_err().to_string(),
            &["index.json", says],
        );
    }
    assert_says(
        &Cases::open(TempDir::new().unwrap().path())
            .unwrap_err()
            .to_string(),
        &["index.json"],
    );
}

#[test]
fn a_file_name_cannot_lead_elsewhere() {
    let folder = TempDir::new().unwrap();
    let index = r#"{"cases":[{"case":"a","file":"../a.safetensors","kind":"text"}]}"#;
    fs::write(folder.path().join("index.json"), index).unwrap();
    let cases = Cases::open(folder.path()).unwrap();
    assert_says(
        &cases.load(&cases.entries()[0]).unwrap_err().to_string(),
        &["not a plain file name"],
    );
}

#[test]
fn broken_tensors_are_named() {
    let number = |value: i64, shape: &[usize]| Piece {
        dtype: Dtype::I64,
        shape: shape.to_vec(),
        data: value.to_le_bytes().repeat(shape.iter().product()),
    };
    let source = pieces(&golden("dense/cases").join("image-one.safetensors"));
    for (name, piece, says) in [
        ("input_ids", number(-1, &[29]), "found -1"),
        ("input_ids", number(1, &[2, 2]), "one row of token ids"),
        ("position_ids", number(1, &[2, 29]), "shape [3, tokens]"),
        ("image_grid_thw", number(9, &[1, 3]), "grids of 24 patches"),
        ("image_grid_thw", number(1, &[1, 3]), "grids of 24 patches"),
        (
            "image_grid_thw",
            number(i64::from(u32::MAX), &[1, 3]),
            "grids of 24 patches",
        ),
        ("greedy_margins", number(0, &[2]), "16 margins"),
        ("rope_delta", number(0, &[2]), "one number"),
        ("logits", number(0, &[]), "rows of numbers"),
    ] {
        let folder = TempDir::new().unwrap();
        let index = r#"{"cases":[{"case":"a","file":"a.safetensors","kind":"vision"}]}"#;
        fs::write(folder.path().join("index.json"), index).unwrap();
        let mut tensors = source.clone();
        tensors.insert(name.to_owned(), piece);
        write(&folder.path().join("a.safetensors"), &tensors);
        let cases = Cases::open(folder.path()).unwrap();
        let case = cases.load(&cases.entries()[0]).unwrap();
        let error = case
            .input_ids()
            .and(case.positions().map(drop))
            .and(case.images().map(drop))
            .and(case.greedy().map(drop))
            .and(case.rope_delta().map(drop))
            .and(case.expected("logits").map(drop))
            .unwrap_err()
            .to_string();
        assert_says(&error, &["a.safetensors", name, says]);
    }
}
