//! Suppliers: offers, orders, and what becomes of orders.

use rusqlite::{Connection, Row, params};
use serde_json::{Value as Json, json};

use super::{Facts, euros};
use crate::web::{Answer, Refusal, Route, Visit, get, post};
use crate::world::Supply;

pub(super) const ROUTES: &[Route] = &[
    get("/", search),
    get("/offers", offers),
    get("/offer/{offer}", offer),
    post("/order", order),
    get("/orders", orders),
    get("/orders/{order}", placed),
    post("/cancel", cancel),
    post("/received", received),
];

pub(super) const FACTS: &[Facts] = &[Facts {
    kind: "order",
    columns: &["order", "supplier", "article", "quantity", "status"],
    sql: "SELECT number, supplier, article, CAST(quantity AS TEXT), status FROM placed ORDER BY id",
}];

pub(super) const SCHEMA: &str = "
    CREATE TABLE offer (id INTEGER PRIMARY KEY, supplier TEXT NOT NULL, article TEXT NOT NULL, cents INTEGER NOT NULL,
        days INTEGER NOT NULL) STRICT;
    CREATE TABLE placed (id INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, supplier TEXT NOT NULL,
        article TEXT NOT NULL, quantity INTEGER NOT NULL, status TEXT NOT NULL) STRICT;
";

/// Nobody orders more pieces at once.
const MOST: i64 = 100_000;

pub(super) fn fill(db: &Connection, supply: &Supply) -> rusqlite::Result<()> {
    let name = |article| {
        supply
            .article(article)
            .map_or("", |article| article.name.as_str())
    };
    let mut insert = db.prepare("INSERT INTO offer VALUES (?, ?, ?, ?, ?)")?;
    for offer in &supply.offers {
        insert.execute(params![
            offer.id,
            offer.supplier,
            name(offer.article),
            offer.cents,
            offer.days
        ])?;
    }
    let mut insert = db.prepare("INSERT INTO placed VALUES (?, ?, ?, ?, ?, ?)")?;
    for order in &supply.orders {
        insert.execute(params![
            order.id,
            order.number,
            order.supplier,
            name(order.article),
            order.quantity,
            order.status
        ])?;
    }
    Ok(())
}

fn an_offer(row: &Row<'_>) -> rusqlite::Result<Json> {
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "supplier": row.get::<_, String>(1)?,
        "article": row.get::<_, String>(2)?,
        "price": euros(row.get(3)?),
        "days": row.get::<_, i64>(4)?,
    }))
}

fn an_order(row: &Row<'_>) -> rusqlite::Result<Json> {
    let status: String = row.get(5)?;
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "number": row.get::<_, String>(1)?,
        "supplier": row.get::<_, String>(2)?,
        "article": row.get::<_, String>(3)?,
        "quantity": row.get::<_, i64>(4)?,
        "open": status == "open",
        "status": status,
    }))
}

fn search(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    visit.page("suppliers/search.html", json!({}))
}

fn offers(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let article = visit.fields.text("article")?;
    let mut query = visit
        .db
        .prepare("SELECT * FROM offer ORDER BY article, supplier")?;
    let all: Vec<Json> = query.query_map([], an_offer)?.collect::<rusqlite::Result<_>>()?;
    let wanted = article.to_lowercase();
    let offers: Vec<Json> = all
        .into_iter()
        .filter(|offer| {
            offer["article"]
                .as_str()
                .is_some_and(|name| name.to_lowercase().contains(&wanted))
        })
        .collect();
    visit.page(
        "suppliers/offers.html",
        json!({"article": article, "offers": offers}),
    )
}

fn offer(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("offer")?;
    let offer = visit
        .db
        .query_row("SELECT * FROM offer WHERE id = ?", [id], an_offer)?;
    visit.page("suppliers/offer.html", json!({"offer": offer}))
}

fn order(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("offer")?;
    let quantity = visit.fields.number("quantity", 1, MOST)?;
    let (supplier, article): (String, String) =
        visit
            .db
            .query_row("SELECT supplier, article FROM offer WHERE id = ?", [id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
    let last: i64 = visit
        .db
        .query_row("SELECT coalesce(max(id), 0) FROM placed", [], |row| row.get(0))?;
    visit.db.execute(
        "INSERT INTO placed (number, supplier, article, quantity, status) VALUES (?, ?, ?, ?, 'open')",
        params![format!("PO-{}", 1100 + last), supplier, article, quantity],
    )?;
    Ok(Answer::Seen(format!("/orders/{}", visit.db.last_insert_rowid())))
}

fn orders(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let mut query = visit.db.prepare("SELECT * FROM placed ORDER BY number")?;
    let orders: Vec<Json> = query.query_map([], an_order)?.collect::<rusqlite::Result<_>>()?;
    visit.page("suppliers/orders.html", json!({"orders": orders}))
}

fn placed(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("order")?;
    let order = visit
        .db
        .query_row("SELECT * FROM placed WHERE id = ?", [id], an_order)?;
    visit.page("suppliers/order.html", json!({"order": order}))
}

fn cancel(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    close(visit, "cancelled")
}

fn received(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    close(visit, "received")
}

/// Closes an open order.
fn close(visit: &Visit<'_>, status: &str) -> Result<Answer, Refusal> {
    let id = visit.fields.id("order")?;
    let old: String = visit
        .db
        .query_row("SELECT status FROM placed WHERE id = ?", [id], |row| row.get(0))?;
    if old != "open" {
        return Err(Refusal::conflict("error_closed"));
    }
    visit
        .db
        .execute("UPDATE placed SET status = ? WHERE id = ?", params![status, id])?;
    Ok(Answer::Seen(format!("/orders/{id}")))
}
