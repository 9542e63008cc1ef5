//! Every wrong deed is found and named.

use aurore_apps::{App, Family, Goal};

use crate::client::Visitor;

/// The number of the flight that the expert would choose, by what is on the pages.
fn booked(visitor: &Visitor, flight: u32) {
    let answer = visitor.post(App::Flights, "/book", &format!("flight={flight}"));
    assert_eq!(answer.status, 303, "{}", answer.body);
    let page = visitor.get(App::Flights, answer.location());
    assert_eq!(page.status, 200);
}

/// Books flights one after the other until the checker has nothing to say.
fn right_flight(goal: &Goal) -> u32 {
    (1..200)
        .find(|flight| {
            let visitor = Visitor::new(goal.clone());
            let answer = visitor.post(App::Flights, "/book", &format!("flight={flight}"));
            answer.status == 303 && visitor.differences().is_empty()
        })
        .unwrap()
}

#[test]
fn a_flight_that_is_missing_wrong_or_booked_twice_is_named() {
    let goal = Goal::new(Family::Flight, 3).unwrap();
    let right = right_flight(&goal);
    let visitor = Visitor::new(goal);
    let missing = visitor.differences();
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0].starts_with("missing: flights booking (flight "),
        "{missing:?}"
    );

    let wrong = if right == 1 { 2 } else { 1 };
    booked(&visitor, wrong);
    let differences = visitor.differences();
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert!(
        differences[1].starts_with("nobody asked for: flights booking"),
        "{differences:?}"
    );

    booked(&visitor, right);
    assert_eq!(visitor.differences().len(), 1, "the wrong one is still there");
    assert_eq!(visitor.post(App::Flights, "/cancel", "booking=1").status, 303);
    assert!(visitor.differences().is_empty());

    booked(&visitor, right);
    let twice = visitor.differences();
    assert!(
        twice.len() == 1 && twice[0].starts_with("done twice: flights booking"),
        "{twice:?}"
    );
}
