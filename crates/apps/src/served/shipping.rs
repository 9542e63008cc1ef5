//! Shipping: quotes of carriers, and parcels on their way.

use rusqlite::{Connection, Row, params};
use serde_json::{Value as Json, json};

use super::{Facts, euros};
use crate::web::{Answer, Refusal, Route, Visit, get, post};
use crate::world::Supply;

pub(super) const ROUTES: &[Route] = &[
    get("/", search),
    get("/quotes", quotes),
    get("/quote/{service}", quote),
    post("/book", book),
    get("/shipments", shipments),
    get("/shipments/{shipment}", shipment),
];

pub(super) const FACTS: &[Facts] = &[Facts {
    kind: "shipment",
    columns: &["shipment", "to", "kilograms", "service", "reference", "status"],
    sql: "SELECT CAST(shipment.id AS TEXT), destination, CAST(kilograms AS TEXT), name, reference, status
        FROM shipment JOIN service ON service.id = shipment.service ORDER BY shipment.id",
}];

pub(super) const SCHEMA: &str = "
    CREATE TABLE service (id INTEGER PRIMARY KEY, name TEXT NOT NULL, base INTEGER NOT NULL, each INTEGER NOT NULL,
        days INTEGER NOT NULL) STRICT;
    CREATE TABLE shipment (id INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL, kilograms INTEGER NOT NULL,
        service INTEGER NOT NULL REFERENCES service (id), reference TEXT NOT NULL, status TEXT NOT NULL,
        day TEXT NOT NULL) STRICT;
";

/// The heaviest parcel.
const MOST: i64 = 500;

pub(super) fn fill(db: &Connection, supply: &Supply) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO service VALUES (?, ?, ?, ?, ?)")?;
    for service in &supply.services {
        insert.execute(params![
            service.id,
            service.name,
            service.base,
            service.each,
            service.days
        ])?;
    }
    let mut insert = db.prepare(
        "INSERT INTO shipment (destination, kilograms, service, reference, status, day) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    for shipment in &supply.shipments {
        insert.execute(params![
            shipment.to,
            shipment.kilograms,
            shipment.service,
            shipment.reference,
            shipment.status,
            shipment.day.to_string()
        ])?;
    }
    Ok(())
}

/// What is to be sent, as forms and addresses say it.
struct Parcel<'a> {
    to: &'a str,
    kilograms: i64,
    reference: &'a str,
}

impl<'a> Parcel<'a> {
    fn of(visit: &'a Visit<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            to: visit.fields.text("to")?,
            kilograms: visit.fields.number("kilograms", 1, MOST)?,
            reference: match visit.fields.optional("reference") {
                "" => "",
                _ => visit.fields.text("reference")?,
            },
        })
    }
}

fn a_quote(row: &Row<'_>, kilograms: i64) -> rusqlite::Result<Json> {
    let (base, each): (i64, i64) = (row.get(2)?, row.get(3)?);
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "name": row.get::<_, String>(1)?,
        "price": euros(base + each * kilograms),
        "days": row.get::<_, i64>(4)?,
    }))
}

fn search(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    visit.page("shipping/search.html", json!({}))
}

fn quotes(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let parcel = Parcel::of(visit)?;
    let mut query = visit.db.prepare("SELECT * FROM service ORDER BY name")?;
    let quotes: Vec<Json> = query
        .query_map([], |row| a_quote(row, parcel.kilograms))?
        .collect::<rusqlite::Result<_>>()?;
    visit.page(
        "shipping/quotes.html",
        json!({"to": parcel.to, "kilograms": parcel.kilograms, "reference": parcel.reference, "quotes": quotes}),
    )
}

fn quote(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("service")?;
    let parcel = Parcel::of(visit)?;
    let quote = visit
        .db
        .query_row("SELECT * FROM service WHERE id = ?", [id], |row| {
            a_quote(row, parcel.kilograms)
        })?;
    visit.page(
        "shipping/quote.html",
        json!({"to": parcel.to, "kilograms": parcel.kilograms, "reference": parcel.reference, "quote": quote}),
    )
}

fn book(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("service")?;
    let parcel = Parcel::of(visit)?;
    let known: i64 = visit
        .db
        .query_row("SELECT id FROM service WHERE id = ?", [id], |row| row.get(0))?;
    visit.db.execute(
        "INSERT INTO shipment (destination, kilograms, service, reference, status, day) VALUES (?, ?, ?, ?, 'booked', ?)",
        params![
            parcel.to,
            parcel.kilograms,
            known,
            parcel.reference,
            visit.stage.today.to_string()
        ],
    )?;
    Ok(Answer::Seen(format!(
        "/shipments/{}",
        visit.db.last_insert_rowid()
    )))
}

const SHIPMENTS: &str = "SELECT shipment.id, destination, kilograms, name, reference, status, day
    FROM shipment JOIN service ON service.id = shipment.service";

fn a_shipment(visit: &Visit<'_>, row: &Row<'_>) -> rusqlite::Result<Json> {
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "to": row.get::<_, String>(1)?,
        "kilograms": row.get::<_, i64>(2)?,
        "service": row.get::<_, String>(3)?,
        "reference": row.get::<_, String>(4)?,
        "status": row.get::<_, String>(5)?,
        "day": visit.written_text(&row.get::<_, String>(6)?),
    }))
}

fn shipments(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let mut query = visit.db.prepare(&format!("{SHIPMENTS} ORDER BY shipment.id"))?;
    let shipments: Vec<Json> = query
        .query_map([], |row| a_shipment(visit, row))?
        .collect::<rusqlite::Result<_>>()?;
    visit.page("shipping/shipments.html", json!({"shipments": shipments}))
}

fn shipment(visit: &Visit<'_>) -> Result<Answer, Refusal> {
    let id = visit.fields.id("shipment")?;
    let shipment = visit
        .db
        .query_row(&format!("{SHIPMENTS} WHERE shipment.id = ?"), [id], |row| {
            a_shipment(visit, row)
        })?;
    visit.page("shipping/shipment.html", json!({"shipment": shipment}))
}
