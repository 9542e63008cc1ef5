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

/// Every page of every app, as far as links lead.
#[test]
fn every_link_leads_to_a_page_in_every_language() {
    for family in [Family::Trip, Family::Day] {
        for language in Language::ALL {
            let goal = (0..100)
                .map(|seed| Goal::new(family, seed).unwrap())
                .find(|goal| goal.language() == language)
                .unwrap();
            let visitor = Visitor::new(goal);
            for app in family.suite().apps() {
                let mut open = vec!["/".to_owned()];
                let mut seen = Vec::new();
                while let Some(path) = open.pop().filter(|_| seen.len() < 25) {
                    let page = visitor.get(app, &path);
                    assert_eq!(page.status, 200, "{} {path}: {}", app.name(), page.body);
                    assert!(page.body.contains("id=\"heading\""), "{}", page.body);
                    let links = page
                        .body
                        .split("href=\"")
                        .skip(1)
                        .filter_map(|rest| rest.split('"').next());
                    let links = links.map(|link| link.replace("&amp;", "&").replace("&#x2f;", "/"));
                    for link in links.filter(|link| link.starts_with('/') && *link != "/style.css") {
                        if !seen.contains(&link) && !open.contains(&link) {
                            open.push(link);
                        }
                    }
                    seen.push(path);
                }
            }
        }
    }
}

#[test]
fn a_title_that_is_markup_stays_text() {
    let visitor = Visitor::new(Goal::new(Family::Entry, 1).unwrap());
    let answer = visitor.post(
        App::Calendar,
        "/save",
        "title=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&date=2027-05-12&time=",
    );
    let page = visitor.get(App::Calendar, answer.location());
    assert!(page.body.contains("&lt;img"), "{}", page.body);
    assert!(!page.body.contains("<img"), "{}", page.body);
    let form = visitor.get(App::Calendar, "/new?title=%22%3E%3Cscript%3E&date=2027-05-12");
    assert!(!form.body.contains("\"><script>"), "{}", form.body);
}

#[test]
fn bad_forms_of_the_other_apps_get_a_page_too() {
    let visitor = Visitor::new(Goal::new(Family::Day, 1).unwrap());
    for (app, path, form, status) in [
        (App::Stock, "/count", "article=1&pieces=-1", 400),
        (App::Stock, "/count", "article=1&pieces=many", 400),
        (App::Stock, "/receive", "article=1&more=1000000", 409),
        (App::Stock, "/receive", "article=77&more=1", 404),
        (App::Suppliers, "/order", "offer=1&quantity=0", 400),
        (App::Suppliers, "/order", "offer=12345&quantity=1", 404),
        (App::Suppliers, "/cancel", "order=99", 404),
        (App::Shipping, "/book", "service=1&to=&kilograms=1", 400),
        (App::Shipping, "/book", "service=1&to=Rome&kilograms=501", 400),
        (App::Shipping, "/book", "service=99&to=Rome&kilograms=1", 404),
    ] {
        let answer = visitor.post(app, path, form);
        assert_eq!(answer.status, status, "{path} {form}: {}", answer.body);
        assert!(answer.body.contains("</html>"), "{path}: {}", answer.body);
    }
    let untouched = Visitor::new(visitor.goal.clone()).differences();
    assert_eq!(visitor.differences(), untouched);
}
