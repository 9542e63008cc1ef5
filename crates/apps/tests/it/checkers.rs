//! Every wrong deed is found and named, in every app.

use aurore_apps::{App, Family, Goal};

use crate::client::Visitor;

fn visitor(family: Family, seed: u64) -> Visitor {
    Visitor::new(Goal::new(family, seed).unwrap())
}

/// The value of a column in what a checker says: `missing: hotels booking (hotel Casa Verde, city Milan, …)`.
fn column(difference: &str, name: &str) -> String {
    let (_, row) = difference.split_once('(').unwrap();
    let row = row.strip_suffix(')').unwrap();
    // Values may hold commas; columns begin with their name.
    let start = format!(", {row}");
    let (_, rest) = start.split_once(&format!(", {name} ")).unwrap();
    let end = [
        "hotel",
        "city",
        "day",
        "nights",
        "to",
        "time",
        "title",
        "article",
        "quantity",
        "status",
        "supplier",
        "kilograms",
        "service",
        "reference",
        "name",
        "pieces",
        "number",
    ]
    .iter()
    .filter_map(|next| rest.find(&format!(", {next} ")))
    .min()
    .unwrap_or(rest.len());
    rest[..end].to_owned()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Visitor {
    /// Posts a form that has to be taken, and looks at the page that it leads to.
    fn done(&self, app: App, path: &str, form: &str) {
        let answer = self.post(app, path, form);
        assert_eq!(answer.status, 303, "{path} {form}: {}", answer.body);
        let page = self.get(app, answer.location());
        assert_eq!(page.status, 200, "{}", page.body);
    }

    /// The first number from 1 on for which a form does what the goal wants: one difference less.
    fn right(&self, app: App, path: &str, form: impl Fn(u32) -> String) -> u32 {
        let open = self.differences().len();
        (1..200)
            .find(|id| {
                let fresh = Visitor::new(self.goal.clone());
                fresh.post(app, path, &form(*id)).status == 303 && fresh.differences().len() < open
            })
            .unwrap()
    }
}

#[test]
fn a_flight_that_is_missing_wrong_or_booked_twice() {
    let visitor = visitor(Family::Flight, 3);
    let form = |flight: u32| format!("flight={flight}");
    let right = visitor.right(App::Flights, "/book", form);
    let missing = visitor.differences();
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0].starts_with("missing: flights booking (flight "),
        "{missing:?}"
    );

    visitor.done(App::Flights, "/book", &form(right + 1));
    let differences = visitor.differences();
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert!(
        differences[1].starts_with("nobody asked for: flights booking"),
        "{differences:?}"
    );

    visitor.done(App::Flights, "/book", &form(right));
    assert_eq!(visitor.differences().len(), 1, "the wrong one is still there");
    visitor.done(App::Flights, "/cancel", "booking=1");
    assert_eq!(visitor.differences(), Vec::<String>::new());

    visitor.done(App::Flights, "/book", &form(right));
    let twice = visitor.differences();
    assert!(
        twice.len() == 1 && twice[0].starts_with("done twice: flights booking"),
        "{twice:?}"
    );
}

#[test]
fn a_hotel_on_the_wrong_day_or_for_the_wrong_time() {
    let visitor = visitor(Family::Hotel, 1);
    let wanted = visitor.differences().remove(0);
    let (day, nights) = (column(&wanted, "day"), column(&wanted, "nights"));
    let form = |hotel: u32, day: &str, nights: &str| format!("hotel={hotel}&date={day}&nights={nights}");
    let right = visitor.right(App::Hotels, "/book", |hotel| form(hotel, &day, &nights));
    for (hotel, day, nights) in [
        (right + 1, day.as_str(), nights.as_str()),
        (right, "2027-12-24", nights.as_str()),
        (right, day.as_str(), "9"),
    ] {
        let visitor = Visitor::new(visitor.goal.clone());
        visitor.done(App::Hotels, "/book", &form(hotel, day, nights));
        let differences = visitor.differences();
        assert!(
            differences
                .iter()
                .any(|what| what.starts_with("missing: hotels booking"))
                && differences
                    .iter()
                    .any(|what| what.starts_with("nobody asked for: hotels booking")),
            "{differences:?}"
        );
    }
    visitor.done(App::Hotels, "/book", &form(right, &day, &nights));
    assert_eq!(visitor.differences(), Vec::<String>::new());
    // A room that was booked before and that nobody wanted to lose.
    visitor.done(App::Hotels, "/cancel", "booking=1");
    let gone = visitor.differences();
    assert!(
        gone.len() == 1 && gone[0].starts_with("gone, and nobody asked"),
        "{gone:?}"
    );
}

#[test]
fn an_entry_with_another_title_day_or_time_and_one_that_is_lost() {
    let visitor = visitor(Family::Entry, 2);
    let wanted = visitor.differences().remove(0);
    let (title, day, time) = (
        encoded(&column(&wanted, "title")),
        column(&wanted, "day"),
        encoded(&column(&wanted, "time")),
    );
    let form = |title: &str, day: &str, time: &str| format!("title={title}&date={day}&time={time}");
    for wrong in [
        form("Other", &day, &time),
        form(&title, "2027-12-24", &time),
        form(&title, &day, ""),
    ] {
        let visitor = Visitor::new(visitor.goal.clone());
        visitor.done(App::Calendar, "/save", &wrong);
        assert_eq!(
            visitor.differences().len(),
            2,
            "{wrong}: {:?}",
            visitor.differences()
        );
    }
    visitor.done(App::Calendar, "/save", &form(&title, &day, &time));
    assert_eq!(visitor.differences(), Vec::<String>::new());
    visitor.done(App::Calendar, "/delete", "entry=1");
    assert!(visitor.differences()[0].starts_with("gone, and nobody asked for that: calendar entry"));
}

#[test]
fn a_count_of_the_wrong_article_or_number() {
    let visitor = visitor(Family::Count, 1);
    let differences = visitor.differences();
    let wanted = differences
        .iter()
        .find(|what| what.starts_with("missing"))
        .unwrap();
    let pieces = column(wanted, "pieces");
    let form = |article: u32, pieces: &str| format!("article={article}&pieces={pieces}");
    let right = visitor.right(App::Stock, "/count", |article| form(article, &pieces));
    let other = if right == 1 { 2 } else { 1 };

    visitor.done(App::Stock, "/count", &form(right, "7777"));
    let wrong = visitor.differences();
    assert!(
        wrong
            .iter()
            .any(|what| what.starts_with("missing: stock article"))
            && wrong.join(" ").contains("7777"),
        "{wrong:?}"
    );
    visitor.done(App::Stock, "/count", &form(right, &pieces));
    assert_eq!(visitor.differences(), Vec::<String>::new());
    visitor.done(App::Stock, "/count", &form(other, "7777"));
    let changed = visitor.differences();
    assert!(
        changed.len() == 1
            && changed[0].starts_with("changed, and nobody asked")
            && changed[0].contains("is now"),
        "{changed:?}"
    );
}

#[test]
fn an_order_of_too_many_too_often_or_elsewhere() {
    let visitor = visitor(Family::Reorder, 1);
    let wanted = visitor.differences().remove(0);
    let quantity = column(&wanted, "quantity");
    let form = |offer: u32, quantity: &str| format!("offer={offer}&quantity={quantity}");
    let right = visitor.right(App::Suppliers, "/order", |offer| form(offer, &quantity));
    for (offer, quantity) in [(right, "1"), (right + 1, quantity.as_str())] {
        let visitor = Visitor::new(visitor.goal.clone());
        visitor.done(App::Suppliers, "/order", &form(offer, quantity));
        assert_eq!(visitor.differences().len(), 2, "{:?}", visitor.differences());
    }
    visitor.done(App::Suppliers, "/order", &form(right, &quantity));
    assert_eq!(visitor.differences(), Vec::<String>::new());
    visitor.done(App::Suppliers, "/order", &form(right, &quantity));
    assert!(visitor.differences()[0].starts_with("done twice: suppliers order"));
}

#[test]
fn a_shipment_without_its_reference() {
    let visitor = visitor(Family::Ship, 1);
    let wanted = visitor.differences().remove(0);
    let (to, kilograms, reference) = (
        encoded(&column(&wanted, "to")),
        column(&wanted, "kilograms"),
        column(&wanted, "reference"),
    );
    let form = |service: u32, reference: &str| {
        format!("service={service}&to={to}&kilograms={kilograms}&reference={reference}")
    };
    let right = visitor.right(App::Shipping, "/book", |service| form(service, &reference));
    visitor.done(App::Shipping, "/book", &form(right, ""));
    assert_eq!(visitor.differences().len(), 2, "{:?}", visitor.differences());

    let visitor = Visitor::new(visitor.goal.clone());
    visitor.done(App::Shipping, "/book", &form(right, &reference));
    assert_eq!(visitor.differences(), Vec::<String>::new());
}

#[test]
fn an_order_that_is_cancelled_instead_of_received() {
    let visitor = visitor(Family::Receive, 1);
    let form = |order: u32| format!("order={order}");
    let right = visitor.right(App::Suppliers, "/received", form);
    assert_eq!(visitor.differences().len(), 4, "{:?}", visitor.differences());
    visitor.done(App::Suppliers, "/cancel", &form(right));
    let differences = visitor.differences();
    assert!(
        differences.iter().any(|what| what.contains("status cancelled")),
        "{differences:?}"
    );
    // It is closed now: no second change.
    assert_eq!(
        visitor.post(App::Suppliers, "/received", &form(right)).status,
        409
    );

    let visitor = Visitor::new(visitor.goal.clone());
    visitor.done(App::Suppliers, "/received", &form(right));
    let differences = visitor.differences();
    assert_eq!(
        differences.len(),
        2,
        "the stock is still to be raised: {differences:?}"
    );
    assert!(
        differences.iter().all(|what| what.contains("stock article")),
        "{differences:?}"
    );
}

#[test]
fn a_world_that_was_touched_is_fresh_again_for_the_next_goal() {
    let mut visitor = visitor(Family::Flight, 3);
    visitor.done(App::Flights, "/book", "flight=1");
    let touched = visitor.differences();
    visitor.site.begin(&visitor.goal).unwrap();
    assert_eq!(visitor.differences().len() + 1, touched.len(), "{touched:?}");
}
