//! `aurore keys`: who may ask a server of this machine, and how much.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use aurore_agent::reveal;
use aurore_server::{KeyRecord, KeyStore, NewKey, Scope};
use serde_json::json;

use crate::failure::hinted;
use crate::folders;
use crate::global::Global;

/// Options of `aurore keys`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// Where keys are kept.
    #[arg(long, value_name = "FILE", global = true)]
    store: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make a key and print it, once: only its hash is kept. Running servers take it at once.
    Make(Make),
    /// List the keys: id, name, scopes, limits, end.
    List,
    /// Forget a key. Running servers refuse it from the next request on.
    Revoke {
        /// Its id, or its name.
        key: String,
    },
}

#[derive(clap::Args)]
struct Make {
    /// What to call it.
    name: String,
    /// What it may be used for: infer, manage, agent. May be repeated.
    #[arg(long, value_name = "SCOPE", default_value = "infer", value_delimiter = ',')]
    scope: Vec<Scope>,
    /// Most requests a minute.
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<NonZeroU32>,
    /// Most tokens a minute, of prompts and answers.
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<NonZeroU32>,
    /// Days after which it opens nothing any more.
    #[arg(long, value_name = "N")]
    days: Option<NonZeroU32>,
}

const DAY: u64 = 24 * 60 * 60;

/// The user's keys.
///
/// # Errors
/// When there is no home folder.
pub fn store() -> anyhow::Result<KeyStore> {
    let folder = folders::data().ok_or_else(|| {
        hinted(
            "there is no home folder to keep keys in",
            "name a file: --store FILE, or AURORE_HOME=DIR",
        )
    })?;
    Ok(KeyStore::new(folder.join("keys.json")))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let store = match args.store {
        Some(file) => KeyStore::new(file),
        None => store()?,
    };
    match args.what {
        What::Make(make) => self::make(&store, make, global)?,
        What::List => {
            let keys = store.list()?;
            for record in &keys {
                show(record, global);
            }
            if keys.is_empty() && !global.json {
                println!("no keys: `aurore keys make NAME` makes one");
            }
        }
        What::Revoke { key } => {
            let record = store.revoke(&key)?;
            if global.json {
                println!("{}", json!({"revoked": record.id, "name": record.name}));
            } else {
                println!("revoked {} ({})", record.id, reveal(&record.name, false));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn make(store: &KeyStore, make: Make, global: &Global) -> anyhow::Result<()> {
    let now = now();
    let new = NewKey {
        name: make.name,
        scopes: make.scope,
        requests_per_minute: make.requests_per_minute,
        tokens_per_minute: make.tokens_per_minute,
        expires: make.days.map(|days| now + u64::from(days.get()) * DAY),
    };
    let (key, record) = store.make(new, now)?;
    if global.json {
        let mut object = object(&record);
        object["key"] = key.into();
        println!("{object}");
    } else {
        println!("{key}");
        eprintln!(
            "this is shown once: keep it now. `aurore keys revoke {}` ends it.",
            record.id
        );
    }
    Ok(())
}

fn object(record: &KeyRecord) -> serde_json::Value {
    json!({
        "id": record.id, "name": record.name, "scopes": record.scopes,
        "requests_per_minute": record.requests_per_minute, "tokens_per_minute": record.tokens_per_minute,
        "created": record.created, "expires": record.expires,
    })
}

fn show(record: &KeyRecord, global: &Global) {
    if global.json {
        println!("{}", object(record));
        return;
    }
    let limit = |limit: Option<NonZeroU32>, what: &str| limit.map(|limit| format!("{limit} {what}/min"));
    let limits = [
        limit(record.requests_per_minute, "requests"),
        limit(record.tokens_per_minute, "tokens"),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let limits = if limits.is_empty() {
        "no limits".to_owned()
    } else {
        limits.join(", ")
    };
    println!(
        "{}  {:<16}  {:<20}  {limits:<36}  {}",
        record.id,
        reveal(&record.name, false),
        Scope::list(&record.scopes),
        end(record, now())
    );
}

fn end(record: &KeyRecord, now: u64) -> String {
    match record.expires {
        None => "no end".to_owned(),
        Some(_) if record.has_ended(now) => "ended".to_owned(),
        Some(expires) => format!("ends in {} days", (expires - now).div_ceil(DAY)),
    }
}
