//! `aurore serve`: a model behind the APIs that clients speak.

use std::io::Write;
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aurore_engine::{Limits, Scheduler};
use aurore_model::{Model, Sequence};
use aurore_server::{Keys, NamedAdapter, Options, PictureHosts, Responses, Retention, Served, Server};
use serde_json::json;

use crate::adapters::{self, AdapterChoice};
use crate::disk_cache;
use crate::failure::{WithHint, hinted};
use crate::folders;
use crate::global::Global;
use crate::machine;
use crate::memory::Limit;
use crate::models::ModelChoice;
use crate::talk::Talker;

/// Options of `aurore serve`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelChoice,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// What clients call the model; its own name if absent.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// An adapter beside the model, for requests that name it: a folder that `aurore tune`, or PEFT, wrote. Clients see it
    /// as a model called NAME, or as the folder. May be repeated.
    #[arg(long, value_name = "NAME=DIR", value_parser = adapters::named)]
    adapter: Vec<(String, PathBuf)>,
    /// Another name that clients may call it by. May be repeated.
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Keys that open the server for everything, one a line. Beside the key in AURORE_API_KEY and those of `aurore keys`;
    /// without any a key is made up and printed.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Ask for no key. Only on loopback.
    #[arg(long, conflicts_with = "key_file")]
    no_auth: bool,
    /// A name of this machine that clients use beside localhost. May be repeated.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Where pages in browsers come from that may ask, as http://HOST:PORT. May be repeated.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Hosts from which pictures are fetched that requests name by address, as example.org or example.org:8443. Without any
    /// nothing is fetched.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    fetch_images: Vec<String>,
    /// Answers that are written together; more requests wait.
    #[arg(long, default_value_t = 16, value_name = "N")]
    batch: usize,
    /// Requests that may wait; more are refused.
    #[arg(long, default_value_t = 64, value_name = "N")]
    queue: usize,
    /// Memory for conversations and the cache of what was read, in gigabytes; half of what is free if absent.
    #[arg(long, value_name = "GB")]
    memory: Option<f64>,
    #[command(flatten)]
    disk: disk_cache::Wanted,
    /// File of kept responses; `responses.sqlite` in the user's data folder if absent.
    #[arg(long, value_name = "FILE")]
    responses: Option<PathBuf>,
    /// Days for which responses are kept after the last one of their conversation.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    keep_days: u64,
    /// Tokens of other prompts that are read between two tokens of a running answer.
    #[arg(long, default_value_t = 128, value_name = "N")]
    piece: usize,
    /// Drafts that a step of an answer checks at most: what stood before in the conversation after the same words, which
    /// makes answers that repeat it faster and changes none; 0 for none.
    #[arg(long, default_value_t = Sequence::MOST_DRAFTS, value_name = "N")]
    drafts: usize,
    /// Most tokens of an answer for which a request names no limit.
    #[arg(long, default_value_t = 8192, value_name = "N")]
    max_tokens: usize,
    /// Seconds that answers are given to end after Ctrl-C.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    patience: u64,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Memory for conversations where the system does not say what is free.
const FALLBACK_MEMORY: u64 = 2 << 30;
/// How often to look whether to end.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the command.
pub fn run(args: Args, global: &Global) -> anyhow::Result<ExitCode> {
    let (keys, printed) = keys(&args)?;
    let pictures = match &args.fetch_images[..] {
        [] => None,
        hosts => Some(
            PictureHosts::new(hosts.iter().map(|host| host.trim()))
                .with_hint("--fetch-images names no hosts", "separate them by commas")?,
        ),
    };
    let listener = TcpListener::bind((args.host, args.port)).with_hint(
        &format!("cannot listen on {}:{}", args.host, args.port),
        "another program may listen there: choose another --port, or 0 for a free one",
    )?;
    let talker = Talker::load(&args.model, &AdapterChoice::default(), args.threads)?;
    let name = args.name.clone().unwrap_or_else(|| own_name(&talker));
    let adapters = adapters(&args, &name, talker.engine().model())?;
    let adapted: u64 = adapters
        .iter()
        .map(|adapter| adapter.adapter.memory_bytes() as u64)
        .sum();
    let engine = talker.engine().clone();
    let plan = engine.model().memory_plan().clone();
    let memory = memory(&args)?;
    let least = plan.sequence(1);
    if memory < least {
        return Err(hinted(
            format!(
                "{} of memory for conversations is less than the {} of the shortest one",
                gigabytes(memory),
                gigabytes(least)
            ),
            "give more with --memory, or choose a smaller model",
        ));
    }
    let weights = engine.model().memory_bytes() as u64;
    let context = engine.context();
    let longest = memory.saturating_sub(plan.state()) / plan.kv_per_token.max(1);
    let disk = disk_cache::limits(&args.disk, &args.model.model);
    let kept = disk
        .as_ref()
        .map(|disk| (disk.bytes, disk.folder.display().to_string()));
    let scheduler = Scheduler::start(
        engine,
        Limits {
            queue: args.queue,
            batch: args.batch.max(1),
            memory,
            piece: args.piece.max(1),
            drafts: args.drafts,
            disk,
            ..Limits::default()
        },
    )?;
    let mut hosts = args.allow_host.clone();
    if !args.host.is_loopback() && !args.host.is_unspecified() {
        hosts.push(match args.host {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
    }
    let options = Options {
        name: name.clone(),
        aliases: args.alias.clone(),
        keys,
        hosts,
        origins: args.allow_origin.clone(),
        max_tokens: args.max_tokens,
        patience: Duration::from_secs(args.patience),
        responses: responses(&args)?,
        pictures,
        adapters,
        ..Options::default()
    };
    let served = Served::new(talker.chat().clone(), scheduler, options);
    let link = if args.no_auth {
        "/".to_owned()
    } else {
        served
            .link()
            .with_hint("no link could be made up", "start it again")?
    };
    let server = Server::start(served, listener)?;
    let address = server.address();
    // Whoever listens everywhere is reached on this machine's own name.
    let shown = match address.ip() {
        ip if ip.is_unspecified() => format!("localhost:{}", address.port()),
        _ => address.to_string(),
    };
    let page = format!("http://{shown}{link}");
    if global.json {
        println!(
            "{}",
            json!({
                "event": "listening", "address": address.to_string(), "model": name, "key": printed, "page": page,
                "weights_bytes": weights, "adapters_bytes": adapted, "state_bytes": plan.state(),
                "kv_bytes_per_token": plan.kv_per_token, "memory_bytes": memory, "context": context,
                "cache_disk_bytes": kept.as_ref().map(|(bytes, _)| bytes),
                "cache_folder": kept.as_ref().map(|(_, folder)| folder),
            })
        );
    } else {
        println!("{name} listens on http://{address}");
        println!(
            "memory: {} weights{}; {} for conversations and what was read: {} a conversation and {:.1} kB a token, so \
             one of up to {} tokens",
            gigabytes(weights),
            match adapted {
                0 => String::new(),
                bytes => format!(", {} adapters", gigabytes(bytes)),
            },
            gigabytes(memory),
            gigabytes(plan.state()),
            plan.kv_per_token as f64 / 1e3,
            longest.min(context as u64),
        );
        if let Some((bytes, folder)) = &kept {
            println!("disk: up to {} of what was read, in {folder}", gigabytes(*bytes));
        }
        match &printed {
            Some(key) => {
                println!("key: {key}   (made up for this run; `aurore keys make` makes lasting ones)");
            }
            None if args.no_auth => println!("no key is asked for"),
            None => {}
        }
        if args.no_auth {
            println!("page: {page}");
        } else {
            println!("page: {page}   (works once)");
        }
        println!(
            "Ctrl-C ends it when running answers have ended, at the latest after {} s.",
            args.patience
        );
    }
    while !global.is_interrupted() && !server.has_ended() {
        std::thread::sleep(LOOK);
    }
    let ended_by_itself = server.has_ended();
    server.stop().with_hint("the server ended", "start it again")?;
    if ended_by_itself {
        return Err(hinted("the server ended by itself", "start it again"));
    }
    if global.json {
        // Whoever listened may be gone, which is no fault of this server's.
        _ = writeln!(std::io::stdout(), "{}", json!({"event": "ended"}));
    }
    Ok(ExitCode::SUCCESS)
}

/// The adapters, loaded; each has a name of its own, beside the model's.
fn adapters(args: &Args, own: &str, model: &Model) -> anyhow::Result<Vec<NamedAdapter>> {
    let mut loaded: Vec<NamedAdapter> = Vec::new();
    for (name, folder) in &args.adapter {
        let mut names = args
            .alias
            .iter()
            .chain(loaded.iter().map(|adapter| &adapter.name));
        if name == own || names.any(|known| known == name) {
            return Err(hinted(
                format!("two models would be called {name}"),
                "give the adapter another name: --adapter NAME=DIR",
            ));
        }
        loaded.push(NamedAdapter {
            name: name.clone(),
            adapter: adapters::load(folder, model)?,
        });
    }
    Ok(loaded)
}

/// Who may ask, and a key that was made up for it.
fn keys(args: &Args) -> anyhow::Result<(Keys, Option<String>)> {
    if args.no_auth {
        if args.host.is_loopback() {
            return Ok((Keys::none(), None));
        }
        return Err(hinted(
            format!(
                "without a key everybody who reaches {} could use this machine",
                args.host
            ),
            "leave --no-auth out, or listen on 127.0.0.1",
        ));
    }
    let mut text = std::env::var("AURORE_API_KEY").unwrap_or_default();
    if let Some(file) = &args.key_file {
        let keys = std::fs::read_to_string(file).with_hint(
            &format!("cannot read the keys in {}", file.display()),
            "it must be a text file with one key a line",
        )?;
        text = format!("{text}\n{keys}");
    }
    let keys = Keys::new(text.lines());
    if args.key_file.is_some() && keys.is_open() {
        return Err(hinted("the file of keys has none", "write one key a line"));
    }
    // Without a home folder there is no store, and everything else still works.
    let store = super::keys::store().ok();
    let now = super::keys::now();
    let kept = match &store {
        Some(store) => store.list()?.iter().any(|key| !key.has_ended(now)),
        None => false,
    };
    let with_store = |keys: Keys| match store {
        Some(store) => keys.with_store(store),
        None => keys,
    };
    if kept || !keys.is_open() {
        return Ok((with_store(keys), None));
    }
    let (key, keys) = Keys::generate().with_hint("no key could be made up", "set AURORE_API_KEY")?;
    Ok((with_store(keys), Some(key)))
}

/// Where responses are kept; in memory where there is no place for a file.
fn responses(args: &Args) -> anyhow::Result<Option<Responses>> {
    let retention = Retention {
        age: Duration::from_secs(args.keep_days.saturating_mul(24 * 60 * 60)),
        ..Retention::default()
    };
    let named = args.responses.clone();
    let Some(file) = named.or_else(|| Some(folders::data()?.join("responses.sqlite"))) else {
        tracing::warn!(
            "responses are gone with the server: there is no home folder; name a file with --responses"
        );
        return Ok(Some(Responses::memory(retention)));
    };
    let hint = "name another file with --responses, or move this one away";
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_hint(&format!("the folder {} cannot be made", folder.display()), hint)?;
    }
    let opened = Responses::open(&file, retention);
    opened.map(Some).with_hint("no responses can be kept", hint)
}

fn memory(args: &Args) -> anyhow::Result<u64> {
    match args.memory {
        Some(gigabytes) if gigabytes.is_finite() && gigabytes > 0.0 => Ok((gigabytes * 1e9) as u64),
        Some(gigabytes) => Err(hinted(
            format!("{gigabytes} GB is no amount of memory"),
            "give a number above 0",
        )),
        None => {
            let free = machine::memory().map_or(FALLBACK_MEMORY, |memory| memory.available / 2);
            let most = Limit::find().map_or(u64::MAX, |limit| limit.bytes / 2);
            Ok(free.min(most))
        }
    }
}

/// The last part of where the model came from, or what it calls itself.
fn own_name(talker: &Talker) -> String {
    let own = talker.chat().settings().name.clone();
    own.unwrap_or_else(|| {
        let stem = std::path::Path::new(&talker.name).file_stem();
        stem.map_or_else(|| talker.name.clone(), |stem| stem.to_string_lossy().into_owned())
    })
}

fn gigabytes(bytes: u64) -> String {
    if bytes >= 100_000_000 {
        format!("{:.1} GB", bytes as f64 / 1e9)
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}
