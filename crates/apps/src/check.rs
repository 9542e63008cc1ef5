//! Whether a goal is met exactly: what the databases say now, beside what they said and what the goal wants.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::served::{self, Facts};
use crate::{App, AppsError};

/// A row that counts, as text, column by column.
type Row = Vec<String>;

/// Every row that counts, of all apps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(Vec<(App, &'static Facts, Vec<Row>)>);

impl Snapshot {
    /// Reads the databases.
    pub(crate) fn of(databases: &BTreeMap<App, Mutex<Connection>>) -> Result<Self, AppsError> {
        let mut all = Vec::new();
        for (app, database) in databases {
            let database = database.lock().unwrap_or_else(PoisonError::into_inner);
            for facts in served::facts(*app) {
                let rows = rows(&database, facts).map_err(|source| AppsError::Database {
                    app: app.name(),
                    source,
                })?;
                all.push((*app, facts, rows));
            }
        }
        Ok(Self(all))
    }
}

fn rows(database: &Connection, facts: &Facts) -> rusqlite::Result<Vec<Row>> {
    let mut statement = database.prepare(facts.sql)?;
    let found = statement.query_map([], |row| {
        (0..facts.columns.len())
            .map(|column| row.get::<_, String>(column))
            .collect::<rusqlite::Result<Row>>()
    })?;
    found.collect()
}

/// What a column of a wanted row has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Exactly this.
    Is(String),
    /// This somewhere in it.
    Holds(String),
    /// One of these.
    OneOf(Vec<String>),
    /// Whatever.
    Any,
}

impl Cell {
    pub(crate) fn is(text: &impl ToString) -> Self {
        Self::Is(text.to_string())
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Is(wanted) => wanted == text,
            Self::Holds(part) => text.to_lowercase().contains(&part.to_lowercase()),
            Self::OneOf(texts) => texts.iter().any(|wanted| wanted == text),
            Self::Any => true,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => out.write_str(text),
            Self::Holds(part) => write!(out, "with {part}"),
            Self::OneOf(texts) => out.write_str(&texts.join(" or ")),
            Self::Any => out.write_str("any"),
        }
    }
}

/// A change that a goal wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) app: App,
    /// The kind of rows, as [`Facts`] names it.
    pub(crate) kind: &'static str,
    pub(crate) change: Change,
    pub(crate) row: Vec<Cell>,
}

/// What is to become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is to be there, once.
    Added,
    /// It was there and is to be gone.
    Removed,
}

impl Wanted {
    pub(crate) fn added(app: App, kind: &'static str, row: Vec<Cell>) -> Self {
        Self {
            app,
            kind,
            change: Change::Added,
            row,
        }
    }

    pub(crate) fn removed(app: App, kind: &'static str, row: Vec<Cell>) -> Self {
        Self {
            app,
            kind,
            change: Change::Removed,
            row,
        }
    }

    fn fits(&self, row: &[String]) -> bool {
        self.row.len() == row.len() && self.row.iter().zip(row).all(|(cell, text)| cell.fits(text))
    }
}

/// Something that is not as the goal wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Wanted, and not there.
    Missing(String),
    /// There once, as wanted, and again.
    Twice(String),
    /// There, and nobody asked for it.
    Unwanted(String),
    /// To be gone, and still there.
    Kept(String),
    /// Gone, and nobody asked for that.
    Gone(String),
    /// Changed, and nobody asked for that.
    Changed {
        /// As it was.
        before: String,
        /// As it is.
        after: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(out, "missing: {what}"),
            Self::Twice(what) => write!(out, "done twice: {what}"),
            Self::Unwanted(what) => write!(out, "nobody asked for: {what}"),
            Self::Kept(what) => write!(out, "still there: {what}"),
            Self::Gone(what) => write!(out, "gone, and nobody asked for that: {what}"),
            Self::Changed { before, after } => {
                write!(out, "changed, and nobody asked for that: {before} is now {after}")
            }
        }
    }
}

/// Everything that is different between the world as it is and the world as the goal wants it.
pub(crate) fn differences(before: &Snapshot, now: &Snapshot, wanted: &[Wanted]) -> Vec<Difference> {
    let mut found = Vec::new();
    for (app, facts, rows) in &now.0 {
        let old: &[Row] = before
            .0
            .iter()
            .find(|(known, kind, _)| known == app && kind.kind == facts.kind)
            .map_or(&[], |(_, _, rows)| rows);
        let wanted: Vec<&Wanted> = wanted
            .iter()
            .filter(|wanted| wanted.app == *app && wanted.kind == facts.kind)
            .collect();
        of_kind(*app, facts, old, rows, &wanted, &mut found);
    }
    found
}

fn of_kind(
    app: App,
    facts: &Facts,
    old: &[Row],
    rows: &[Row],
    wanted: &[&Wanted],
    found: &mut Vec<Difference>,
) {
    let words = |row: &Row| describe(app, facts, row.iter().map(String::as_str));
    let mut added = without(rows, old);
    let mut gone = without(old, rows);
    let mut fulfilled: Vec<&Wanted> = Vec::new();
    for wanted in wanted {
        let from = match wanted.change {
            Change::Added => &mut added,
            Change::Removed => &mut gone,
        };
        if let Some(place) = from.iter().position(|row| wanted.fits(row)) {
            from.remove(place);
            fulfilled.push(wanted);
            continue;
        }
        let cells: Vec<String> = wanted.row.iter().map(ToString::to_string).collect();
        let what = describe(app, facts, cells.iter().map(String::as_str));
        found.push(match wanted.change {
            Change::Added => Difference::Missing(what),
            Change::Removed => Difference::Kept(what),
        });
    }
    for row in added {
        let again = fulfilled
            .iter()
            .any(|wanted| wanted.change == Change::Added && wanted.fits(&row));
        // What has the same name, in the first column, as something that is gone is that thing, changed.
        let was = gone.iter().position(|old| old.first() == row.first());
        found.push(match was {
            _ if again => Difference::Twice(words(&row)),
            Some(place) => Difference::Changed {
                before: words(&gone.remove(place)),
                after: words(&row),
            },
            None => Difference::Unwanted(words(&row)),
        });
    }
    found.extend(gone.iter().map(|row| Difference::Gone(words(row))));
}

/// The rows of one list that the other has not, counting equal rows.
fn without(rows: &[Row], others: &[Row]) -> Vec<Row> {
    let mut others: Vec<&Row> = others.iter().collect();
    rows.iter()
        .filter(|row| match others.iter().position(|other| other == row) {
            Some(place) => {
                others.swap_remove(place);
                false
            }
            None => true,
        })
        .cloned()
        .collect()
}

/// `flights booking (flight AV 214, day 2027-05-12)`
fn describe<'a>(app: App, facts: &Facts, row: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = facts
        .columns
        .iter()
        .zip(row)
        .map(|(column, text)| format!("{column} {text}"))
        .collect();
    format!("{} {} ({})", app.name(), facts.kind, cells.join(", "))
}
