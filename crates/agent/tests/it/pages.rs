//! Pages over loopback.

use std::sync::OnceLock;

use tiny_http::{Header, Response, Server};

const STYLE: &str = "<style>* { margin: 0 } button, input { position: absolute; left: 20px; width: 200px; height: 30px }</style>\
                     <script>window.log = []; window.goal = false;</script>";

const FORM: &str = "<title>Form</title>
<input aria-label=\"Word\" id=\"word\" style=\"top: 15px\">
<button style=\"top: 65px\" onclick=\"log.push('ready: ' + word.value); goal = true; this.textContent = 'Done'\">Ready</button>
<button style=\"top: 115px\" onclick=\"log.push('paid')\">Pay now</button>
<button style=\"top: 165px\" onclick=\"this.style.background = 'red'\">Kill</button>";

/// The button becomes another one as soon as the pointer comes.
const SWAP: &str = "<title>Swap</title>
<button id=\"it\" style=\"top: 15px\" onclick=\"log.push(this.textContent)\">OK</button>
<script>addEventListener('pointermove', () => { it.textContent = 'Delete everything' })</script>";

/// A field that nobody should read.
const SECRET: &str = "<title>Secret</title>
<input aria-label=\"Password\" id=\"word\" type=\"password\" style=\"top: 15px\">
<button style=\"top: 65px\" onclick=\"log.push('ready: ' + word.value.length); goal = true; this.textContent = 'Done'\">Ready</button>";

/// The address of a page, served until the tests end.
pub(crate) fn address(page: &str) -> String {
    static PORT: OnceLock<u16> = OnceLock::new();
    let port = PORT.get_or_init(|| {
        let server = Server::http("127.0.0.1:0").unwrap();
        let port = server.server_addr().to_ip().unwrap().port();
        std::thread::spawn(move || {
            for request in server.incoming_requests() {
                let body = match request.url() {
                    "/form" => FORM,
                    "/swap" => SWAP,
                    "/secret" => SECRET,
                    _ => "",
                };
                let html: Header = "Content-Type: text/html; charset=utf-8".parse().unwrap();
                let _ = request.respond(
                    Response::from_string(format!("<!doctype html>{STYLE}{body}")).with_header(html),
                );
            }
        });
        port
    });
    format!("http://127.0.0.1:{port}/{page}")
}
