//! A goal in the making.

use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};

use super::{Family, Goal};
use crate::check::Wanted;
use crate::expert::Plan;
use crate::text::say;
use crate::world::{Content, Journey, Supply, World, dice, some_day};
use crate::{App, AppsError, Language, Look, Suite};

/// Collects what a goal wants and how it is met.
pub(super) struct Draft {
    family: Family,
    seed: u64,
    pub(super) rng: ChaCha8Rng,
    pub(super) look: Look,
    world: World,
    pub(super) plan: Plan,
    wanted: Vec<Wanted>,
    effects: u32,
}

impl Draft {
    pub(super) fn new(family: Family, seed: u64) -> Self {
        let mut rng = dice::seeded(family.name(), seed);
        let look = Look::random(&mut rng);
        let today = some_day(&mut rng);
        let content = match family.suite() {
            Suite::Journey => Content::Journey(Journey::random(&mut rng, look.language, today)),
            Suite::SupplyChain => Content::Supply(Supply::random(&mut rng, look.language, today)),
        };
        let plan = Plan::new(look.language, dice::seeded("plan", seed));
        Self {
            family,
            seed,
            rng,
            look,
            world: World { look, today, content },
            plan,
            wanted: Vec::new(),
            effects: 0,
        }
    }

    pub(super) fn language(&self) -> Language {
        self.look.language
    }

    pub(super) fn today(&self) -> jiff::civil::Date {
        self.world.today
    }

    pub(super) fn journey(&self) -> Result<Journey, AppsError> {
        self.world.journey().cloned().ok_or_else(super::no_answer)
    }

    pub(super) fn supply(&self) -> Result<Supply, AppsError> {
        self.world.supply().cloned().ok_or_else(super::no_answer)
    }

    /// A change that is wanted.
    pub(super) fn want(&mut self, wanted: Wanted) {
        self.wanted.push(wanted);
    }

    /// A consequence that the goal calls for.
    pub(super) fn effect(&mut self) {
        self.effects += 1;
    }

    /// The way to another app, by its link at the top of the page.
    pub(super) fn go(&mut self, app: App, why: &str, data: &Json) -> Result<(), AppsError> {
        self.go_after_looking(None, app, why, data)
    }

    /// The same, after all rows of a list have been seen.
    pub(super) fn go_after_looking(
        &mut self,
        rows: Option<&'static str>,
        app: App,
        why: &str,
        data: &Json,
    ) -> Result<(), AppsError> {
        let language = self.language();
        let why = say(why, language, data)?;
        let name = crate::text::word(app.name(), language)?;
        let data = json!({"why": why, "app": name});
        let id = format!("go-{}", app.name());
        match rows {
            Some(rows) => self.plan.choose(rows, &id, "go", &data),
            None => self.plan.press(&id, "go", &data),
        }
    }

    /// The goal in the person's words.
    pub(super) fn finish(self, start: App, sentence: &str, data: &Json) -> Result<Goal, AppsError> {
        Ok(Goal {
            family: self.family,
            seed: self.seed,
            text: say(sentence, self.look.language, data)?,
            start,
            effects: self.effects,
            world: self.world,
            wanted: self.wanted,
            plan: self.plan.finish(),
        })
    }
}

/// A list in words.
pub(super) fn listed(parts: &[String], language: Language) -> String {
    parts.join(match language {
        Language::Chinese => "、",
        _ => ", ",
    })
}

/// A thing at a price.
pub(super) fn priced(name: &str, price: &str, language: Language) -> String {
    match language {
        Language::Chinese => format!("{name}（{price}）"),
        Language::French => format!("{name} à {price}"),
        Language::English => format!("{name} for {price}"),
    }
}
