//! Addresses, history and tabs.

use std::sync::Arc;

use aurore_policy::origin_of;
use serde_json::{Value, json};

use super::cdp::{Page, Waited};
use super::{Browser, address};
use crate::ScreenError;

impl Browser {
    /// Opens an address in the tab in front; returns once the new page has begun to load.
    pub(super) fn open_address(&mut self, url: &str) -> Result<(), ScreenError> {
        let url = address::openable(url)?;
        let mut page = self.current()?;
        if self.cdp.state.dialog_of(&page.session).is_some() {
            return Err(self.dialog_open(&page.session));
        }
        if self.cdp.state.hanging.contains(&page.session) {
            page = self.replace_tab(&page)?;
        }
        let limit = self.options.navigation_limit;
        let navigate = |browser: &mut Self| {
            // A crashed page comes to life again with its next address.
            browser.cdp.state.crashed.remove(&page.session);
            browser.cdp.state.hands.expect(&page.target);
            browser.cdp.call_until(
                &Some(page.session.clone()),
                "Page.navigate",
                &json!({"url": url.as_str()}),
                limit,
                |state| state.cannot_answer(&page.session),
            )
        };
        let waited = match navigate(self) {
            // The page that was to be left crashed on the way out; the one to be opened has not had its chance.
            Err(ScreenError::Crashed { .. }) => navigate(self),
            waited => waited,
        };
        // It begins later where the page asks first whether it may be left.
        if !matches!(waited, Ok(Waited::Stopped)) {
            self.cdp.state.hands.expect_no_more(&page.target);
        }
        match waited {
            Ok(Waited::Answer(answer)) => match answer["errorText"].as_str() {
                // A download or an empty answer: the page stays as it is.
                None | Some("" | "net::ERR_ABORTED") => Ok(()),
                Some(reason) => Err(ScreenError::Navigation {
                    url: url.to_string(),
                    reason: reason.to_owned(),
                }),
            },
            // The page asks whether it may be left.
            Ok(Waited::Stopped) => Ok(()),
            Err(ScreenError::Hanging { .. }) => {
                self.cdp.tell(&Some(page.session), "Page.stopLoading", &json!({}));
                Err(ScreenError::NeverLoads {
                    url: url.to_string(),
                    limit,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Goes through the tab's history.
    pub(super) fn travel(&mut self, by: i64, direction: &'static str) -> Result<(), ScreenError> {
        let page = self.current()?;
        let entry = self.history_entry(&page, by, direction)?;
        let begun = |state: &super::cdp::State| state.navigations.get(&page.target).copied().unwrap_or(0);
        let before = begun(&self.cdp.state);
        self.cdp.state.hands.expect(&page.target);
        self.input("Page.navigateToHistoryEntry", &json!({"entryId": entry}))?;
        // The answer comes before the move.
        let limit = self.options.answer_limit;
        self.cdp.pump(limit, "going through the history", |state| {
            begun(state) > before || state.cannot_answer(&page.session)
        })?;
        Ok(())
    }

    /// A place in a tab's history, seen from where it is.
    pub(super) fn history_entry(
        &mut self,
        page: &Page,
        by: i64,
        direction: &'static str,
    ) -> Result<i64, ScreenError> {
        let history = self.ask(&page.session, "Page.getNavigationHistory", &json!({}))?;
        let entry = history["currentIndex"]
            .as_i64()
            .and_then(|index| usize::try_from(index + by).ok())
            .and_then(|index| history["entries"].get(index));
        entry
            .and_then(|entry| entry["id"].as_i64())
            .ok_or(ScreenError::NoHistory { direction })
    }

    pub(super) fn switch_tab(&mut self, index: usize) -> Result<(), ScreenError> {
        let tabs = &self.cdp.state.tabs;
        let Some(page) = tabs.get(index).cloned() else {
            return Err(ScreenError::NoTab {
                index,
                count: tabs.len(),
            });
        };
        self.front.clone_from(&page.target);
        self.bring_to_front(&page);
        Ok(())
    }

    pub(super) fn close_tab(&mut self) -> Result<(), ScreenError> {
        self.cdp.state.hands.tabbing = true;
        let closed = self.close_front();
        self.cdp.state.hands.tabbing = false;
        closed
    }

    fn close_front(&mut self) -> Result<(), ScreenError> {
        let page = self.current()?;
        let limit = self.options.answer_limit;
        self.cdp.call_until(
            &None,
            "Target.closeTarget",
            &json!({"targetId": page.target}),
            limit,
            |state| state.cannot_answer(&page.session),
        )?;
        let closed = self
            .cdp
            .pump(limit, "closing a tab", |state| state.cannot_answer(&page.session))?;
        if !closed {
            return Err(ScreenError::Hanging {
                during: "closing the tab".to_owned(),
                limit,
            });
        }
        if self.cdp.state.dialog_of(&page.session).is_some() && self.tab_exists(&page.target) {
            return Ok(());
        }
        if let Some(opener) = page.opener.filter(|opener| self.tab_exists(opener)) {
            self.front = opener;
        }
        let page = self.current()?;
        self.bring_to_front(&page);
        Ok(())
    }

    /// A tab that the page in front opened takes its place, as it does for a person.
    pub(super) fn follow_new_tab(&mut self) {
        let opened = self
            .cdp
            .state
            .tabs
            .iter()
            .rev()
            .find(|page| page.opener.as_deref() == Some(&*self.front))
            .cloned();
        if let Some(page) = opened
            && self.followed.insert(page.target.clone())
        {
            self.front.clone_from(&page.target);
            self.bring_to_front(&page);
            self.cdp
                .state
                .note("The page opened a new tab, which is in front now.");
        }
    }

    /// Opens an empty tab: there is always one.
    pub(super) fn new_tab(&mut self) -> Result<Page, ScreenError> {
        let tabbing = std::mem::replace(&mut self.cdp.state.hands.tabbing, true);
        let opened = self.open_tab();
        self.cdp.state.hands.tabbing = tabbing;
        opened
    }

    fn open_tab(&mut self) -> Result<Page, ScreenError> {
        let limit = self.options.answer_limit;
        let answer = self.cdp.call(
            &None,
            "Target.createTarget",
            &json!({"url": "about:blank"}),
            limit,
        )?;
        let target = answer["targetId"].as_str().unwrap_or_default().to_owned();
        self.cdp.pump(limit, "opening a tab", |state| {
            state.tabs.iter().any(|page| page.target == target)
        })?;
        let page = self.cdp.state.tabs.iter().find(|page| page.target == target);
        let page = page.cloned().ok_or(ScreenError::Hanging {
            during: "opening a tab".to_owned(),
            limit,
        })?;
        self.front = target;
        Ok(page)
    }

    /// Leaves a page that hangs: its process would keep the next page waiting too.
    fn replace_tab(&mut self, hanging: &Page) -> Result<Page, ScreenError> {
        let page = self.new_tab()?;
        let limit = self.options.answer_limit;
        self.cdp.state.hands.tabbing = true;
        self.cdp
            .tell(&None, "Target.closeTarget", &json!({"targetId": hanging.target}));
        let closed = self.cdp.pump(limit, "closing a tab that hangs", |state| {
            state.cannot_answer(&hanging.session)
        });
        self.cdp.state.hands.tabbing = false;
        closed.map(|_| page)
    }

    pub(super) fn bring_to_front(&mut self, page: &Page) {
        self.cdp
            .tell(&Some(page.session.clone()), "Page.bringToFront", &json!({}));
    }

    fn tab_exists(&self, target: &str) -> bool {
        self.cdp.state.tabs.iter().any(|page| page.target == target)
    }

    /// The origin of the page in front.
    pub(super) fn origin(&mut self) -> Result<String, ScreenError> {
        let page = self.current()?;
        let url = self.address_of(&page)?;
        if url.starts_with("http:") || url.starts_with("https:") {
            return Ok(origin_of(&url));
        }
        // An empty page that another page opened belongs to that one.
        let world = self.world(&page.session, &page.target)?;
        let own: String = self.value(&world, "() => self.origin", &[])?;
        Ok(if own == "null" { origin_of(&url) } else { own })
    }

    /// Address of a tab, as the browser knows it now.
    pub(super) fn address_of(&mut self, page: &Page) -> Result<String, ScreenError> {
        let limit = self.options.answer_limit;
        let answer = self.cdp.call(
            &None,
            "Target.getTargetInfo",
            &json!({"targetId": page.target}),
            limit,
        )?;
        Ok(answer["targetInfo"]["url"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Every document of the page in front: session and frame.
    pub(super) fn documents(&mut self) -> Result<Vec<(Arc<str>, String)>, ScreenError> {
        let page = self.current()?;
        let sessions: Vec<Arc<str>> = std::iter::once(page.session)
            .chain(self.cdp.state.frames.values().cloned())
            .collect();
        let mut documents = Vec::new();
        for session in sessions {
            // A frame that has just gone has no documents.
            let Ok(answer) = self.ask(&session, "Page.getFrameTree", &json!({})) else {
                continue;
            };
            let mut trees: Vec<&Value> = vec![&answer["frameTree"]];
            while let Some(tree) = trees.pop() {
                if let Some(frame) = tree["frame"]["id"].as_str() {
                    documents.push((session.clone(), frame.to_owned()));
                }
                trees.extend(tree["childFrames"].as_array().into_iter().flatten());
            }
        }
        Ok(documents)
    }
}
