//! A calendar: a month, a day, new entries, and entries that go.

use jiff::civil::Date;
use rusqlite::{Connection, params};
use serde_json::{Value as Json, json};

use super::Facts;
use crate::text;
use crate::web::{Answer, Refusal, Route, Visit, get, post};
use crate::world::{Journey, later};

pub(super) const ROUTES: &[Route] = &[
    get("/", month),
    get("/day/{date}", day),
    get("/new", new),
    post("/save", save),
    post("/delete", delete),
];

pub(super) const FACTS: &[Facts] = &[Facts {
    kind: "entry",
    columns: &["title", "day", "time"],
    sql: "SELECT title, day, time FROM entry ORDER BY id",
}];

pub(super) const SCHEMA: &str = "
    CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, day TEXT NOT NULL,
        time TEXT NOT NULL) STRICT;
";

pub(super) fn fill(db: &Connection, journey: &Journey) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO entry (title, day, time) VALUES (?, ?, ?)")?;
    for entry in &journey.entries {
        insert.execute(params![entry.title, entry.day.to_string(), entry.time])?;
    }
    Ok(())
}

/// The entries of some days, in order.
fn entries(visit: &Visit<'_>, from: Date, until: Date) -> Result<Vec<Json>, Refusal> {
    let mut query = visit
        .db
        .prepare("SELECT id, title, day, time FROM entry WHERE day BETWEEN ? AND ? ORDER BY day, time, id")?;
    let entries = query.query_map(params![from.to_string(), until.to_string()], |row| {
        Ok(json!({
            "id": row.get::<_, i64>(0)?,
            "title": row.get::<_, String>(1)?,
            "date": row.get::<_, String>(2)?,
            "time": row.get::<_, String>(3)?,
        }))
    })?;
    Ok(entries.collect::<rusqlite::Result<_>>()?)
}

/// The month of a day in whole weeks, this month's if none is named.
fn month(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let today = visit.stage.today;
    let day = match visit.fields.optional("month") {
        "" => today,
        _ => visit.fields.day("month")?,
    };
    let (first, last) = (day.first_of_month(), day.last_of_month());
    let begin = later(first, -i64::from(first.weekday().to_monday_zero_offset()));
    let entries = entries(visit, begin, later(last, 7))?;
    let weeks: Vec<Json> = (0..6)
        .map(|week| later(begin, 7 * week))
        .take_while(|monday| *monday <= last)
        .map(|monday| {
            let days = (0..7).map(|at| {
                let day = later(monday, at);
                let date = day.to_string();
                let here: Vec<&Json> = entries.iter().filter(|entry| entry["date"] == date).collect();
                json!({"number": day.day(), "date": date, "inside": day.month() == first.month(),
                    "today": day == today, "entries": here})
            });
            days.collect()
        })
        .collect();
    let weekdays = text::word("weekdays", visit.language())?;
    visit.page(
        "calendar/month.html",
        json!({
            "weekdays": weekdays.split(' ').collect::<Vec<_>>(),
            "name": visit.language().month(first),
            "weeks": weeks,
            "previous": later(first, -1).first_of_month().to_string(),
            "next": later(last, 1).to_string(),
        }),
    )
}

fn day(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let day = visit.fields.day("date")?;
    visit.page(
        "calendar/day.html",
        json!({"day": visit.written(day), "date": day.to_string(), "entries": entries(visit, day, day)?}),
    )
}

/// The form of a new entry, filled as the address says.
fn new(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let written = |name| visit.fields.optional(name).chars().take(200).collect::<String>();
    visit.page(
        "calendar/new.html",
        json!({"entry_title": written("title"), "date": written("date"), "time": written("time")}),
    )
}

fn save(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let title = visit.fields.text("title")?;
    let day = visit.fields.day("date")?;
    let time = visit.fields.time("time")?;
    let time = time.map_or_else(String::new, |time| {
        format!("{:02}:{:02}", time.hour(), time.minute())
    });
    visit.db.execute(
        "INSERT INTO entry (title, day, time) VALUES (?, ?, ?)",
        params![title, day.to_string(), time],
    )?;
    Ok(Answer::Seen(format!("/day/{day}")))
}

fn delete(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("entry")?;
    let day: String = visit
        .db
        .query_row("SELECT day FROM entry WHERE id = ?", [id], |row| row.get(0))?;
    visit.db.execute("DELETE FROM entry WHERE id = ?", [id])?;
    Ok(Answer::Seen(format!("/day/{day}")))
}
