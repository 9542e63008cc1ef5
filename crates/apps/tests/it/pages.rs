//! Pages: what they hold, and what becomes of bad requests.

use aurore_apps::{App, Family, Goal, Language};

use crate::client::Visitor;

fn flights() -> Visitor {
    Visitor::new(Goal::new(Family::Flight, 1).unwrap())
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    for family in Family::ALL {
        let page = |seed| {
            let visitor = Visitor::new(Goal::new(family, seed).unwrap());
            let mut all = visitor.goal.text.clone();
            for app in family.suite().apps() {
                // Origins have ports of their own each time.
                let page = visitor.get(app, "/").body;
                let lines = page.lines().filter(|line| !line.contains("127.0.0.1"));
                all.extend(lines);
            }
            all
        };
        assert_eq!(page(5), page(5), "{}", family.name());
        assert_ne!(page(5), page(6), "{}", family.name());
    }
}

#[test]
fn all_languages_and_looks_occur() {
    let goals: Vec<Goal> = (0..60)
        .map(|seed| Goal::new(Family::Flight, seed).unwrap())
        .collect();
    for language in Language::ALL {
        assert!(goals.iter().any(|goal| goal.language() == language));
    }
    for zoom in [90, 100, 110, 125] {
        assert!(goals.iter().any(|goal| goal.look().zoom == zoom));
    }
}

#[test]
fn what_a_visitor_writes_is_escaped() {
    let visitor = flights();
    let answer = visitor.get(
        App::Flights,
        "/search?to=%3Cscript%3Ealert(1)%3C/script%3E%22%27&date=2027-05-12",
    );
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("<script>"), "{}", answer.body);
    assert!(answer.body.contains("&lt;script&gt;"), "{}", answer.body);
    assert!(
        answer
            .head
            .contains("content-security-policy: default-src 'none'"),
        "{}",
        answer.head
    );
}

#[test]
fn bad_requests_get_a_page_that_says_so() {
    let visitor = flights();
    for (path, status) in [
        ("/search?to=Rome", 400),
        ("/search?to=Rome&date=tomorrow", 400),
        ("/search?to=Rome&date=2027-02-31", 400),
        ("/flight/999999", 404),
        ("/flight/-1", 400),
        ("/flight/nine", 400),
        ("/booked/1", 404),
        ("/nowhere", 404),
        ("/book", 405),
        ("/%ff", 404),
    ] {
        let answer = visitor.get(App::Flights, path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains("</html>"), "{path}: {}", answer.body);
    }
    for (path, form, status) in [
        ("/book", "", 400),
        ("/book", "flight=99999", 404),
        ("/book", "flight=1%27%20OR%201", 400),
        ("/cancel", "booking=5", 404),
        ("/", "x=1", 405),
    ] {
        let answer = visitor.post(App::Flights, path, form);
        assert_eq!(answer.status, status, "{path} {form}: {}", answer.body);
        assert!(answer.body.contains("</html>"), "{path}: {}", answer.body);
    }
    let large = visitor.post(App::Flights, "/book", &format!("flight={}", "1".repeat(100_000)));
    assert_eq!(large.status, 413);
    assert_eq!(visitor.differences().len(), 1, "nothing was booked by any of it");
}
