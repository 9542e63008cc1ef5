//! A server of the test's own, over a plain socket: it can die in the middle of a word.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

use serde_json::{Value, json};

/// How one request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Exactly these bytes, and the connection is closed.
    Raw(Vec<u8>),
    /// A stream that begins and then says nothing more, on a connection that stays open.
    Silent(Vec<String>),
    /// Nothing at all.
    HangUp,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Value,
}

/// The server.
pub(crate) struct StandIn {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    watchers: Arc<Mutex<Vec<Sender<()>>>>,
    over: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

/// A piece of text.
pub(crate) fn chunk(text: &str) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]}).to_string()
}

/// A call with these arguments, as far as they go.
pub(crate) fn call(arguments: &str) -> String {
    let function = json!({"name": "computer_use", "arguments": arguments});
    let calls = json!([{"index": 0, "id": "c", "type": "function", "function": function}]);
    json!({"choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": null}]}).to_string()
}

/// The end of an answer.
pub(crate) fn end(reason: &str) -> String {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}).to_string()
}

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunked(events: &[String]) -> String {
    let pieces = events.iter().map(|event| {
        let event = format!("data: {event}\n\n");
        format!("{:x}\r\n{event}\r\n", event.len())
    });
    pieces.collect()
}

impl Reply {
    /// Bytes.
    pub(crate) fn raw(bytes: &str) -> Self {
        Self::Raw(bytes.as_bytes().to_vec())
    }

    /// A whole stream.
    pub(crate) fn stream(events: &[String]) -> Self {
        let all: Vec<String> = events.iter().cloned().chain(["[DONE]".to_owned()]).collect();
        Self::raw(&format!("{STREAM}{}0\r\n\r\n", chunked(&all)))
    }

    /// A stream that breaks off in the middle of its last event.
    pub(crate) fn dying(events: &[String]) -> Self {
        let whole = format!("{STREAM}{}", chunked(events));
        Self::raw(&whole[..whole.len() - 9])
    }

    /// A status and a body.
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::raw(&format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// A body that is no stream.
    pub(crate) fn whole(kind: &str, body: &str) -> Self {
        Self::raw(&format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// The same with a header more.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Raw(bytes) => {
                let text = String::from_utf8(bytes).unwrap();
                Self::raw(&text.replacen("\r\n", &format!("\r\n{name}: {value}\r\n"), 1))
            }
            other => other,
        }
    }
}

impl StandIn {
    /// A server that gives these replies, one a request.
    pub(crate) fn new(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, over) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let watchers = Arc::<Mutex<Vec<Sender<()>>>>::default();
        let worker = std::thread::spawn({
            let (asked, watchers, over) = (Arc::clone(&asked), Arc::clone(&watchers), Arc::clone(&over));
            move || {
                let mut replies = VecDeque::from(replies);
                // Connections that stay open until the test is over.
                let mut open = Vec::new();
                for stream in listener.incoming() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut stream = stream.unwrap();
                    let Some(request) = read(&stream) else { continue };
                    asked.lock().unwrap().push(request);
                    // A client that has gone is the test's own matter.
                    match replies.pop_front() {
                        Some(Reply::Raw(bytes)) => _ = stream.write_all(&bytes),
                        Some(Reply::Silent(events)) => {
                            _ = stream.write_all(format!("{STREAM}{}", chunked(&events)).as_bytes());
                            open.push(stream);
                        }
                        Some(Reply::HangUp) | None => {}
                    }
                    for watcher in watchers.lock().unwrap().iter() {
                        let _ = watcher.send(());
                    }
                }
            }
        });
        Self {
            port,
            asked,
            watchers,
            over,
            worker: Some(worker),
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Hears of each reply.
    pub(crate) fn watch(&self) -> Receiver<()> {
        let (to, from) = mpsc::channel();
        self.watchers.lock().unwrap().push(to);
        from
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(worker) = self.worker.take() {
            worker.join().unwrap();
        }
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let (mut length, mut key) = (0, None);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => key = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Asked {
        path,
        key,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}
