use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use aurore_action::{Action, FrameId};
use aurore_policy::{Decision, Layer, RuleRef, Tier, VerdictRecord};

use super::{AnswerRefused, Asked, Entry, Happening, Hub, Mode, Order, OrderRefused, WatchApprover};
use crate::{Answer, Approver, End, EndKind, Question, Scope, TerminalApprover};

const MINUTE: Duration = Duration::from_mins(1);

fn question(wait: Duration) -> Question {
    Question {
        run: "run".into(),
        step: 3,
        goal: "buy tea".into(),
        thinking: String::new(),
        intent: String::new(),
        expect: String::new(),
        words: "click button 'Pay now'".into(),
        action: Action::Screenshot,
        target: None,
        url: None,
        origin: "https://shop.example".into(),
        verdict: VerdictRecord {
            decision: Decision::Ask,
            rule: RuleRef {
                layer: Layer::Builtin,
                name: "tier-3-ask".into(),
                reason: "it matters".into(),
            },
            tier: Tier::Always,
            why: "it pays".into(),
        },
        grants: "this".into(),
        scopes: vec![Scope {
            words: "all of it".into(),
            earlier: Vec::new(),
        }],
        frame: FrameId("0".into()),
        png: Arc::from([1, 2, 3]),
        point: None,
        bounds: None,
        wait,
    }
}

fn asked(entries: &[Entry]) -> Vec<&Asked> {
    let asked = entries.iter().filter_map(|entry| match &*entry.happening {
        Happening::Asked(asked) => Some(&**asked),
        _ => None,
    });
    asked.collect()
}

/// Puts a question and lets a watcher act on it as soon as it is there.
fn ask(hub: &Hub, wait: Duration, act: impl FnOnce(&Hub, &Asked) + Send + 'static) -> (Answer, String) {
    let (sender, receiver) = std::sync::mpsc::channel();
    hub.on_news(move || {
        let _ = sender.send(());
    });
    let seen = hub.since(0).last().map_or(0, |entry| entry.sequence);
    let watcher = thread::spawn({
        let hub = hub.clone();
        move || {
            loop {
                receiver.recv().unwrap();
                let entries = hub.since(seen);
                if let Some(asked) = asked(&entries).first() {
                    return act(&hub, asked);
                }
            }
        }
    });
    let mut approver = WatchApprover::new(hub.clone(), None);
    let answer = approver.ask(&question(wait));
    watcher.join().unwrap();
    (answer, approver.answered_by())
}

#[test]
fn an_answer_counts_once_and_for_its_question_alone() {
    let hub = Hub::default();
    let (answer, by) = ask(&hub, MINUTE, |hub, asked| {
        let say = |id: &str, nonce: &str, answer| hub.answer(id, nonce, answer, "ann", Duration::ZERO);
        assert_eq!(
            say("other", &asked.nonce, Answer::Yes),
            Err(AnswerRefused::Unknown)
        );
        assert_eq!(say(&asked.id, "other", Answer::Yes), Err(AnswerRefused::Nonce));
        assert_eq!(say(&asked.id, "", Answer::Yes), Err(AnswerRefused::Nonce));
        assert_eq!(
            say(&asked.id, &asked.nonce, Answer::FromNowOn(1)),
            Err(AnswerRefused::Scope(1))
        );
        let soon = hub.answer(&asked.id, &asked.nonce, Answer::Yes, "ann", MINUTE);
        assert!(matches!(soon, Err(AnswerRefused::Soon(_))), "{soon:?}");
        assert_eq!(say(&asked.id, &asked.nonce, Answer::FromNowOn(0)), Ok(()));
        let second = say(&asked.id, &asked.nonce, Answer::No(String::new()));
        assert!(
            matches!(&second, Err(AnswerRefused::Closed(who)) if who.contains("ann")),
            "{second:?}"
        );
    });
    assert_eq!((answer, by.as_str()), (Answer::FromNowOn(0), "ann"));

    // The next question is another one: neither name nor nonce of the first opens it.
    let entries = hub.since(0);
    let first = asked(&entries)[0].clone();
    let (answer, by) = ask(&hub, MINUTE, move |hub, second| {
        let say = |id: &str, nonce: &str| hub.answer(id, nonce, Answer::Yes, "ann", Duration::ZERO);
        assert!(matches!(
            say(&first.id, &first.nonce),
            Err(AnswerRefused::Closed(_))
        ));
        assert_eq!(say(&second.id, &first.nonce), Err(AnswerRefused::Nonce));
        hub.answer(
            &second.id,
            &second.nonce,
            Answer::No("why".into()),
            "bob",
            Duration::ZERO,
        )
        .unwrap();
    });
    assert_eq!((answer, by.as_str()), (Answer::No("why".into()), "bob"));
    let closed = hub
        .since(0)
        .into_iter()
        .filter_map(|entry| match &*entry.happening {
            Happening::Answered { id, approval, .. } => {
                Some((id.clone(), approval.allowed, approval.by.clone()))
            }
            _ => None,
        });
    let closed: Vec<_> = closed.collect();
    assert_eq!(closed.len(), 2);
    assert!(closed[0].1 && closed[0].2 == "ann" && !closed[1].1 && closed[1].2 == "bob");
}

#[test]
fn after_its_time_a_question_is_a_no_and_an_answer_is_told_so() {
    let hub = Hub::default();
    let mut approver = WatchApprover::new(hub.clone(), None);
    let answer = approver.ask(&question(Duration::ZERO));
    assert_eq!(answer, Answer::No("nobody answered in time".into()));
    let entries = hub.since(0);
    let asked = asked(&entries)[0];
    assert!(asked.question.png.is_empty(), "the log holds no pictures");
    let late = hub.answer(&asked.id, &asked.nonce, Answer::Yes, "ann", Duration::ZERO);
    assert_eq!(late, Err(AnswerRefused::Late));
    assert!(late.unwrap_err().to_string().starts_with("too late"));
}

#[test]
fn the_kill_switch_and_taking_over_answer_what_is_open() {
    let stop: Arc<AtomicBool> = Arc::default();
    let hub = Hub::new(Arc::clone(&stop), None);
    let (answer, by) = ask(&hub, MINUTE, |hub, _| hub.order(Order::Take, "ann").unwrap());
    assert!(matches!(answer, Answer::No(why) if why.contains("taken over")));
    assert_eq!((by.as_str(), hub.wanted()), ("ann", (Mode::Hands, "ann".into())));
    hub.order(Order::GiveBack, "ann").unwrap();
    let (answer, _) = ask(&hub, MINUTE, |hub, _| hub.order(Order::Kill, "ann").unwrap());
    assert_eq!(answer, Answer::Stop);
    assert!(stop.load(Ordering::SeqCst) && hub.was_killed());
}

#[test]
fn orders_that_mean_nothing_are_told_so() {
    let hub = Hub::default();
    assert!(matches!(
        hub.order(Order::GiveBack, "a"),
        Err(OrderRefused::NotNow(_))
    ));
    hub.order(Order::Pause, "a").unwrap();
    hub.order(Order::Pause, "a").unwrap();
    hub.order(Order::Take, "a").unwrap();
    assert!(matches!(
        hub.order(Order::Resume, "a"),
        Err(OrderRefused::NotNow(_))
    ));
    hub.order(Order::GiveBack, "a").unwrap();
    let wanted: Vec<Mode> = hub
        .since(0)
        .into_iter()
        .filter_map(|entry| match &*entry.happening {
            Happening::Wanted { mode, .. } => Some(*mode),
            _ => None,
        })
        .collect();
    assert_eq!(wanted, [Mode::Paused, Mode::Hands, Mode::Running]);
    let end = End {
        kind: EndKind::Finished,
        message: "done".into(),
    };
    hub.publish(Happening::Ended { end });
    assert_eq!(hub.order(Order::Pause, "a"), Err(OrderRefused::Over));
}

#[test]
fn thinking_comes_whole_to_who_is_late_and_in_pieces_to_who_is_there() {
    let hub = Hub::default();
    let text = |entries: Vec<Entry>| -> Vec<(u32, usize, String)> {
        let said = entries.into_iter().filter_map(|entry| match &*entry.happening {
            Happening::Thinking { step, from, text } => Some((*step, *from, text.clone())),
            _ => None,
        });
        said.collect()
    };
    hub.thinking(1, "grün ");
    let seen = hub.since(0).last().unwrap().sequence;
    hub.thinking(1, "und ");
    hub.thinking(1, "gut");
    assert_eq!(text(hub.since(seen)), [(1, 5, "und gut".into())]);
    assert_eq!(text(hub.since(0)), [(1, 0, "grün und gut".into())]);
    // Something else in between, then on.
    hub.publish(Happening::Mode { mode: Mode::Paused });
    hub.thinking(1, "!");
    hub.thinking(2, "neu");
    assert_eq!(
        text(hub.since(0)),
        [
            (1, 0, "grün und gut".into()),
            (1, 12, "!".into()),
            (2, 0, "neu".into())
        ]
    );
}

/// Input that never comes.
struct Silent(std::sync::mpsc::Receiver<()>);

impl std::io::Read for Silent {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.0.recv();
        Ok(0)
    }
}

#[test]
fn an_answer_on_the_page_closes_the_question_at_the_terminal() {
    let hub = Hub::default();
    let (_open, input) = std::sync::mpsc::channel();
    let shown: Arc<std::sync::Mutex<Vec<u8>>> = Arc::default();
    let terminal = TerminalApprover::new(
        Box::new(Silent(input)),
        Box::new(Shown(Arc::clone(&shown))),
        Duration::ZERO,
    );
    let mut approver = WatchApprover::new(hub.clone(), Some(terminal));
    hub.on_news({
        let hub = hub.clone();
        move || {
            let entries = hub.since(0);
            if let Some(asked) = asked(&entries).first() {
                let _ = hub.answer(&asked.id, &asked.nonce, Answer::Yes, "ann", Duration::ZERO);
            }
        }
    });
    assert_eq!(approver.ask(&question(MINUTE)), Answer::Yes);
    assert_eq!(approver.answered_by(), "ann");
    let text = String::from_utf8(shown.lock().unwrap().clone()).unwrap();
    assert!(text.contains("ann said yes"), "{text}");
}

/// Output that a test can read.
struct Shown(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
