//! Flights: search, look, book, cancel.

use rusqlite::{Connection, params};
use serde_json::{Value as Json, json};

use super::Facts;
use super::booking::{cancel, reference};
use crate::web::{Answer, Refusal, Route, Visit, get, post};
use crate::world::Journey;

pub(super) const ROUTES: &[Route] = &[
    get("/", search),
    get("/search", results),
    get("/flight/{flight}", flight),
    post("/book", book),
    get("/booked/{booking}", booked),
    get("/bookings", bookings),
    post("/cancel", cancel),
];

pub(super) const FACTS: &[Facts] = &[Facts {
    kind: "booking",
    columns: &["flight", "to", "day"],
    sql: "SELECT code, destination, day FROM booking JOIN flight ON flight.id = booking.flight ORDER BY booking.id",
}];

pub(super) const SCHEMA: &str = "
    CREATE TABLE flight (id INTEGER PRIMARY KEY, code TEXT NOT NULL, origin TEXT NOT NULL, destination TEXT NOT NULL,
        day TEXT NOT NULL, departs TEXT NOT NULL, arrives TEXT NOT NULL, stops INTEGER NOT NULL, price INTEGER NOT NULL) STRICT;
    CREATE TABLE booking (id INTEGER PRIMARY KEY AUTOINCREMENT, flight INTEGER NOT NULL REFERENCES flight (id)) STRICT;
";

pub(super) fn fill(db: &Connection, journey: &Journey) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO flight VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for flight in &journey.flights {
        insert.execute(params![
            flight.id,
            flight.code,
            journey.home,
            flight.to,
            flight.day.to_string(),
            flight.departs,
            flight.arrives,
            flight.stops,
            flight.price
        ])?;
    }
    Ok(())
}

const COLUMNS: &str = "flight.id, code, origin, destination, day, departs, arrives, stops, price FROM flight";

/// A row of [`COLUMNS`] for a template.
fn shown(visit: &Visit<'_>, row: &rusqlite::Row<'_>) -> rusqlite::Result<Json> {
    let day: String = row.get(4)?;
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "code": row.get::<_, String>(1)?,
        "from": row.get::<_, String>(2)?,
        "to": row.get::<_, String>(3)?,
        "day": visit.written_text(&day),
        "date": day,
        "departs": row.get::<_, String>(5)?,
        "arrives": row.get::<_, String>(6)?,
        "stops": row.get::<_, i64>(7)?,
        "price": row.get::<_, i64>(8)?,
    }))
}

fn search(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let home: String = visit
        .db
        .query_row("SELECT origin FROM flight LIMIT 1", [], |row| row.get(0))?;
    visit.page("flights/search.html", json!({"home": home}))
}

fn results(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let to = visit.fields.text("to")?;
    let day = visit.fields.day("date")?;
    let direct = !visit.fields.optional("direct").is_empty();
    let mut query = visit.db.prepare(&format!(
        "SELECT {COLUMNS} WHERE day = ?1 AND (stops = 0 OR NOT ?2) ORDER BY departs"
    ))?;
    let flights: Vec<Json> = query
        .query_map(params![day.to_string(), direct], |row| shown(visit, row))?
        .collect::<rusqlite::Result<_>>()?;
    // SQLite folds the case of ASCII letters alone.
    let wanted = to.to_lowercase();
    let flights: Vec<Json> = flights
        .into_iter()
        .filter(|flight| {
            flight["to"]
                .as_str()
                .is_some_and(|name| name.to_lowercase() == wanted)
        })
        .collect();
    visit.page(
        "flights/results.html",
        json!({"to": to, "day": visit.written(day), "flights": flights}),
    )
}

fn flight(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("flight")?;
    let flight = visit
        .db
        .query_row(&format!("SELECT {COLUMNS} WHERE id = ?"), [id], |row| {
            shown(visit, row)
        })?;
    visit.page("flights/flight.html", json!({"flight": flight}))
}

fn book(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("flight")?;
    let known: i64 = visit
        .db
        .query_row("SELECT id FROM flight WHERE id = ?", [id], |row| row.get(0))?;
    visit
        .db
        .execute("INSERT INTO booking (flight) VALUES (?)", [known])?;
    Ok(Answer::Seen(format!("/booked/{}", visit.db.last_insert_rowid())))
}

/// A booking with its flight.
fn booking(visit: &Visit<'_>, row: &rusqlite::Row<'_>) -> rusqlite::Result<Json> {
    let mut flight = shown(visit, row)?;
    let booking: i64 = row.get(9)?;
    flight["booking"] = json!(booking);
    flight["reference"] = json!(reference(booking));
    Ok(flight)
}

const BOOKINGS: &str =
    "SELECT flight.id, code, origin, destination, day, departs, arrives, stops, price, booking.id
    FROM flight JOIN booking ON booking.flight = flight.id";

fn booked(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("booking")?;
    let booking = visit
        .db
        .query_row(&format!("{BOOKINGS} WHERE booking.id = ?"), [id], |row| {
            booking(visit, row)
        })?;
    let part = |name: &str| booking[name].as_str().unwrap_or_default();
    let title = format!("{} {}", part("code"), part("to"));
    let calendar = visit.new_entry(part("date"), part("departs"), &title);
    visit.page(
        "flights/booked.html",
        json!({"booking": booking, "calendar": calendar}),
    )
}

fn bookings(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let mut query = visit.db.prepare(&format!("{BOOKINGS} ORDER BY day, departs"))?;
    let bookings: Vec<Json> = query
        .query_map([], |row| booking(visit, row))?
        .collect::<rusqlite::Result<_>>()?;
    visit.page("flights/bookings.html", json!({"bookings": bookings}))
}
