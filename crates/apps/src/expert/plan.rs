//! What an expert means to do, in order.

use rand_chacha::ChaCha8Rng;
use serde_json::Value as Json;

use crate::text::say;
use crate::world::dice;
use crate::{AppsError, Language};

/// One thing to do on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Put a text into a field.
    Fill {
        /// The field.
        id: String,
        /// What it is to say.
        value: String,
        /// Come with the Tab key if the field before has the focus.
        tab: bool,
    },
    /// Press a button or follow a link.
    Press(Press),
}

/// A press with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Press {
    /// What is pressed.
    pub(crate) id: String,
    /// Why, in a sentence that is true when its page is shown.
    pub(crate) why: String,
    pub(crate) intent: String,
    pub(crate) expect: String,
    /// Elements whose `id` begins so are looked over before: a list to choose from.
    pub(crate) rows: Option<&'static str>,
    /// Press Enter instead, if this field has the focus.
    pub(crate) enter: Option<String>,
}

impl Deed {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Fill { id, .. } | Self::Press(Press { id, .. }) => id,
        }
    }
}

/// A plan in the making.
pub(crate) struct Plan {
    language: Language,
    rng: ChaCha8Rng,
    deeds: Vec<Deed>,
}

impl Plan {
    pub(crate) fn new(language: Language, rng: ChaCha8Rng) -> Self {
        Self {
            language,
            rng,
            deeds: Vec::new(),
        }
    }

    /// Put a text into a field. Some come with the Tab key, as people do.
    pub(crate) fn fill(&mut self, id: &str, value: &str) {
        let tab = dice::one_in(&mut self.rng, 3);
        self.deeds.push(Deed::Fill {
            id: id.to_owned(),
            value: value.to_owned(),
            tab,
        });
    }

    /// Press something. `sentence` names the sentences that say why, what is meant and what is expected.
    pub(crate) fn press(&mut self, id: &str, sentence: &str, data: &Json) -> Result<(), AppsError> {
        self.push(id, sentence, data, None, None)
    }

    /// Press the search button of a form, or Enter in its last field.
    pub(crate) fn search(&mut self, last: &str) -> Result<(), AppsError> {
        let enter = dice::one_in(&mut self.rng, 3).then(|| last.to_owned());
        self.push("search", "press_search", &Json::Null, None, enter)
    }

    /// Look over the rows of a list and press one.
    pub(crate) fn choose(
        &mut self,
        rows: &'static str,
        id: &str,
        sentence: &str,
        data: &Json,
    ) -> Result<(), AppsError> {
        self.push(id, sentence, data, Some(rows), None)
    }

    fn push(
        &mut self,
        id: &str,
        sentence: &str,
        data: &Json,
        rows: Option<&'static str>,
        enter: Option<String>,
    ) -> Result<(), AppsError> {
        let part = |part: &str| say(&format!("{sentence}_{part}"), self.language, data);
        self.deeds.push(Deed::Press(Press {
            id: id.to_owned(),
            why: part("why")?,
            intent: part("intent")?,
            expect: part("expect")?,
            rows,
            enter,
        }));
        Ok(())
    }

    /// The plan as it stands.
    pub(crate) fn finish(self) -> Vec<Deed> {
        self.deeds
    }
}
