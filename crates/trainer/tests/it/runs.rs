//! Runs that are stopped, go wrong, or are asked for nonsense.

use std::path::Path;

use aurore_checkpoint::{Checkpoint, Config, Files};
use aurore_trainer::{
    Draw, Folder, Parameters, Resumed, Samples, Settings, StepResult, Synthetic, Target, TrainError, Trainer,
    initialise,
};

use crate::common::folder;

fn config() -> Config {
    let text = std::fs::read_to_string(folder("gradients/moe/config.json")).unwrap();
    Config::from_json(&text, "config.json").unwrap()
}

fn settings(output: &Path, more: &str) -> Settings {
    let text = format!(
        "output = {output:?}\nstart = 'nano'\nfresh = true\n{more}\n[data]\ntrain = ['none']\n\
         [batch]\nsamples = 5\ntokens = 50\n[steps]\ntotal = 8\nwarm_up = 2\ndecay = 3\n\
         [optimiser]\nmethod = 'muon'\n[keep]\naverage = 0.5\ncheckpoints = 1\n"
    );
    Settings::parse(&text, "test").unwrap()
}

fn samples() -> Synthetic {
    Synthetic::new(&config(), [2, 4], [21, 9], 12)
}

fn trainer(settings: &Settings) -> Trainer {
    let config = config();
    let mut parameters = Parameters::zeros(&config);
    initialise(&mut parameters, config.text.num_hidden_layers, settings.seed);
    Trainer::new(settings, &config, parameters)
}

fn steps(trainer: &mut Trainer, count: usize) -> Vec<StepResult> {
    let samples = samples();
    let mut draw = Draw::new(trainer.settings().seed, samples.count());
    (0..count)
        .map(|_| {
            let drawn = trainer.draw(&samples, &mut draw).unwrap();
            trainer.step(drawn).unwrap()
        })
        .collect()
}

fn bits(results: &[StepResult]) -> Vec<[u64; 2]> {
    let bits = |result: &StepResult| [result.loss.to_bits(), u64::from(result.length.to_bits())];
    results.iter().map(bits).collect()
}

#[test]
fn a_resumed_run_loses_nothing_to_the_bit() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), "");
    let whole = steps(&mut trainer(&settings), 8);
    assert!(whole[7].loss < whole[0].loss, "it learns");

    let files = Files::folder(folder("gradients/moe"));
    let mut first = trainer(&settings);
    {
        let place = Folder::open(home.path()).unwrap();
        assert_eq!(place.resume(&mut first, 12).unwrap(), Resumed::Fresh);
        assert_eq!(bits(&steps(&mut first, 3)), bits(&whole[..3]));
        place.keep(&mut first, 12, &files).unwrap();
        // These are made again after the stop.
        assert_eq!(bits(&steps(&mut first, 2)), bits(&whole[3..5]));
        assert!(matches!(Folder::open(home.path()), Err(TrainError::Busy { .. })));
    }
    let place = Folder::open(home.path()).unwrap();
    let mut second = trainer(&settings);
    assert_eq!(place.resume(&mut second, 12).unwrap(), Resumed::After(3));
    assert_eq!(bits(&steps(&mut second, 5)), bits(&whole[3..]));
    place.keep(&mut second, 12, &files).unwrap();

    // Only the newest checkpoint stays, and it holds the means of the weights in the official layout.
    assert!(!place.checkpoint(3).exists());
    let kept = Checkpoint::open(&place.checkpoint(8)).unwrap();
    kept.validate().unwrap();
    let (loaded, own) = (Parameters::load(&kept, kept.config()).unwrap(), second.averaged());
    for (loaded, own) in loaded.iter().zip(own.iter()) {
        assert_eq!(loaded.name, own.name);
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= b.abs() / 128.0;
        assert!(loaded.values.iter().zip(&own.values).all(close), "{}", own.name);
    }
}

#[test]
fn threads_change_nothing_and_lanes_only_roundings() {
    let home = tempfile::tempdir().unwrap();
    let one = steps(&mut trainer(&settings(home.path(), "threads = 1")), 3);
    let three = steps(&mut trainer(&settings(home.path(), "threads = 3")), 3);
    assert_eq!(bits(&one), bits(&three));
    let lanes = steps(&mut trainer(&settings(home.path(), "lanes = 1")), 1);
    assert!((lanes[0].loss - one[0].loss).abs() < 1e-3);
}

#[test]
fn a_loss_that_is_no_number_names_step_sample_and_tensor() {
    let home = tempfile::tempdir().unwrap();
    let mut trainer = trainer(&settings(home.path(), ""));
    steps(&mut trainer, 2);
    let before = trainer.averaged();
    let mut drawn = trainer.draw(&samples(), &mut Draw::new(1, 12)).unwrap();
    drawn[3].images[0].patches[100] = f32::NAN;
    drawn[3].name = "episodes.jsonl, line 4".to_owned();
    let error = trainer.step(drawn).unwrap_err();
    let said = error.to_string();
    assert!(
        matches!(&error, TrainError::NotFinite { step: 3, sample, .. } if sample == "episodes.jsonl, line 4"),
        "{said}"
    );
    assert!(said.contains("model.") && said.contains("hint:"), "{said}");
    for (before, after) in before.iter().zip(trainer.averaged().iter()) {
        assert_eq!(before.values, after.values, "{}", after.name);
    }
}

#[test]
fn the_tower_learns_to_read_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut trainer = trainer(&settings(home.path(), "reading = 1.0\ntower_alone = true"));
    let before = trainer.parameters().clone();
    let reading = |row: usize, id: u32| Target { row, id, weight: 1.0 };
    let mut learn = || {
        let mut drawn = trainer.draw(&samples(), &mut Draw::new(1, 12)).unwrap();
        for sample in &mut drawn {
            sample.readings = vec![reading(0, 7), reading(1, 9)];
        }
        trainer.step(drawn).unwrap()
    };
    let results: Vec<StepResult> = (0..8).map(|_| learn()).collect();
    assert!(results[7].reading < results[0].reading, "{results:?}");
    let mut learnt = 0;
    for (before, after) in before.iter().zip(trainer.parameters().iter()) {
        let changed = before.values != after.values;
        assert!(
            !changed || after.name.starts_with("model.visual."),
            "{}",
            after.name
        );
        learnt += usize::from(changed);
    }
    assert!(learnt > 20, "{learnt}");
    let text =
        "output = 'a'\nstart = 'nano'\ntower_alone = true\n[data]\ntrain = ['b']\n[steps]\ntotal = 1\n";
    let refused = Settings::parse(text, "test").unwrap_err().to_string();
    assert!(
        refused.contains("tower_alone") && refused.contains("reading"),
        "{refused}"
    );
}

#[test]
fn a_state_of_other_settings_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let files = Files::folder(folder("gradients/moe"));
    let place = Folder::open(home.path()).unwrap();
    let mut first = trainer(&settings(home.path(), ""));
    steps(&mut first, 1);
    place.keep(&mut first, 12, &files).unwrap();
    let mut other = trainer(&settings(home.path(), "lanes = 3"));
    let said = place.resume(&mut other, 12).unwrap_err().to_string();
    assert!(said.contains("lanes was 2 and is 3 now"), "{said}");
    // A damaged one too, and the run it belonged to is not gone on with silently.
    let state = home.path().join("state.safetensors");
    let bytes = std::fs::read(&state).unwrap();
    std::fs::write(&state, &bytes[..bytes.len() / 2]).unwrap();
    let mut again = trainer(&settings(home.path(), ""));
    let said = place.resume(&mut again, 12).unwrap_err().to_string();
    assert!(said.contains("state.safetensors"), "{said}");
}

#[test]
fn evaluation_is_of_the_means_and_leaves_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path(), "");
    let mut trainer = trainer(&settings);
    steps(&mut trainer, 4);
    let chosen = [0, 5, 9];
    let read = |trainer: &Trainer| trainer.read(&samples(), &chosen).unwrap();
    let held = read(&trainer);
    let first = trainer.evaluate(held).unwrap();
    let mut plain = Trainer::new(&settings, &config(), trainer.averaged());
    let held = read(&plain);
    let second = plain.evaluate(held).unwrap();
    assert!((first.loss - second.loss).abs() < 1e-9 && first.targets == 27);
    let mut undisturbed = self::trainer(&settings);
    steps(&mut undisturbed, 4);
    assert_eq!(bits(&steps(&mut trainer, 2)), bits(&steps(&mut undisturbed, 2)));
}
