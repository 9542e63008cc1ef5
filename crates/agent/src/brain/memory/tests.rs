use aurore_action::{Action, FrameId, Tab};

use super::*;
use crate::{Listener, Plan};

fn seen(number: usize) -> Frame {
    Frame {
        id: FrameId(number.to_string()),
        size: Size {
            width: 1280,
            height: 800,
        },
        png: vec![1].into(),
        url: Some(format!("https://a.test/{number}")),
        origin: "https://a.test".into(),
        title: "A".into(),
        tabs: Vec::new(),
        notes: Vec::new(),
    }
}

fn past(steps: usize) -> Vec<Past> {
    (0..steps)
        .map(|number| Past {
            frame: seen(number),
            decision: Some(Decision {
                thinking: "x".repeat(3000),
                intent: format!("intent {number}"),
                ..Decision::new(Action::Back)
            }),
            result: format!("result {number}\nmore"),
            done: true,
            refused: false,
        })
        .collect()
}

fn observe<'a>(history: &'a [Past], frame: &'a Frame, plan: &'a Plan) -> Observation<'a> {
    Observation {
        goal: "the goal",
        frame,
        history,
        notes: &[],
        plan,
        listener: Listener::nobody(),
    }
}

fn spelled(turns: &[Turn]) -> String {
    turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Picture(frame) => format!("<{}>", frame.id.0),
        })
        .collect()
}

#[test]
fn screenshots_fade_ten_at_a_time() {
    assert_eq!([1, 14, 15, 24, 25].map(faded), [0, 0, 10, 10, 20]);
}

#[test]
fn a_long_run_stays_within_its_room_and_its_beginning_stays_the_same() {
    let (plan, frame) = (Plan::default(), seen(1000));
    let room = 40_000;
    let mut window = Window::new(Some(room));
    let mut beginnings = Vec::new();
    for steps in 0..200 {
        let history = past(steps);
        let turns = conversation(&observe(&history, &frame, &plan), &mut window);
        assert!(!window.overflows(&turns), "step {steps}");
        let text = spelled(&turns);
        assert!(text.contains("Goal: the goal") && text.ends_with("<1000>"));
        if steps > 0 {
            // The last steps are always told in full.
            assert!(
                text.contains(&format!("result {}\nmore", steps - 1)),
                "step {steps}"
            );
        }
        beginnings.push(text[..text.find('<').unwrap_or(0)].to_owned());
    }
    beginnings.dedup();
    // Every ten steps screenshots fade, and every ten steps are folded.
    assert!(
        beginnings.len() <= 41,
        "the beginning changed {} times in 200 steps",
        beginnings.len()
    );
    let text = spelled(&conversation(&observe(&past(200), &frame, &plan), &mut window));
    assert!(text.contains("steps before these)") && text.contains("100. intent 99 → result 99\n"));
}

#[test]
fn tightening_ends() {
    let (plan, frame, history) = (Plan::default(), seen(1000), past(25));
    let observation = observe(&history, &frame, &plan);
    let mut window = Window::new(Some(10));
    let turns = conversation(&observation, &mut window);
    assert_eq!(turns.len(), 2, "everything is folded: {}", spelled(&turns));
    assert!(!window.tighten(&observation));
}

#[test]
fn the_model_is_told_which_tabs_are_open() {
    let tab = |title: &str, url: &str, current| Tab {
        title: title.into(),
        url: url.into(),
        current,
    };
    let (plan, mut frame) = (Plan::default(), seen(1));
    frame.tabs = vec![
        tab("Flights", "https://a.test/x", false),
        tab("Hotels", "https://b.test/y", true),
    ];
    let text = spelled(&conversation(
        &observe(&[], &frame, &plan),
        &mut Window::default(),
    ));
    assert!(
        text.contains("\n  0 \"Flights\" https://a.test\n  1* \"Hotels\" https://b.test\n"),
        "{text}"
    );
}

#[test]
fn a_memory_of_intents_says_what_was_meant_by_the_last_deeds() {
    let (frame, plan) = (seen(20), Plan::default());
    let mut history = past(12);
    history[11].done = false;
    let turns = intents(&observe(&history, &frame, &plan));
    assert_eq!(turns.len(), 1);
    let meant: Vec<&str> = history[3..11]
        .iter()
        .map(|past| past.decision.as_ref().unwrap().intent.as_str())
        .collect();
    assert!(
        spelled(&turns).contains(&format!("\nDone: {}", meant.join("\n"))),
        "{}",
        spelled(&turns)
    );
    assert!(!spelled(&intents(&observe(&[], &frame, &plan))).contains("Done:"));
}
