//! A run that somebody holds and takes over, in real Chromium.

use std::sync::{
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use aurore_action::{Action, Button, Chord, FrameId, Point};
use aurore_agent::{ByHand, DenyAll, EndKind, Event, HandRefused, Happening, Hub, Mode, Order, StepOutcome};
use serde_json::json;

use crate::{Desk, click, script};

/// What a viewer sees, one after the other.
struct Viewer {
    hub: Hub,
    news: mpsc::Receiver<()>,
    seen: u64,
}

impl Viewer {
    fn new(hub: &Hub) -> Self {
        let (sender, news) = mpsc::channel();
        hub.on_news(move || {
            let _ = sender.send(());
        });
        Self {
            hub: hub.clone(),
            news,
            seen: 0,
        }
    }

    /// Waits for something to happen.
    fn wait<T>(&mut self, find: impl Fn(&Happening) -> Option<T>) -> T {
        loop {
            for entry in self.hub.since(self.seen) {
                self.seen = entry.sequence;
                if let Some(found) = find(&entry.happening) {
                    return found;
                }
            }
            self.news.recv().unwrap();
        }
    }

    fn mode(&mut self, wanted: Mode) {
        self.wait(|happening| matches!(happening, Happening::Mode { mode } if *mode == wanted).then_some(()));
    }

    fn frame(&self) -> FrameId {
        let frames = self
            .hub
            .since(0)
            .into_iter()
            .filter_map(|entry| match &*entry.happening {
                Happening::Looked(look) => Some(look.frame.clone()),
                _ => None,
            });
        frames.last().unwrap()
    }

    fn by_hand(&mut self, action: Action) -> ByHand {
        let number = self.hub.hand(self.frame(), action, "", "ann").unwrap();
        self.wait(|happening| match happening {
            Happening::Hand(hand) if hand.number == number => Some(hand.clone()),
            _ => None,
        })
    }
}

fn press(x: i32, y: i32) -> Action {
    Action::Click {
        button: Button::Left,
        count: 1,
        at: Point::new(x, y),
        modifiers: Vec::new(),
    }
}

fn kinds(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            serde_json::to_value(event).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn what_a_person_does_by_hand_is_judged_written_down_and_seen_by_the_run() {
    let hub = Hub::default();
    let mut viewer = Viewer::new(&hub);
    let mut desk = Desk::at("form");
    desk.hub = hub.clone();
    // Held before the first decision.
    hub.order(Order::Take, "ann").unwrap();
    let hands = std::thread::spawn(move || {
        viewer.mode(Mode::Hands);
        // What the rules would ask about is answered by who does it.
        let paid = viewer.by_hand(press(100, 130));
        assert_eq!(
            (paid.words.as_str(), paid.outcome),
            ("click button 'Pay now'", StepOutcome::NoEffect)
        );
        let field = viewer.by_hand(press(100, 30));
        assert_eq!(field.outcome, StepOutcome::Done, "{field:?}");
        let word = viewer.by_hand(Action::Type { text: "grün".into() });
        assert_eq!(word.words, "type \"grün\" into textbox 'Word'");
        // Rules that bind everybody.
        let file = viewer.by_hand(Action::OpenUrl {
            url: "file:///etc/passwd".into(),
        });
        assert_eq!(file.outcome, StepOutcome::Refused, "{file:?}");
        let keys = viewer.by_hand(Action::Key {
            chord: Chord::parse(&["F12"]).unwrap(),
        });
        assert_eq!(keys.outcome, StepOutcome::Refused, "{keys:?}");
        let refused = |frame, action| viewer.hub.hand(frame, action, "", "ann").unwrap_err();
        assert_eq!(refused(FrameId("0".into()), press(1, 1)), HandRefused::Stale);
        assert!(matches!(
            refused(viewer.frame(), Action::Screenshot),
            HandRefused::Unfit(_)
        ));
        viewer.hub.order(Order::GiveBack, "ann").unwrap();
        viewer.mode(Mode::Running);
        assert_eq!(
            viewer.hub.hand(viewer.frame(), press(1, 1), "", "ann"),
            Err(HandRefused::NotTaken)
        );
    });
    let (reports, end) = desk.run("Press Ready.", &mut script(&[click(100, 80)]), &mut DenyAll);
    hands.join().unwrap();
    assert_eq!(end, EndKind::Reached, "{reports:#?}");
    assert_eq!(desk.log(), ["paid", "ready: grün"]);

    let events = desk.events();
    let expected = "start order hand hand_result hand hand_result hand hand_result hand hand_result hand hand_result \
                    order decision result end";
    assert_eq!(kinds(&events).join(" "), expected);
    let hands: Vec<(bool, &str)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Hand(hand) => Some((hand.perform, hand.verdict.rule.name.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        hands,
        [
            (true, "tier-3-ask"),
            (true, "tier-1-free"),
            (true, "tier-1-free"),
            (false, "own-files"),
            (false, "browser-keys")
        ]
    );
}

#[test]
fn a_target_that_is_swapped_under_a_hand_is_not_clicked() {
    let hub = Hub::default();
    let mut viewer = Viewer::new(&hub);
    let mut desk = Desk::at("swap");
    desk.hub = hub.clone();
    hub.order(Order::Take, "ann").unwrap();
    let hands = std::thread::spawn(move || {
        viewer.mode(Mode::Hands);
        let swapped = viewer.by_hand(press(100, 30));
        assert_eq!(swapped.outcome, StepOutcome::Failed, "{swapped:?}");
        viewer.hub.order(Order::Kill, "ann").unwrap();
    });
    let (_, end) = desk.run("Press OK.", &mut script(&[click(100, 30)]), &mut DenyAll);
    hands.join().unwrap();
    assert_eq!(end, EndKind::Stopped);
    assert!(desk.log().is_empty());
    let events = desk.events();
    assert!(
        matches!(&events[events.len() - 2], Event::Order(order) if order.order == Order::Kill && order.by == "ann"),
        "{events:#?}"
    );
}

#[test]
fn what_goes_into_a_field_for_secrets_is_written_down_nowhere() {
    let hub = Hub::default();
    let mut viewer = Viewer::new(&hub);
    let mut desk = Desk::at("secret");
    desk.hub = hub.clone();
    hub.order(Order::Take, "ann").unwrap();
    let hands = std::thread::spawn(move || {
        viewer.mode(Mode::Hands);
        viewer.by_hand(press(100, 30));
        let typed = viewer.by_hand(Action::Type {
            text: "correct horse".into(),
        });
        assert_eq!(typed.words, "type \"•••\" into textbox 'Password'");
        viewer.hub.order(Order::GiveBack, "ann").unwrap();
        serde_json::to_string(&viewer.hub.since(0)).unwrap()
    });
    let (_, end) = desk.run("Go on.", &mut script(&[click(100, 80)]), &mut DenyAll);
    let told = hands.join().unwrap();
    assert_eq!(end, EndKind::Reached);
    assert_eq!(desk.log(), ["ready: 13"], "it was typed");
    let written = serde_json::to_string(&desk.events()).unwrap();
    assert!(!written.contains("horse") && !told.contains("horse"));
}

#[test]
fn a_decision_made_before_somebody_took_over_is_dropped() {
    let hub = Hub::default();
    let mut viewer = Viewer::new(&hub);
    let mut desk = Desk::at("form");
    desk.hub = hub.clone();
    let mut brain = script(&[
        click(100, 30),
        json!({"action": "type", "text": "first"}),
        click(100, 80),
        click(100, 80),
    ]);
    // The order comes while the second step is thought about: on the run's own thread, before it is decided.
    let (taker, taken) = (hub.clone(), AtomicBool::new(false));
    hub.on_news(move || {
        let thinks = taker
            .since(0)
            .iter()
            .any(|entry| matches!(&*entry.happening, Happening::Thinking { step: 2, .. }));
        if thinks && !taken.swap(true, Ordering::SeqCst) {
            taker.order(Order::Take, "ann").unwrap();
        }
    });
    let hands = std::thread::spawn(move || {
        viewer.mode(Mode::Hands);
        viewer.hub.order(Order::GiveBack, "ann").unwrap();
    });
    let (reports, end) = desk.run("Press Ready.", &mut brain, &mut DenyAll);
    hands.join().unwrap();
    assert_eq!(end, EndKind::Reached);
    assert_eq!(reports[1].outcome, StepOutcome::Refused, "{reports:#?}");
    assert!(reports[1].result.contains("took over"), "{}", reports[1].result);
    assert_eq!(desk.log(), ["ready: "], "nothing was typed");
}
