//! Verification: what passes, what fails, what is skipped.

use std::{fs, path::Path as FilePath};

use aurore_checkpoint::{Cases, Checkpoint, CheckpointError, Dtype, Tensor, Weights};
use aurore_model::verify::{Path, Report, Status, Verifier};

use crate::goldens::{CHECKPOINTS, checkpoint, folder};

fn reports(
    checkpoint: &dyn Weights,
    like: &Checkpoint,
    cases: &Cases,
    tolerance: Option<f64>,
) -> Vec<Report> {
    let mut verifier = Verifier::new(checkpoint, like.config(), Path::Reference, tolerance);
    cases
        .entries()
        .iter()
        .map(|entry| verifier.run(cases, entry))
        .collect()
}

#[test]
fn the_reference_passes_its_goldens() {
    for name in CHECKPOINTS {
        let checkpoint = checkpoint(name);
        let cases = Cases::open(&folder(name).join("cases")).unwrap();
        for (entry, report) in cases
            .entries()
            .iter()
            .zip(reports(&checkpoint, &checkpoint, &cases, None))
        {
            assert_eq!(
                report.status,
                Status::Pass,
                "{name}/{}: {:?}",
                entry.case,
                report.reason
            );
            let comparison = report.comparison.unwrap();
            assert!(comparison.kl.unwrap() < 1e-6 && comparison.top1.unwrap() == 1.0);
            assert_ne!(report.greedy_match, Some(false));
        }
    }
}

/// A checkpoint with one tensor's first number changed.
struct Changed<'a>(&'a Checkpoint, &'static str);

impl Weights for Changed<'_> {
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, CheckpointError> {
        let mut tensor = self.0.tensor(name)?;
        if name == self.1 {
            let mut values = tensor.to_f32();
            values[0] += 1.0;
            tensor.dtype = Dtype::F32;
            tensor.bytes = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect::<Vec<u8>>()
                .into();
        }
        Ok(tensor)
    }

    fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }
}

#[test]
fn one_wrong_number_fails() {
    let checkpoint = checkpoint("text-only");
    let cases = Cases::open(&folder("text-only").join("cases")).unwrap();
    let changed = Changed(&checkpoint, "model.language_model.layers.0.linear_attn.dt_bias");
    let found = reports(&changed, &checkpoint, &cases, None);
    assert!(found.iter().all(|report| report.status == Status::Fail));
    assert!(
        found[0]
            .reason
            .as_ref()
            .unwrap()
            .starts_with("logits: largest difference")
    );
    // A wide tolerance lets it pass, but for its greedy choices.
    for report in reports(&changed, &checkpoint, &cases, Some(100.0)) {
        assert_eq!(report.status == Status::Pass, report.greedy_match != Some(false));
    }
}

#[test]
fn what_cannot_be_run_is_skipped_or_named() {
    let checkpoint = checkpoint("dense");
    let temporary = tempfile::TempDir::new().unwrap();
    let copy = |from: &str, to: &str| {
        fs::copy(
            folder("dense").join("cases").join(from),
            temporary.path().join(to),
        )
        .unwrap()
    };
    copy("text-003.safetensors", "good.safetensors");
    fs::write(temporary.path().join("cut.safetensors"), [0; 5]).unwrap();
    write_header(
        &temporary.path().join("video.safetensors"),
        r#"{"pixel_values_videos":{"dtype":"F32","shape":[0,1536],"data_offsets":[0,0]}}"#,
    );
    write_header(&temporary.path().join("empty.safetensors"), "{}");
    let entry = |case: &str, file: &str, kind: &str, more: &str| {
        format!(r#"{{"case":"{case}","file":"{file}.safetensors","kind":"{kind}"{more}}}"#)
    };
    let index = [
        entry("good", "good", "text", ""),
        entry("mtp", "good", "mtp", ""),
        entry("video", "video", "vision", ""),
        entry("cut", "cut", "text", ""),
        entry("absent", "absent", "text", ""),
        entry("empty", "empty", "vision", ""),
        entry(
            "rope",
            "good",
            "text",
            r#","rope_parameters_override":{"rope_theta":100.0}"#,
        ),
        entry("strict", "good", "text", r#","tolerance":0.0"#),
        entry(
            "bad-rope",
            "good",
            "text",
            r#","rope_parameters_override":{"rope_type":"other"}"#,
        ),
    ]
    .join(",");
    fs::write(
        temporary.path().join("index.json"),
        format!(r#"{{"cases":[{index}]}}"#),
    )
    .unwrap();
    let cases = Cases::open(temporary.path()).unwrap();
    let found = reports(&checkpoint, &checkpoint, &cases, None);
    for ((entry, report), (status, says)) in cases.entries().iter().zip(&found).zip([
        (Status::Pass, ""),
        (Status::Skipped, "not supported yet: mtp"),
        (Status::Skipped, "not supported yet: video"),
        (Status::Fail, "cut.safetensors"),
        (Status::Fail, "absent.safetensors"),
        (Status::Fail, "nothing that can be compared"),
        (Status::Fail, "logits: largest difference"),
        (Status::Fail, "allowed 0"),
        (Status::Fail, "rope_parameters.rope_type"),
    ]) {
        let reason = report.reason.clone().unwrap_or_default();
        assert_eq!(report.status, status, "{}: {reason}", entry.case);
        assert!(reason.contains(says), "{}: {reason}", entry.case);
    }
}

fn write_header(file: &FilePath, header: &str) {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    fs::write(file, bytes).unwrap();
}
