//! Hotels: search, look, reserve, cancel.

use rusqlite::{Connection, Row, params};
use serde_json::{Value as Json, json};

use super::Facts;
use super::booking::{cancel, reference};
use crate::web::{Answer, Refusal, Route, Visit, get, post};
use crate::world::{Journey, later};

pub(super) const ROUTES: &[Route] = &[
    get("/", search),
    get("/search", results),
    get("/hotel/{hotel}", hotel),
    post("/book", book),
    get("/booked/{booking}", booked),
    get("/bookings", bookings),
    post("/cancel", cancel),
];

pub(super) const FACTS: &[Facts] = &[Facts {
    kind: "booking",
    columns: &["hotel", "city", "day", "nights"],
    sql: "SELECT name, city, day, CAST(nights AS TEXT) FROM booking JOIN hotel ON hotel.id = booking.hotel ORDER BY booking.id",
}];

pub(super) const SCHEMA: &str = "
    CREATE TABLE hotel (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, stars INTEGER NOT NULL,
        metres INTEGER NOT NULL, breakfast INTEGER NOT NULL, price INTEGER NOT NULL) STRICT;
    CREATE TABLE booking (id INTEGER PRIMARY KEY AUTOINCREMENT, hotel INTEGER NOT NULL REFERENCES hotel (id),
        day TEXT NOT NULL, nights INTEGER NOT NULL) STRICT;
";

/// The longest stay.
const MOST_NIGHTS: i64 = 30;

pub(super) fn fill(db: &Connection, journey: &Journey) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO hotel VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    for hotel in &journey.hotels {
        insert.execute(params![
            hotel.id,
            hotel.name,
            hotel.city,
            hotel.stars,
            hotel.metres,
            hotel.breakfast,
            hotel.price
        ])?;
    }
    let mut insert = db.prepare("INSERT INTO booking (hotel, day, nights) VALUES (?, ?, ?)")?;
    for room in &journey.rooms {
        insert.execute(params![room.hotel, room.day.to_string(), room.nights])?;
    }
    Ok(())
}

const COLUMNS: &str = "hotel.id, name, city, stars, metres, breakfast, price";

/// A row of [`COLUMNS`] for a template, with what so many nights cost.
fn shown(row: &Row<'_>, nights: i64) -> rusqlite::Result<Json> {
    let metres: i64 = row.get(4)?;
    let price: i64 = row.get(6)?;
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "name": row.get::<_, String>(1)?,
        "city": row.get::<_, String>(2)?,
        "stars": "★".repeat(row.get::<_, u8>(3)?.into()),
        "kilometres": format!("{}.{} km", metres / 1000, metres % 1000 / 100),
        "breakfast": row.get::<_, bool>(5)?,
        "price": price,
        "total": price.saturating_mul(nights),
        "nights": nights,
    }))
}

fn search(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    visit.page("hotels/search.html", json!({}))
}

fn results(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let city = visit.fields.text("where")?;
    let day = visit.fields.day("date")?;
    let nights = visit.fields.number("nights", 1, MOST_NIGHTS)?;
    let mut query = visit
        .db
        .prepare(&format!("SELECT {COLUMNS} FROM hotel ORDER BY name"))?;
    let hotels: Vec<Json> = query
        .query_map([], |row| shown(row, nights))?
        .collect::<rusqlite::Result<_>>()?;
    let wanted = city.to_lowercase();
    let hotels: Vec<Json> = hotels
        .into_iter()
        .filter(|hotel| {
            hotel["city"]
                .as_str()
                .is_some_and(|name| name.to_lowercase() == wanted)
        })
        .collect();
    visit.page(
        "hotels/results.html",
        json!({"city": city, "day": visit.written(day), "date": day.to_string(), "nights": nights, "hotels": hotels}),
    )
}

fn hotel(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("hotel")?;
    let day = visit.fields.day("date")?;
    let nights = visit.fields.number("nights", 1, MOST_NIGHTS)?;
    let hotel = visit.db.query_row(
        &format!("SELECT {COLUMNS} FROM hotel WHERE id = ?"),
        [id],
        |row| shown(row, nights),
    )?;
    visit.page(
        "hotels/hotel.html",
        json!({"hotel": hotel, "date": day.to_string(), "from": visit.written(day), "until": visit.written(later(day, nights))}),
    )
}

fn book(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("hotel")?;
    let day = visit.fields.day("date")?;
    let nights = visit.fields.number("nights", 1, MOST_NIGHTS)?;
    let known: i64 = visit
        .db
        .query_row("SELECT id FROM hotel WHERE id = ?", [id], |row| row.get(0))?;
    visit.db.execute(
        "INSERT INTO booking (hotel, day, nights) VALUES (?, ?, ?)",
        params![known, day.to_string(), nights],
    )?;
    Ok(Answer::Seen(format!("/booked/{}", visit.db.last_insert_rowid())))
}

/// A booking with its hotel.
fn booking(visit: &Visit<'_>, row: &Row<'_>) -> rusqlite::Result<Json> {
    let booking: i64 = row.get(7)?;
    let day: String = row.get(8)?;
    let mut hotel = shown(row, row.get(9)?)?;
    hotel["booking"] = json!(booking);
    hotel["reference"] = json!(reference(booking + 40));
    hotel["day"] = json!(visit.written_text(&day));
    hotel["date"] = json!(day);
    Ok(hotel)
}

fn query(rest: &str) -> String {
    format!(
        "SELECT {COLUMNS}, booking.id, day, nights FROM hotel JOIN booking ON booking.hotel = hotel.id {rest}"
    )
}

fn booked(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("booking")?;
    let booking = visit
        .db
        .query_row(&query("WHERE booking.id = ?"), [id], |row| booking(visit, row))?;
    let part = |name: &str| booking[name].as_str().unwrap_or_default();
    let title = format!("{}, {}", part("name"), part("city"));
    let calendar = visit.new_entry(part("date"), "", &title);
    visit.page(
        "hotels/booked.html",
        json!({"booking": booking, "calendar": calendar}),
    )
}

fn bookings(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let mut statement = visit.db.prepare(&query("ORDER BY day, booking.id"))?;
    let bookings: Vec<Json> = statement
        .query_map([], |row| booking(visit, row))?
        .collect::<rusqlite::Result<_>>()?;
    visit.page("hotels/bookings.html", json!({"bookings": bookings}))
}
