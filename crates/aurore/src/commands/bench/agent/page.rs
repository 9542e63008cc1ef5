//! A page as people work on: a form, a list of results with pictures, a side column.

use std::fmt::Write;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::anyhow;
use aurore_action::Point;
use tiny_http::{Header, Response, Server};

/// A button that counts its presses.
pub(super) const COUNTER: Point = Point { x: 1150, y: 60 };
/// A text field.
pub(super) const FIELD: Point = Point { x: 300, y: 60 };
/// A list that scrolls.
pub(super) const LIST: Point = Point { x: 500, y: 450 };

/// Rows of the list.
const ROWS: usize = 120;

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Journeys</title><style>
* { box-sizing: border-box; margin: 0 } body { font: 15px/1.4 sans-serif; background: linear-gradient(#eef3fb, #fff); height: 800px; overflow: hidden }
header { position: absolute; inset: 0 0 auto 0; height: 120px; background: #1b2a41; color: #fff }
input { position: absolute; left: 100px; top: 40px; width: 400px; height: 40px; font: inherit; padding: 0 12px; border-radius: 8px; border: 0 }
#count { position: absolute; left: 1050px; top: 40px; width: 200px; height: 40px; font: inherit; border-radius: 8px; border: 0; background: #f4b942 }
main { position: absolute; left: 20px; top: 140px; width: 900px; height: 640px; overflow-y: scroll }
article { display: flex; gap: 16px; align-items: center; background: #fff; margin: 0 0 10px; padding: 12px 16px; border-radius: 12px; box-shadow: 0 1px 4px #0002 }
article i { width: 48px; height: 48px; border-radius: 50%; flex: none } article b { flex: 1 } aside { position: absolute; left: 940px; top: 140px; width: 320px }
aside p { background: #fff; margin: 0 0 10px; padding: 14px; border-radius: 12px }
</style><header><input aria-label=Search><button id=count onclick=\"this.textContent = 'Seen ' + ++seen\">Seen 0</button></header><script>let seen = 0</script><main>";

/// Serves the page on a port of the loopback address until it is dropped.
pub(super) struct Site {
    server: Arc<Server>,
    address: String,
    worker: Option<JoinHandle<()>>,
}

impl Site {
    pub(super) fn start() -> anyhow::Result<Self> {
        let server = Arc::new(Server::http("127.0.0.1:0").map_err(|error| anyhow!("{error}"))?);
        let address = format!("http://{}/", server.server_addr());
        let worker = std::thread::spawn({
            let (server, page) = (Arc::clone(&server), page());
            move || {
                for request in server.incoming_requests() {
                    let mut response = Response::from_string(page.clone());
                    if let Ok(html) = Header::from_bytes("Content-Type", "text/html; charset=utf-8") {
                        response = response.with_header(html);
                    }
                    // A browser that hung up is no concern of ours.
                    let _ = request.respond(response);
                }
            }
        });
        Ok(Self {
            server,
            address,
            worker: Some(worker),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for row in 0..ROWS {
        let (hue, hour, price) = (row * 37 % 360, 6 + row % 16, 59 + row * 13 % 300);
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "<article><i style=\"background: conic-gradient(hsl({hue} 70% 60%), hsl({} 70% 40%))\"></i>\
             <b>Flight TP {row} at {hour}:05</b><span>{price} €</span><a href=\"/flight/{row}\">Details</a><button>Choose</button></article>",
            (hue + 90) % 360
        );
    }
    page.push_str("</main><aside>");
    for line in 0..12 {
        let _ = write!(
            page,
            "<p>Note {line}: what was seen on the way here, kept for later.</p>"
        );
    }
    page + "</aside></html>"
}
