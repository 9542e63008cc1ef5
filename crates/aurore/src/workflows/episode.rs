//! A run of the expert as training data: `docs/episodes.md` is the format.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aurore_action::Size;
use aurore_agent::{Event, Journal, RunId, StepOutcome};
use aurore_apps::Goal;
use aurore_chat::computer_use;
use aurore_policy::Decision;
use serde_json::{Value, json};

/// The version of the format. It grows with every change that a reader has to know.
const VERSION: u32 = 1;

/// One episode in a folder of its own.
pub struct Episode<'a> {
    goal: &'a Goal,
    folder: PathBuf,
}

impl<'a> Episode<'a> {
    /// The place of a goal's episode below `out`.
    pub fn of(goal: &'a Goal, out: &Path) -> Self {
        Self {
            goal,
            folder: out.join(format!("{}-{}", goal.family.name(), goal.seed)),
        }
    }

    /// Whether it was recorded before.
    pub fn exists(&self) -> bool {
        self.folder.join("episode.jsonl").is_file()
    }

    /// Writes a run out of its journal. The folder appears when it is whole; gives the number of steps.
    ///
    /// # Errors
    /// When the journal cannot be read or the folder not be written.
    pub fn write(&self, journal: &Journal, run: &RunId) -> anyhow::Result<usize> {
        let unfinished = self.folder.with_extension("part");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .with_context(|| format!("cannot clear {}", unfinished.display()))?;
        }
        let steps = self
            .write_into(&unfinished, journal, run)
            .with_context(|| format!("cannot write {}", unfinished.display()))?;
        fs::rename(&unfinished, &self.folder)
            .with_context(|| format!("cannot rename {} to its name", unfinished.display()))?;
        Ok(steps)
    }

    fn write_into(&self, folder: &Path, journal: &Journal, run: &RunId) -> anyhow::Result<usize> {
        fs::create_dir_all(folder.join("frames"))?;
        let mut steps: Vec<Value> = Vec::new();
        let mut viewport = None;
        for record in journal.records(run)? {
            match record.event {
                Event::Decision(decision) => {
                    let Some(action) = &decision.action else { continue };
                    let number = steps.len() + 1;
                    let frame = format!("frames/{number:03}.png");
                    let png = journal
                        .frame(&decision.frame)?
                        .with_context(|| format!("the journal misses the frame of step {number}"))?;
                    fs::write(folder.join(&frame), png)?;
                    viewport = viewport.or(Some(decision.size));
                    let call = computer_use::render(action, decision.size);
                    let target = decision.target.as_ref().map(|target| {
                        let bounds = target
                            .bounds
                            .map(|rect| json!([rect.x, rect.y, rect.width, rect.height]));
                        json!({"role": target.role, "label": target.label, "box": bounds})
                    });
                    let asked = decision
                        .verdict
                        .as_ref()
                        .is_some_and(|verdict| verdict.decision == Decision::Ask);
                    steps.push(json!({
                        "step": number,
                        "frame": frame,
                        "size": side(decision.size),
                        "title": decision.title,
                        "page": decision.url.as_deref().map(page),
                        "thinking": decision.thinking,
                        "intent": decision.intent,
                        "expect": decision.expect,
                        "action": {"name": call.name, "arguments": call.arguments},
                        "point": action.point().map(|point| json!([point.x, point.y])),
                        "target": target,
                        "asked": asked,
                    }));
                }
                Event::Result(result) => {
                    if let Some(step) = steps.last_mut() {
                        step["result"] = json!(result.result);
                        step["done"] = json!(matches!(
                            result.outcome,
                            StepOutcome::Done | StepOutcome::NoEffect | StepOutcome::Ended
                        ));
                    }
                }
                _ => {}
            }
        }
        let look = self.goal.look();
        let head = json!({
            "format": "aurore-episode",
            "version": VERSION,
            "suite": self.goal.family.suite().name(),
            "family": self.goal.family.name(),
            "seed": self.goal.seed,
            "goal": self.goal.text,
            "language": look.language.code(),
            "theme": look.theme,
            "zoom": look.zoom,
            "viewport": viewport.map(side),
            "steps": steps.len(),
            "met": true,
        });
        let mut file = std::io::BufWriter::new(fs::File::create(folder.join("episode.jsonl"))?);
        for line in std::iter::once(&head).chain(&steps) {
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        Ok(steps.len())
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
