//! Stock: articles, corrected counts, goods received.

use rusqlite::{Connection, Row, params};
use serde_json::{Value as Json, json};

use super::Facts;
use crate::web::{Answer, Refusal, Route, Visit, get, post};
use crate::world::Supply;

pub(super) const ROUTES: &[Route] = &[
    get("/", list),
    get("/article/{article}", article),
    post("/count", count),
    post("/receive", receive),
];

pub(super) const FACTS: &[Facts] = &[Facts {
    kind: "article",
    columns: &["number", "name", "pieces"],
    sql: "SELECT number, name, CAST(pieces AS TEXT) FROM article ORDER BY id",
}];

pub(super) const SCHEMA: &str = "
    CREATE TABLE article (id INTEGER PRIMARY KEY, number TEXT NOT NULL, name TEXT NOT NULL, shelf TEXT NOT NULL,
        pieces INTEGER NOT NULL, least INTEGER NOT NULL) STRICT;
";

/// More pieces than these fit nowhere.
const MOST: i64 = 1_000_000;

pub(super) fn fill(db: &Connection, supply: &Supply) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO article VALUES (?, ?, ?, ?, ?, ?)")?;
    for article in &supply.articles {
        insert.execute(params![
            article.id,
            article.number,
            article.name,
            article.shelf,
            article.pieces,
            article.least
        ])?;
    }
    Ok(())
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Json> {
    let (pieces, least): (i64, i64) = (row.get(4)?, row.get(5)?);
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "number": row.get::<_, String>(1)?,
        "name": row.get::<_, String>(2)?,
        "shelf": row.get::<_, String>(3)?,
        "pieces": pieces,
        "least": least,
    }))
}

fn list(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let mut query = visit.db.prepare("SELECT * FROM article ORDER BY number")?;
    let articles: Vec<Json> = query.query_map([], shown)?.collect::<rusqlite::Result<_>>()?;
    visit.page("stock/list.html", json!({"articles": articles}))
}

fn article(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("article")?;
    let article = visit
        .db
        .query_row("SELECT * FROM article WHERE id = ?", [id], shown)?;
    visit.page("stock/article.html", json!({"article": article}))
}

fn count(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("article")?;
    let pieces = visit.fields.number("pieces", 0, MOST)?;
    match visit
        .db
        .execute("UPDATE article SET pieces = ? WHERE id = ?", params![pieces, id])?
    {
        0 => Err(Refusal::missing()),
        _ => Ok(Answer::Seen(format!("/article/{id}"))),
    }
}

fn receive(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("article")?;
    let more = visit.fields.number("more", 1, MOST)?;
    let pieces: i64 = visit
        .db
        .query_row("SELECT pieces FROM article WHERE id = ?", [id], |row| row.get(0))?;
    let pieces = pieces.saturating_add(more);
    if pieces > MOST {
        return Err(Refusal::conflict("error_full"));
    }
    visit
        .db
        .execute("UPDATE article SET pieces = ? WHERE id = ?", params![pieces, id])?;
    Ok(Answer::Seen(format!("/article/{id}")))
}
