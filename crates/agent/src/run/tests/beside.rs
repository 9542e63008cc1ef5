//! Somebody uses the screen's own window beside the run.

use super::*;

/// Runs one click and an end on a screen whose window is used as said; the reports, and what the brain was told.
fn beside(touched: &[bool]) -> (Vec<StepReport>, Vec<Vec<String>>, Vec<String>, usize) {
    let site = Site::new();
    let mut screen = FakeScreen::new(&["One"]);
    screen.touched = touched.iter().copied().collect();
    let mut told = Vec::new();
    let mut brain = Thinker(|observation: &Observation<'_>| {
        told.push(observation.notes.to_vec());
        Decision::new(if observation.history.is_empty() {
            row(0)
        } else {
            success()
        })
    });
    let mut approver = DenyAll;
    let (reports, _) = all(&mut Run::start(site.options(&mut screen, &mut brain, &mut approver)).unwrap());
    let windows = site
        .events()
        .iter()
        .filter(|event| matches!(event, Event::Window(_)))
        .count();
    (reports, told, screen.pressed, windows)
}

#[test]
fn before_a_decision_it_is_told_to_the_model() {
    // Before the first step and its question up front, and after that; then after the decision.
    let (reports, told, pressed, windows) = beside(&[true]);
    assert!(told[0][0].contains("used the browser's own window"), "{told:?}");
    assert_eq!((reports[0].outcome, pressed.len()), (StepOutcome::Done, 1));
    assert_eq!(windows, 1);
}

#[test]
fn after_a_decision_nothing_is_input() {
    let (reports, _, pressed, windows) = beside(&[false, false, true]);
    assert_eq!(reports[0].outcome, StepOutcome::Refused);
    assert!(
        reports[0].result.contains("used the browser's own window"),
        "{}",
        reports[0].result
    );
    assert!(pressed.is_empty());
    assert_eq!(windows, 1);
    // The same after the verdict: it was about something else.
    let (reports, _, pressed, _) = beside(&[false, false, false, true]);
    assert_eq!((reports[0].outcome, pressed.len()), (StepOutcome::Refused, 0));
    assert!(reports[0].verdict.is_some());
}

#[test]
fn beside_an_input_the_frame_is_not_taken_for_its_effect() {
    let (reports, _, pressed, windows) = beside(&[false, false, false, false, true]);
    assert_eq!((reports[0].outcome, pressed.len()), (StepOutcome::Done, 1));
    assert!(
        reports[0].result.contains("may be their doing"),
        "{}",
        reports[0].result
    );
    assert_eq!(windows, 1);
    let (reports, told, ..) = beside(&[]);
    assert!(!reports[0].result.contains("window") && told.iter().all(Vec::is_empty));
}
