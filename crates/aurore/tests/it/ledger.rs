//! A page with a row of deeds, each kept by its server; and a model's server that a test plays.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tiny_http::{Header, Response, Server};

/// A loopback server that answers by a function until it is dropped.
pub(crate) struct Serve {
    server: Arc<Server>,
    /// `http://127.0.0.1:PORT`
    pub(crate) address: String,
    worker: Option<JoinHandle<()>>,
}

impl Serve {
    /// `answer` gets path and body, and gives a status, a kind and a body; without an answer the connection is dropped.
    pub(crate) fn start(
        mut answer: impl FnMut(&str, &str) -> Option<(u16, &'static str, String)> + Send + 'static,
    ) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let address = format!("http://{}", server.server_addr());
        let worker = std::thread::spawn({
            let server = Arc::clone(&server);
            move || {
                for mut request in server.incoming_requests() {
                    let mut body = String::new();
                    if request.as_reader().read_to_string(&mut body).is_err() {
                        continue;
                    }
                    let path = request.url().to_owned();
                    if let Some((status, kind, text)) = answer(&path, &body) {
                        let header = Header::from_bytes("Content-Type", kind).unwrap();
                        // Whoever asked may have been killed meanwhile.
                        let _ = request.respond(
                            Response::from_string(text)
                                .with_status_code(status)
                                .with_header(header),
                        );
                    }
                }
            }
        });
        Self {
            server,
            address,
            worker: Some(worker),
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(worker) = self.worker.take() {
            worker.join().unwrap();
        }
    }
}

/// How often each deed was done.
pub(crate) type Deeds = Arc<Mutex<Vec<u32>>>;

/// Height of a row in CSS pixels.
const ROW: usize = 60;

/// Rows of buttons `Deed 0`, `Deed 1`, …: pressing one tells the server, which counts and remembers.
pub(crate) fn ledger(deeds: &Deeds) -> Serve {
    let deeds = Arc::clone(deeds);
    Serve::start(move |path, _| {
        if let Some(row) = path.strip_prefix("/do/") {
            deeds.lock().unwrap()[row.parse::<usize>().unwrap()] += 1;
            return Some((200, "text/plain", String::new()));
        }
        if path != "/" {
            return Some((404, "text/plain", String::new()));
        }
        let counts = deeds.lock().unwrap().clone();
        let rows = counts.iter().enumerate().map(|(row, count)| {
            format!(
                "<button style='position: absolute; left: 0; width: 400px; height: 40px; top: {}px' \
                 onclick=\"fetch('/do/{row}', {{method: 'POST', keepalive: true}}); state{row}.textContent = 'done'\">Deed {row}</button>\
                 <span id=state{row} style='position: absolute; left: 420px; top: {}px'>{}</span>",
                row * ROW,
                row * ROW,
                if *count > 0 { "done" } else { "open" }
            )
        });
        let page = format!("<!doctype html><title>Ledger</title>{}", rows.collect::<String>());
        Some((200, "text/html", page))
    })
}

/// The call that presses a row's button, on a page of 1280 by 800.
pub(crate) fn press(row: usize) -> Value {
    json!({"action": "left_click", "coordinate": [150, (row * ROW + 20) * 1000 / 800]})
}

/// The row that a call presses.
pub(crate) fn pressed(arguments: &Value) -> Option<usize> {
    let y = arguments["coordinate"][1].as_u64()? as usize;
    Some((y * 800 / 1000) / ROW)
}

/// A whole answer of chat completions with one call.
pub(crate) fn answer(arguments: &Value) -> String {
    let call = json!({"id": "c", "type": "function", "function": {"name": "computer_use", "arguments": arguments.to_string()}});
    let message = json!({
        "role": "assistant",
        "reasoning_content": "I looked.",
        "content": "Intent: do it\nExpect: it is done",
        "tool_calls": [call],
    });
    json!({"model": "played", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
        .to_string()
}

/// A model's server: `decide` gets the request's messages and gives a call's arguments; `None` drops the connection.
pub(crate) fn model(mut decide: impl FnMut(&[Value]) -> Option<Value> + Send + 'static) -> Serve {
    Serve::start(move |path, body| match path {
        "/v1/models" => Some((
            200,
            "application/json",
            json!({"object": "list", "data": [{"id": "played", "object": "model"}]}).to_string(),
        )),
        "/v1/chat/completions" => {
            let request: Value = serde_json::from_str(body).ok()?;
            let call = decide(request["messages"].as_array()?)?;
            Some((200, "application/json", answer(&call)))
        }
        _ => Some((404, "text/plain", String::new())),
    })
}
