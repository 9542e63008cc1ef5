//! A secret is typed by its name, on the origin that it is bound to, and stands nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tiny_http::{Header, Response, Server};

use crate::program::Program;

const VALUE: &str = "correct-horse-7";

/// A page that is one field, and what it was given.
fn page() -> (String, Arc<Mutex<Vec<String>>>) {
    let server = Server::http("127.0.0.1:0").unwrap();
    let origin = format!(
        "http://127.0.0.1:{}",
        server.server_addr().to_ip().unwrap().port()
    );
    let got = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&got);
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            if let Some(value) = request.url().strip_prefix("/got?") {
                heard.lock().unwrap().push(value.to_owned());
            }
            let html: Header = "Content-Type: text/html; charset=utf-8".parse().unwrap();
            let body = "<!doctype html><title>Bank</title><input aria-label=PIN style='position:fixed;inset:0;width:100%;height:100%' \
                        onchange=\"fetch('/got?' + this.value)\">";
            let _ = request.respond(Response::from_string(body).with_header(html));
        }
    });
    (origin, got)
}

fn secrets(program: &Program, origin: &str, mode: u32) {
    let file = program.file(
        "secrets.toml",
        format!(
            "[[secret]]\nname = \"bank\"\norigins = [\"{origin}\"]\ncommand = [\"printf\", \"{VALUE}\"]\n"
        ),
    );
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Files below a folder that hold the value.
fn holding(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path));
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(VALUE.len()).any(|part| part == VALUE.as_bytes()))
        {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

fn log_in(program: &Program, origin: &str) -> crate::program::Said {
    let script = program.file(
        "log-in.jsonl",
        "{\"arguments\": {\"action\": \"left_click\", \"coordinate\": [500, 500]}}\n\
         {\"arguments\": {\"action\": \"type\", \"text\": \"{{secret:bank}}\\n\"}}\n\
         {\"arguments\": {\"action\": \"screenshot\"}}\n",
    );
    program.run(&[
        "agent",
        "Log in",
        "--browser",
        origin,
        "--script",
        script.to_str().unwrap(),
        "--json",
        "--approve-with",
        "cat > /dev/null; echo '{\"answer\": \"yes\"}'",
        "--report",
        program.home().join("report.html").to_str().unwrap(),
    ])
}

#[test]
fn its_value_reaches_the_page_and_nothing_that_is_kept() {
    let program = Program::new();
    let (origin, got) = page();
    secrets(&program, &origin, 0o600);
    let said = log_in(&program, &origin);
    assert_eq!(*got.lock().unwrap(), [VALUE], "{}{}", said.out, said.err);
    assert!(
        !said.out.contains(VALUE) && said.out.contains("{{secret:bank}}"),
        "{}",
        said.out
    );
    assert_eq!(holding(program.home()), ["secrets.toml"]);
}

#[test]
fn elsewhere_it_is_not_typed() {
    let program = Program::new();
    let (origin, got) = page();
    secrets(&program, "https://bank.example", 0o600);
    let said = log_in(&program, &origin);
    assert!(said.out.contains("not bound to"), "{}{}", said.out, said.err);
    assert!(got.lock().unwrap().is_empty());
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let program = Program::new();
    secrets(&program, "https://bank.example", 0o644);
    let said = log_in(&program, "http://127.0.0.1:9");
    assert!(
        said.code == 1 && said.err.contains("can be read by others"),
        "{}",
        said.err
    );
    assert!(!said.err.contains(VALUE));
}
