//! Everything that a run goes on from, in one safetensors file: a rename makes it the newest state, whole or not at all.

use std::path::Path;

use aurore_checkpoint::{Described, Dtype, SafetensorsFile, SafetensorsWriter};

use super::{TrainError, Trainer};

/// The layout of the file.
const VERSION: i64 = 1;

/// What the steps so far depend on and later ones must share, by the names of the settings.
fn shared(trainer: &Trainer, samples: usize) -> Vec<(&'static str, i64)> {
    let settings = trainer.settings();
    let mut shared = vec![
        ("the layout of states", VERSION),
        ("seed", settings.seed as i64),
        ("lanes", settings.lanes as i64),
        ("batch.samples", settings.batch.samples as i64),
        ("batch.tokens", settings.batch.tokens as i64),
        ("the number of samples", samples as i64),
    ];
    if let Some(lora) = &settings.lora {
        shared.extend([
            ("--rank", lora.rank as i64),
            ("a thousand times --alpha", (1000.0 * lora.alpha) as i64),
            (
                "the number of tensors that learn (--on)",
                trainer.parameters().iter().len() as i64,
            ),
            ("the checkpoint's fingerprint", trainer.base),
        ]);
    }
    if !settings.data.rehearse.is_empty() {
        shared.push((REHEARSED, (1000.0 * settings.data.share) as i64));
    }
    shared
}

/// What is said of the part that is rehearsed.
const REHEARSED: &str = "a thousand times the share that is rehearsed";

/// One tensor's name, shape and values.
type Entry<'a> = (String, &'a [usize], &'a [f32]);

/// Writes the state. `samples`: how many there are to learn from.
pub(super) fn save(trainer: &Trainer, samples: usize, path: &Path) -> Result<(), TrainError> {
    let shared = shared(trainer, samples);
    let progress = [trainer.steps() as i64, trainer.seen() as i64];
    let integers = [
        ("shared", shared.iter().map(|(_, value)| *value).collect()),
        ("progress", progress.to_vec()),
    ];
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let optimiser = &trainer.optimiser;
    let states = optimiser.first.iter().zip(&optimiser.second);
    for (number, (parameter, (first, second))) in trainer.parameters().iter().zip(states).enumerate() {
        let mut add = |what: &str, values| {
            entries.push((format!("{what}.{}", parameter.name), &parameter.shape, values));
        };
        add("weight", &parameter.values);
        add("first", first);
        if !second.is_empty() {
            add("second", second);
        }
        if let Some(average) = trainer.average.get(number) {
            add("average", average);
        }
    }
    let mut described: Vec<Described> = integers
        .iter()
        .map(|(name, values)| Described {
            name: (*name).to_owned(),
            dtype: Dtype::I64,
            shape: vec![values.len()],
        })
        .collect();
    described.extend(entries.iter().map(|(name, shape, _)| Described {
        name: name.clone(),
        dtype: Dtype::F32,
        shape: shape.to_vec(),
    }));
    let mut writer = SafetensorsWriter::create(path, &described)?;
    for (_, values) in &integers {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        writer.write(&bytes)?;
    }
    let mut bytes = Vec::new();
    for (_, _, values) in entries {
        for part in values.chunks(1 << 16) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
            writer.write(&bytes)?;
        }
    }
    Ok(writer.finish()?)
}

/// Puts a state in the trainer's place; `false` when there is none.
pub(super) fn restore(trainer: &mut Trainer, samples: usize, path: &Path) -> Result<bool, TrainError> {
    if !path.exists() {
        return Ok(false);
    }
    let file = SafetensorsFile::open(path)?;
    let shared = shared(trainer, samples);
    let found = file.tensor("shared")?.to_i64()?;
    if found.len().abs_diff(shared.len()) == 1 {
        let share = |numbers: usize, last: Option<i64>| {
            let longer = numbers > found.len().min(shared.len());
            last.filter(|_| longer)
                .map_or("nothing".to_owned(), |last| last.to_string())
        };
        return Err(TrainError::OtherRun {
            file: path.display().to_string(),
            what: REHEARSED,
            found: share(found.len(), found.last().copied()),
            expected: share(shared.len(), shared.last().map(|(_, last)| *last)),
        });
    }
    if found.len() != shared.len() {
        let kind = |adapter: bool| if adapter { "an adapter" } else { "a checkpoint" };
        let expected = trainer.settings().lora.is_some();
        return Err(TrainError::OtherRun {
            file: path.display().to_string(),
            what: "what is taught",
            found: kind(!expected).to_owned(),
            expected: kind(expected).to_owned(),
        });
    }
    for ((what, expected), found) in shared.into_iter().zip(found) {
        if expected != found {
            return Err(TrainError::OtherRun {
                file: path.display().to_string(),
                what,
                found: found.to_string(),
                expected: expected.to_string(),
            });
        }
    }
    let progress = file.tensor("progress")?.expect_shape(&[2])?.to_i64()?;
    let average = !trainer.average.is_empty();
    for number in 0..trainer.optimiser.first.len() {
        let parameter = &trainer.weights.parameters_mut().list_mut()[number];
        let (name, shape) = (parameter.name.clone(), parameter.shape.clone());
        let read = |what: &str| {
            let tensor = file.tensor(&format!("{what}.{name}"))?.expect_shape(&shape)?;
            Ok::<_, TrainError>(tensor.to_f32())
        };
        let values = read("weight")?;
        trainer.optimiser.first[number] = read("first")?;
        if !trainer.optimiser.second[number].is_empty() {
            trainer.optimiser.second[number] = read("second")?;
        }
        if average {
            trainer.average[number] = read("average")?;
        }
        trainer.weights.parameters_mut().list_mut()[number].values = values;
    }
    trainer.optimiser.steps = progress[0].max(0) as u64;
    trainer.seen = progress[1].max(0) as u64;
    trainer.kept = trainer.optimiser.steps;
    trainer.refresh();
    Ok(true)
}
