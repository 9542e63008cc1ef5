//! Another hand at the window: what a person presses in a page, which the guard there tells; and what they do in the
//! browser's own bars: navigations and tabs that neither the run nor a page has asked for.

use std::collections::HashMap;

/// What is known of another hand.
#[derive(Debug, Default)]
pub(in crate::browser) struct Hands {
    /// Whether a person used the window since this was last asked.
    touched: bool,
    /// Navigations of tabs that a page or the run has asked for and that have not begun, by the tab's frame. The address
    /// where a page asked; none where the run did.
    asked: HashMap<String, Option<String>>,
    /// Whether an action of the run is under way, up to the next look: a page may go through its history because of it.
    pub(in crate::browser) acting: bool,
    /// Whether the run itself opens or closes a tab now.
    pub(in crate::browser) tabbing: bool,
}

/// A navigation that begins in a tab.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun<'a> {
    /// The tab's frame.
    pub(super) frame: &'a str,
    /// Where it leads.
    pub(super) url: &'a str,
    /// The protocol's `navigationType`.
    pub(super) kind: &'a str,
    /// Whether it is the first of a tab that a page opened.
    pub(super) first: bool,
    /// Whether the tab shows that its address cannot be reached: the browser tries again by itself.
    pub(super) unreachable: bool,
}

impl Hands {
    /// Somebody used the window.
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    /// Whether somebody used it since this was last asked.
    pub(in crate::browser) fn take(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// The run is about to send a tab somewhere.
    pub(in crate::browser) fn expect(&mut self, frame: &str) {
        self.asked.insert(frame.to_owned(), None);
    }

    /// The run's own navigation has begun, or never will.
    pub(in crate::browser) fn expect_no_more(&mut self, frame: &str) {
        self.asked.remove(frame);
    }

    /// A page asks for a navigation of a tab.
    pub(super) fn asked(&mut self, frame: String, url: String) {
        self.asked.insert(frame, Some(url));
    }

    /// A navigation begins in a tab. Pages and the run ask first; nobody asks who uses the address bar or its buttons.
    /// A script that goes through the history does not ask either, so what follows from the run's own action is nobody's.
    pub(super) fn begun(&mut self, begun: Begun<'_>) {
        let asked = self.asked.remove(begun.frame);
        let expected = match asked {
            Some(None) => true,
            Some(Some(url)) => url == begun.url,
            None => false,
        };
        let by_script = self.acting && begun.kind.starts_with("history");
        let again = begun.unreachable && begun.kind.starts_with("reload");
        if !(expected || by_script || again || begun.first) {
            self.touch();
        }
    }

    /// A tab came or went; `opened` says whether by a page, which may close it too.
    pub(super) fn tab(&mut self, opened_by_page: bool) {
        if !(opened_by_page || self.tabbing) {
            self.touch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: Begun<'_> = Begun {
        frame: "tab",
        url: "https://a.test/",
        kind: "differentDocument",
        first: false,
        unreachable: false,
    };

    #[test]
    fn what_was_asked_for_is_nobodys_and_once() {
        let mut hands = Hands::default();
        hands.asked("tab".to_owned(), "https://a.test/".to_owned());
        hands.begun(BEGUN);
        assert!(!hands.take());
        hands.begun(BEGUN);
        assert!(hands.take() && !hands.take());
        hands.asked("tab".to_owned(), "https://b.test/".to_owned());
        hands.begun(BEGUN);
        assert!(hands.take(), "the page asked for another address");
        hands.asked("other".to_owned(), "https://a.test/".to_owned());
        hands.begun(BEGUN);
        assert!(hands.take(), "another tab asked");
        hands.expect("tab");
        hands.begun(BEGUN);
        assert!(!hands.take());
        hands.expect("tab");
        hands.expect_no_more("tab");
        hands.begun(BEGUN);
        assert!(hands.take());
    }

    #[test]
    fn what_the_browser_does_by_itself_is_nobodys() {
        let mut hands = Hands::default();
        hands.begun(Begun { first: true, ..BEGUN });
        hands.begun(Begun {
            kind: "reload",
            unreachable: true,
            ..BEGUN
        });
        hands.tab(true);
        assert!(!hands.take());
        let reload = Begun {
            kind: "reload",
            ..BEGUN
        };
        hands.begun(reload);
        assert!(hands.take());
    }

    #[test]
    fn the_history_is_a_scripts_only_beside_the_runs_own_action() {
        let mut hands = Hands::default();
        let back = Begun {
            kind: "historyDifferentDocument",
            ..BEGUN
        };
        hands.begun(back);
        assert!(hands.take());
        hands.acting = true;
        hands.begun(back);
        assert!(!hands.take());
        hands.begun(BEGUN);
        assert!(hands.take(), "an address is typed by a person all the same");
    }

    #[test]
    fn a_tab_that_nobody_opened_is_a_persons() {
        let mut hands = Hands::default();
        hands.tab(false);
        assert!(hands.take());
        hands.tabbing = true;
        hands.tab(false);
        assert!(!hands.take());
    }
}
