//! A server with nano, and a client that knows just enough of HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use aurore_chat::Chat;
use aurore_checkpoint::Checkpoint;
use aurore_engine::{Engine, Limits, LoadedAdapter, Scheduler};
use aurore_model::{LoadOptions, Model};
use aurore_server::{Options, Served, Server};
use serde_json::Value;

static NANO: LazyLock<(Arc<Chat>, Engine)> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/nano");
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let chat = Arc::new(Chat::open(&checkpoint).unwrap());
    let model = Model::load(&checkpoint, checkpoint.config(), &LoadOptions::default()).unwrap();
    let engine = Engine::new(Arc::new(model), chat.vocabulary()).unwrap();
    (chat, engine)
});

/// Nano's conversation.
pub(crate) fn nano() -> &'static Chat {
    &NANO.0
}

/// An adapter of random numbers over nano.
pub(crate) fn adapter(seed: u64) -> Arc<LoadedAdapter> {
    let model = NANO.1.model();
    let adapter = aurore_checkpoint::Adapter::random(model.config(), 4, seed);
    Arc::new(model.load_adapter(&adapter).unwrap())
}

/// The ids that end nano's answers.
pub(crate) fn eos() -> Vec<u32> {
    NANO.0.vocabulary().eos().to_vec()
}

/// A server that ends with the test.
pub(crate) struct Running {
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    pub(crate) scheduler: Scheduler,
    served: Served,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self::with(Options::default(), Limits::default())
    }

    pub(crate) fn with(options: Options, limits: Limits) -> Self {
        Self::with_chat(&NANO.0, options, limits)
    }

    /// With another template than nano's own.
    pub(crate) fn with_chat(chat: &Arc<Chat>, options: Options, limits: Limits) -> Self {
        let engine = &NANO.1;
        let scheduler = Scheduler::start(engine.clone(), limits).unwrap();
        let options = Options {
            name: "nano".to_owned(),
            ..options
        };
        let served = Served::new(Arc::clone(chat), scheduler.clone(), options);
        let server = Server::start(served.clone(), TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        Self {
            address: server.address(),
            server: Some(server),
            scheduler,
            served,
        }
    }

    pub(crate) fn stop(&mut self) {
        self.server.take().unwrap().stop().unwrap();
    }

    /// Bytes that a sequence of so many tokens takes.
    pub(crate) fn memory(tokens: u64) -> u64 {
        NANO.1.model().memory_plan().sequence(tokens)
    }

    /// A path that lets one browser see the page.
    pub(crate) fn link(&self) -> String {
        self.served.link().unwrap()
    }

    /// An answer as it comes.
    pub(crate) fn raw(&self, method: &str, path: &str) -> String {
        let mut text = String::new();
        self.open(method, path, &[], "")
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
    }

    /// A conversation of one message, answered greedily, with more fields.
    pub(crate) fn chat(&self, more: Value) -> Reply {
        self.post("/v1/chat/completions", &body(more))
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        Reply::read(self.open(method, path, headers, body))
    }

    /// Sends a request and leaves its answer to be read.
    pub(crate) fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        open_at(self.address, method, path, headers, body)
    }
}

/// Sends a request to an address and leaves its answer to be read.
pub(crate) fn open_at(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += &format!("host: {address}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    stream
}

/// A conversation of one message, answered greedily, with more fields.
pub(crate) fn body(more: Value) -> Value {
    let mut body = serde_json::json!({
        "model": "nano", "temperature": 0, "max_tokens": 24,
        "messages": [{"role": "user", "content": "Close the message."}],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.scheduler.drain(std::time::Duration::ZERO);
            let _ = server.stop();
        }
    }
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// All of an answer.
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let rest = &bytes[end + 4..];
        let body = if head.contains("transfer-encoding: chunked") {
            unchunk(rest)
        } else {
            rest.to_vec()
        };
        let status = head.split(' ').nth(1).unwrap();
        Self {
            status: status.parse().unwrap(),
            body: String::from_utf8(body).unwrap(),
            head,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of server-sent events, `[DONE]` left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.head.contains("text/event-stream"), "{self:?}");
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let data = data.filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
}
