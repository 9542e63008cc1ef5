//! A run of the expert as training data: `docs/episodes.md` is the format.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aurore_action::{Action, Size};
use aurore_agent::{DecisionRecord, Event, Journal, RunId, StepOutcome};
use aurore_apps::Goal;
use aurore_chat::computer_use;
use aurore_drawn::{Question, changes, questions};
use aurore_policy::Decision;
use serde_json::{Map, Value, json};

use crate::tasks::{Label, Seen};

/// The version of the format. It grows with every change that a reader has to know.
const VERSION: u32 = 1;

/// One episode: a file of steps, and a folder of frames beside it.
pub struct Episode<'a> {
    /// What each step says of where it comes from, and its goal.
    about: Map<String, Value>,
    out: &'a Path,
    /// `trip-7`
    name: String,
}

impl<'a> Episode<'a> {
    /// The place of a workflow's episode in the folder `out`.
    pub fn of(goal: &Goal, out: &'a Path) -> Self {
        let look = goal.look();
        let about = json!({
            "suite": goal.family.suite().name(),
            "family": goal.family.name(),
            "seed": goal.seed,
            "language": look.language.code(),
            "theme": look.theme,
            "zoom": look.zoom,
            "goal": goal.text,
        });
        Self::about(about, format!("{}-{}", goal.family.name(), goal.seed), out)
    }

    /// The place of an episode of a small page, or of drawn screens from a seed on.
    pub fn of_task(suite: &str, task: &str, seed: u64, out: &'a Path) -> Self {
        let about = json!({"suite": suite, "family": task, "seed": seed, "language": "en", "goal": ""});
        Self::about(about, format!("{task}-{seed}"), out)
    }

    fn about(about: Value, name: String, out: &'a Path) -> Self {
        let Value::Object(mut about) = about else {
            return Self {
                about: Map::new(),
                out,
                name,
            };
        };
        about.insert("format".to_owned(), json!("aurore-episode"));
        about.insert("version".to_owned(), json!(VERSION));
        Self { about, out, name }
    }

    /// The goal, where the page says it only when it has begun.
    pub fn set_goal(&mut self, goal: &str) {
        self.about.insert("goal".to_owned(), json!(goal));
    }

    /// What is to be reached; empty as long as nobody said it.
    pub fn goal(&self) -> &str {
        self.about.get("goal").and_then(Value::as_str).unwrap_or_default()
    }

    fn file(&self) -> PathBuf {
        self.out.join(format!("{}.jsonl", self.name))
    }

    /// Whether it was recorded before.
    pub fn exists(&self) -> bool {
        self.file().is_file()
    }

    /// Writes a run out of its journal, with questions about what its expert saw. The file appears when all is there;
    /// gives the number of steps.
    ///
    /// # Errors
    /// When the journal cannot be read or the files not be written.
    pub fn write(&self, journal: &Journal, run: &RunId, looks: &[Seen]) -> anyhow::Result<usize> {
        let mut steps = self.steps(journal, run)?;
        // A run that was begun anew has more looks than steps: which belongs to which is not known then.
        if steps.len() == looks.len() {
            let frames: Vec<Value> = steps.iter().map(|step| step["frame"].clone()).collect();
            let ends = steps.last().is_some_and(is_end);
            let seed = self.about["seed"].as_u64().unwrap_or_default();
            for (number, (step, seen)) in steps.iter_mut().zip(looks).enumerate() {
                let side = |index: usize| step["size"][index].as_u64().unwrap_or(0) as u32;
                let size = Size {
                    width: side(0),
                    height: side(1),
                };
                let mut asked = questions(seed.wrapping_add((number as u64) << 32), &seen.widgets, size);
                if number > 0
                    && let Some(question) = changes(&looks[number - 1].widgets, &seen.widgets, size)
                {
                    asked.push(Question {
                        before: frames[number - 1].as_str().map(str::to_owned),
                        ..question
                    });
                }
                // Asked where both answers come.
                if ends {
                    let answer = if is_end(step) { "Yes." } else { "Not yet." };
                    asked.push(Question::new("Is the goal met?", answer));
                }
                step.insert("questions".to_owned(), json!(asked));
                step.insert("words".to_owned(), json!(seen.words));
            }
        }
        self.write_steps(&steps)
    }

    /// Puts a picture into the folder of frames; gives its name as steps say it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_frame(&self, name: &str, png: &[u8]) -> anyhow::Result<String> {
        let folder = self.out.join(&self.name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let frame = format!("{}/{name}.png", self.name);
        fs::write(self.out.join(&frame), png).with_context(|| format!("cannot write {frame}"))?;
        Ok(frame)
    }

    /// Writes steps whose frames are written. What they do not say themselves is said of the episode.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_steps(&self, steps: &[Map<String, Value>]) -> anyhow::Result<usize> {
        let unfinished = self.out.join(format!("{}.part", self.name));
        let cannot = || format!("cannot write {}", unfinished.display());
        let mut file = std::io::BufWriter::new(fs::File::create(&unfinished).with_context(cannot)?);
        for step in steps {
            let mut line = self.about.clone();
            line.extend(step.clone());
            writeln!(file, "{}", Value::Object(line)).with_context(cannot)?;
        }
        file.into_inner()
            .with_context(cannot)?
            .sync_all()
            .with_context(cannot)?;
        fs::rename(&unfinished, self.file()).with_context(cannot)?;
        Ok(steps.len())
    }

    /// Writes what an expert would have done in the states that a model got into.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write_labels(&self, labels: &[Label]) -> anyhow::Result<usize> {
        let seed = self.about["seed"].as_u64().unwrap_or_default();
        let mut steps = Vec::new();
        for (number, label) in labels.iter().enumerate() {
            let frame = self.write_frame(&format!("{:03}", number + 1), &label.frame.png)?;
            let (decision, size) = (&label.decision, label.frame.size);
            // Not the questions of the expert's own episode of this seed.
            let asked = questions(
                seed.wrapping_add((number as u64 + 64) << 32),
                &label.seen.widgets,
                size,
            );
            let step = json!({
                "step": number + 1,
                "done": label.done,
                "did": label.did,
                "frame": frame,
                "size": side(size),
                "title": label.frame.title,
                "page": label.frame.url.as_deref().map(page),
                "thinking": decision.thinking,
                "intent": decision.intent,
                "expect": decision.expect,
                "action": computer_use::render(&decision.action, size).arguments,
                "point": decision.action.point().map(|point| json!([point.x, point.y])),
                "carried_out": false,
                "questions": asked,
                "words": label.seen.words,
            });
            steps.extend(step.as_object().cloned());
        }
        self.write_steps(&steps)
    }

    /// The steps, whose frames are written already.
    fn steps(&self, journal: &Journal, run: &RunId) -> anyhow::Result<Vec<Map<String, Value>>> {
        let mut steps: Vec<Map<String, Value>> = Vec::new();
        // Names of the actions that were carried out.
        let mut done: Vec<String> = Vec::new();
        // What was meant by them.
        let mut did: Vec<String> = Vec::new();
        for record in journal.records(run)? {
            match record.event {
                Event::Decision(decision) => {
                    let Some(action) = &decision.action else { continue };
                    let number = steps.len() + 1;
                    let png = journal
                        .frame(&decision.frame)?
                        .with_context(|| format!("the journal misses the frame of step {number}"))?;
                    let frame = self.write_frame(&format!("{number:03}"), &png)?;
                    if let Value::Object(step) = decided(&decision, action, number, &frame, [&done, &did]) {
                        steps.push(step);
                    }
                }
                Event::Result(result) => {
                    let Some(step) = steps.last_mut() else { continue };
                    let carried_out = matches!(
                        result.outcome,
                        StepOutcome::Done | StepOutcome::NoEffect | StepOutcome::Ended
                    );
                    if carried_out && let Some(name) = step["action"]["action"].as_str() {
                        done.push(name.to_owned());
                        did.push(step["intent"].as_str().unwrap_or_default().to_owned());
                    }
                    step.insert("result".to_owned(), json!(result.result));
                    step.insert("carried_out".to_owned(), json!(carried_out));
                }
                _ => {}
            }
        }
        Ok(steps)
    }
}

/// Whether it says that the goal is met.
fn is_end(step: &Map<String, Value>) -> bool {
    step["action"]["action"] == "terminate" && step["action"]["status"] == "success"
}

/// What is known of a step when it is decided.
fn decided(
    decision: &DecisionRecord,
    action: &Action,
    number: usize,
    frame: &str,
    [done, did]: [&[String]; 2],
) -> Value {
    let call = computer_use::render(action, decision.size);
    let target = decision.target.as_ref().map(|target| {
        let bounds = target
            .bounds
            .map(|rect| json!([rect.x, rect.y, rect.width, rect.height]));
        json!({"role": target.role, "label": target.label, "box": bounds})
    });
    let verdict = decision.verdict.as_ref();
    json!({
        "step": number,
        "done": done,
        "did": did,
        "frame": frame,
        "size": side(decision.size),
        "title": decision.title,
        "page": decision.url.as_deref().map(page),
        "thinking": decision.thinking,
        "intent": decision.intent,
        "expect": decision.expect,
        "action": call.arguments,
        "point": action.point().map(|point| json!([point.x, point.y])),
        "target": target,
        "asked": verdict.is_some_and(|verdict| verdict.decision == Decision::Ask),
    })
}

fn side(size: Size) -> Value {
    json!([size.width, size.height])
}

/// Path and query of an address: ports differ from one recording to the next.
pub fn page(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(url) => url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
        Err(_) => String::new(),
    }
}
