//! The pages that the tests use, served over loopback.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use tiny_http::{Header, Request, Response, Server};

/// A page that writes down every event that reaches it.
const RECORDER: &str = r"<!doctype html><title>Recorder</title>
<style>body { margin: 0; height: 3000px; width: 3000px } #pad { position: absolute; left: 20px; top: 20px; width: 200px; height: 100px; background: #ccc }
#list { position: absolute; left: 300px; top: 20px; width: 200px; height: 100px; overflow: scroll } #list div { width: 2000px; height: 2000px }
#field { position: absolute; left: 20px; top: 150px; width: 200px } #area { position: absolute; left: 20px; top: 200px; width: 200px; height: 80px }</style>
<div id=pad>pad</div><div id=list><div>list</div></div><input id=field aria-label=Field><textarea id=area aria-label=Area></textarea>
<script>
window.log = [];
const at = (e) => `${e.type} ${e.clientX},${e.clientY} b${e.button} n${e.detail}` + (e.ctrlKey ? ' ctrl' : '') + (e.shiftKey ? ' shift' : '');
for (const type of ['mousedown', 'mouseup', 'click', 'dblclick', 'contextmenu', 'auxclick']) addEventListener(type, (e) => log.push(at(e)));
addEventListener('mousemove', (e) => { if (e.buttons) log.push(`drag ${e.clientX},${e.clientY}`); });
addEventListener('wheel', (e) => log.push(`wheel ${e.target.parentElement?.id || 'page'} ${e.deltaX},${e.deltaY}`));
for (const type of ['keydown', 'keyup']) addEventListener(type, (e) => log.push(`${type} ${e.key} ${e.code}` + (e.ctrlKey ? ' ctrl' : '') + (e.shiftKey ? ' shift' : '') + (e.repeat ? ' repeat' : '')));
addEventListener('contextmenu', (e) => e.preventDefault());
</script>";

/// The shape of an ordinary page: `BODY` is put in its place.
const FRAME: &str = "<!doctype html><meta charset=utf-8><title>Page</title><style>body{margin:0;font:16px sans-serif}</style>\n<script>window.log = [];</script>\n";

fn bodies(path: &str) -> Option<String> {
    let other = address("").replace("127.0.0.1", "localhost");
    let body = match path {
        "plain" => "<h1>Plain</h1><a id=link href=/other>Other</a>".to_owned(),
        "other" => "<h1>Other</h1>".to_owned(),
        "form" => include_str!("pages/form.html").to_owned(),
        "frames" => format!(
            "<div style='height:40px'>above</div><iframe id=near src=/inner style='width:300px;height:150px;border:5px solid red;padding:7px'></iframe>
             <iframe id=far src={other}inner style='width:300px;height:150px;border:3px solid blue'></iframe>"
        ),
        "inner" => "<div style='height:30px'></div><button id=inside style='margin-left:20px' onclick='log.push(1);this.textContent=\"Done\"'>Inside</button><input id=within aria-label=Within>".to_owned(),
        "shadow" => include_str!("pages/shadow.html").to_owned(),
        "dialogs" => include_str!("pages/dialogs.html").to_owned(),
        "drag" => include_str!("pages/drag.html").to_owned(),
        "swap" => include_str!("pages/swap.html").to_owned(),
        "focus" => include_str!("pages/focus.html").to_owned(),
        "traps" => include_str!("pages/traps.html").to_owned(),
        "tabs" => "<a id=new href=/other target=_blank>New tab</a><button id=popup onclick=\"window.open('/plain')\">Popup</button>".to_owned(),
        "list" => "<select id=list aria-label=Country onchange='log.push(this.value)'><option>France<option>Ghana<option>Peru</select>".to_owned(),
        "late" => "<script>setTimeout(() => { document.body.innerHTML = '<button id=late>Late</button>' }, 30)</script>".to_owned(),
        "spin" => "<button id=spin onclick='for(;;);'>Spin</button>".to_owned(),
        "away" => format!("<a id=away href={other}other>Away</a><button id=go onclick=\"location.href='{other}other'\">Go</button>"),
        "sandbox" => "<iframe sandbox srcdoc='<style>body{margin:0}</style><button style=\"width:200px;height:60px\">Inside</button><input type=checkbox id=box style=\"width:60px;height:60px\">' style='border:0;width:300px;height:100px'></iframe>".to_owned(),
        "pictures" => "<button id=drawn onclick=log.push(1)><svg width=80 height=60><rect id=colour width=80 height=60 fill=green></rect></svg></button>
            <button id=behind onclick=log.push(1) style='display: block; width: 80px; height: 60px; background-image: linear-gradient(green, green)'></button>
            <button id=named aria-label=Green onclick=log.push(1)><svg width=80 height=60><rect id=other width=80 height=60 fill=green></rect></svg></button>".to_owned(),
        "canvas" => "<canvas id=canvas width=200 height=100 onclick=log.push(1)></canvas><script>const paint = (colour) => { const drawing = canvas.getContext('2d'); drawing.fillStyle = colour; drawing.fillRect(0, 0, 200, 100); }; paint('green');</script>".to_owned(),
        "ordinary" => include_str!("pages/ordinary.html").to_owned(),
        "clobber" => include_str!("pages/clobber.html").to_owned(),
        _ => return None,
    };
    Some(format!("{FRAME}{body}"))
}

/// The address of a page.
pub(crate) fn address(path: &str) -> String {
    static PORT: OnceLock<u16> = OnceLock::new();
    let port = PORT.get_or_init(|| {
        let server = Server::http("127.0.0.1:0").unwrap();
        let port = server.server_addr().to_ip().unwrap().port();
        std::thread::spawn(move || {
            for request in server.incoming_requests() {
                answer(request);
            }
        });
        port
    });
    format!("http://127.0.0.1:{port}/{path}")
}

fn answer(request: Request) {
    let path = request
        .url()
        .trim_start_matches('/')
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned();
    match path.as_str() {
        // It takes the connection and says nothing.
        "never" => {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_mins(1));
                drop(request);
            });
        }
        // It begins a page and never ends it.
        "endless" => {
            std::thread::spawn(move || {
                let mut stream = request.into_writer();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>Endless</title><button id=here>Here</button>"
                );
                let _ = stream.flush();
                std::thread::sleep(Duration::from_mins(1));
            });
        }
        "redirect" => {
            let to = address("other").replace("127.0.0.1", "localhost");
            let header = Header::from_bytes("Location", to).unwrap();
            let _ = request.respond(Response::empty(302).with_header(header));
        }
        "drawing.svg" | "note.txt" => {
            let (kind, body) = match path.as_str() {
                "drawing.svg" => (
                    "image/svg+xml",
                    "<svg xmlns='http://www.w3.org/2000/svg'><a href='/other'><rect width='200' height='200'/></a></svg>",
                ),
                _ => ("text/plain", "Only text."),
            };
            let header = Header::from_bytes("Content-Type", kind).unwrap();
            let _ = request.respond(Response::from_string(body).with_header(header));
        }
        // Its policy lets no script run.
        "strict" => {
            let kind = Header::from_bytes("Content-Type", "text/html").unwrap();
            let policy = Header::from_bytes(
                "Content-Security-Policy",
                "default-src 'none'; sandbox allow-same-origin",
            )
            .unwrap();
            let body = "<a href=/other style='font-size:40px'>Other</a>";
            let _ = request.respond(Response::from_string(body).with_header(kind).with_header(policy));
        }
        "file.zip" => {
            let header = Header::from_bytes("Content-Type", "application/zip").unwrap();
            let _ = request.respond(Response::from_string("PK").with_header(header));
        }
        _ => {
            let page = if path == "recorder" {
                Some(RECORDER.to_owned())
            } else {
                bodies(&path)
            };
            let header = Header::from_bytes("Content-Type", "text/html; charset=utf-8").unwrap();
            let code = if page.is_some() { 200 } else { 404 };
            let _ = request.respond(
                Response::from_string(page.unwrap_or_default())
                    .with_header(header)
                    .with_status_code(code),
            );
        }
    }
}
