//! Whose turn is next, and what becomes of whoever asks at the end.

use super::tests::{ENGINE, greedy, request};
use super::*;
use crate::{Choosing, Finish};

/// Hears what becomes of a request.
struct Heard(Sender<Event>);

impl Listener for Heard {
    fn hear(&mut self, event: Event) {
        self.0.send(event).unwrap();
    }

    fn is_gone(&self) -> bool {
        false
    }
}

#[test]
fn whoever_asks_while_it_ends_is_told_so_at_every_moment() {
    // Sent, and then the thread is gone: no request is dropped in silence.
    for (draining, expected) in [(true, EngineError::Draining), (false, EngineError::Gone)] {
        let shared = Arc::new(Shared::default());
        shared.draining.store(draining, Ordering::Relaxed);
        shared.waiting.store(1, Ordering::Relaxed);
        let (told, heard) = channel();
        let waiting = Waiting {
            prepared: Prepared::new(&ENGINE, Prompt::text(vec![1, 2, 3])).unwrap(),
            task: Task::Pool(Pool::new(Pooling::Mean, 4)),
            reserved: 0,
            priority: Priority::Normal,
            listener: Box::new(Heard(told)),
            since: Instant::now(),
        };
        let (commands, thread) = channel();
        commands
            .send(Command::Submit(Box::new(Queued::new(waiting, &shared))))
            .unwrap();
        drop(thread);
        let Ok(Event::Failed(error)) = heard.recv() else {
            panic!("nothing was heard");
        };
        assert_eq!(error.to_string(), expected.to_string());
        assert_eq!(shared.waiting.load(Ordering::Relaxed), 0);
    }
    // As it happens: asked again and again while it ends.
    for _ in 0..50 {
        let scheduler = Scheduler::start(ENGINE.clone(), Limits::default()).unwrap();
        let asking = std::thread::spawn({
            let scheduler = scheduler.clone();
            move || {
                loop {
                    let asked = scheduler.submit(request(Prompt::text(vec![1, 2, 3]), greedy(1)));
                    match asked.and_then(Answer::wait) {
                        Ok(_) => {}
                        Err(EngineError::Draining) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
        scheduler.drain(Duration::ZERO);
        asking.join().unwrap();
    }
}

/// Holds the only place until it is let go, or says when its turn has come.
enum Turn {
    Held(std::sync::mpsc::Receiver<()>),
    Told(&'static str, Sender<&'static str>),
}

impl Listener for Turn {
    fn hear(&mut self, event: Event) {
        match (&self, event) {
            (Self::Held(gate), Event::Started { .. }) => gate.recv().unwrap(),
            (Self::Told(name, turns), Event::Started { .. }) => turns.send(name).unwrap(),
            _ => {}
        }
    }

    fn is_gone(&self) -> bool {
        false
    }
}

#[test]
fn the_most_important_is_next_and_of_equals_whoever_waited_longest() {
    let limits = Limits {
        batch: 1,
        ..Limits::default()
    };
    let scheduler = Scheduler::start(ENGINE.clone(), limits).unwrap();
    let submit = |priority: Priority, turn: Turn| {
        let request = Request {
            priority,
            ..request(Prompt::text(vec![1, 2, 3]), greedy(1))
        };
        scheduler.submit_to(request, Box::new(turn)).unwrap();
    };
    let (open, gate) = channel();
    submit(Priority::Normal, Turn::Held(gate));
    let (turns, order) = channel();
    for (priority, name) in [
        (Priority::Low, "low"),
        (Priority::Normal, "first"),
        (Priority::High, "high"),
        (Priority::Normal, "second"),
    ] {
        submit(priority, Turn::Told(name, turns.clone()));
    }
    open.send(()).unwrap();
    let order: Vec<&str> = order.iter().take(4).collect();
    assert_eq!(order, ["high", "first", "second", "low"]);
}

#[test]
fn what_does_not_end_in_time_is_ended() {
    let scheduler = Scheduler::start(ENGINE.clone(), Limits::default()).unwrap();
    let never = Choosing {
        bias: vec![(crate::engine::tests::EOS, -100.0)],
        ..greedy(100_000)
    };
    let mut answer = scheduler
        .submit(request(Prompt::text(vec![1, 2, 3]), never))
        .unwrap();
    assert!(matches!(answer.next(), Some(Event::Started { cached: 0 })));
    assert!(matches!(answer.next(), Some(Event::Token { .. })));
    scheduler.drain(Duration::ZERO);
    let last = answer.last();
    let Some(Event::Finished(finished)) = last else {
        panic!("{last:?}")
    };
    assert!(matches!(finished.finish, Finish::Shutdown | Finish::Length));
}
