//! A run of the expert as training data: `docs/episodes.md` is the format.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aurore_action::{Action, Size};
use aurore_agent::{DecisionRecord, Event, Journal, RunId, StepOutcome};
use aurore_apps::Goal;
use aurore_chat::computer_use;
use aurore_policy::Decision;
use serde_json::{Value, json};

/// The version of the format. It grows with every change that a reader has to know.
const VERSION: u32 = 1;

/// One episode: a file of steps, and a folder of frames beside it.
pub struct Episode<'a> {
    goal: &'a Goal,
    out: &'a Path,
    /// `trip-7`
    name: String,
}

impl<'a> Episode<'a> {
    /// The place of a goal's episode in the folder `out`.
    pub fn of(goal: &'a Goal, out: &'a Path) -> Self {
        Self {
            goal,
            out,
            name: format!("{}-{}", goal.family.name(), goal.seed),
        }
    }

    fn file(&self) -> PathBuf {
        self.out.join(format!("{}.jsonl", self.name))
    }

    /// Whether it was recorded before.
    pub fn exists(&self) -> bool {
        self.file().is_file()
    }

    /// Writes a run out of its journal. The file appears when all is there; gives the number of steps.
    ///
    /// # Errors
    /// When the journal cannot be read or the files not be written.
    pub fn write(&self, journal: &Journal, run: &RunId) -> anyhow::Result<usize> {
        let steps = self.steps(journal, run)?;
        let unfinished = self.out.join(format!("{}.part", self.name));
        let cannot = || format!("cannot write {}", unfinished.display());
        let mut file = std::io::BufWriter::new(fs::File::create(&unfinished).with_context(cannot)?);
        for step in &steps {
            writeln!(file, "{step}").with_context(cannot)?;
        }
        file.into_inner()
            .with_context(cannot)?
            .sync_all()
            .with_context(cannot)?;
        fs::rename(&unfinished, self.file()).with_context(cannot)?;
        Ok(steps.len())
    }

    /// The steps, whose frames are written already.
    fn steps(&self, journal: &Journal, run: &RunId) -> anyhow::Result<Vec<Value>> {
        let folder = self.out.join(&self.name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut steps: Vec<Value> = Vec::new();
        // Names of the actions that were carried out.
        let mut done: Vec<String> = Vec::new();
        for record in journal.records(run)? {
            match record.event {
                Event::Decision(decision) => {
                    let Some(action) = &decision.action else { continue };
                    let number = steps.len() + 1;
                    let png = journal
                        .frame(&decision.frame)?
                        .with_context(|| format!("the journal misses the frame of step {number}"))?;
                    let frame = format!("{}/{number:03}.png", self.name);
                    fs::write(self.out.join(&frame), png).with_context(|| format!("cannot write {frame}"))?;
                    steps.push(self.step(&decision, action, number, &frame, &done));
                }
                Event::Result(result) => {
                    let Some(step) = steps.last_mut() else { continue };
                    let carried_out = matches!(
                        result.outcome,
                        StepOutcome::Done | StepOutcome::NoEffect | StepOutcome::Ended
                    );
                    if carried_out && let Some(name) = step["action"]["action"].as_str() {
                        done.push(name.to_owned());
                    }
                    step["result"] = json!(result.result);
                    step["carried_out"] = json!(carried_out);
                }
                _ => {}
            }
        }
        Ok(steps)
    }

    /// What is known of a step when it is decided.
    fn step(
        &self,
        decision: &DecisionRecord,
        action: &Action,
        number: usize,
        frame: &str,
        done: &[String],
    ) -> Value {
        let look = self.goal.look();
        let call = computer_use::render(action, decision.size);
        let target = decision.target.as_ref().map(|target| {
            let bounds = target
                .bounds
                .map(|rect| json!([rect.x, rect.y, rect.width, rect.height]));
            json!({"role": target.role, "label": target.label, "box": bounds})
        });
        let verdict = decision.verdict.as_ref();
        json!({
            "format": "aurore-episode",
            "version": VERSION,
            "suite": self.goal.family.suite().name(),
            "family": self.goal.family.name(),
            "seed": self.goal.seed,
            "language": look.language.code(),
            "theme": look.theme,
            "zoom": look.zoom,
            "step": number,
            "goal": self.goal.text,
            "done": done,
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
}

fn side(size: Size) -> Value {
    json!([size.width, size.height])
}

/// Path and query of an address: ports differ from one recording to the next.
fn page(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(url) => url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
        Err(_) => String::new(),
    }
}
