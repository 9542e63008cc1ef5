//! Pictures from elsewhere, in every dialect.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aurore_engine::Limits;
use aurore_server::{Options, PictureHosts};
use serde_json::{Value, json};

use crate::client::Running;

/// A GIF of one pixel.
const PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";

/// A server of pictures; `/page` is none, `/away` leads to a host that is not allowed.
struct Elsewhere {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                count.fetch_add(1, Ordering::SeqCst);
                let head = String::from_utf8(head).unwrap();
                let (more, body): (&str, &[u8]) = match head.split(' ').nth(1).unwrap() {
                    "/away" => ("302 Found\r\nlocation: http://127.0.0.1:1/secret", b""),
                    "/page" => ("200 OK\r\ncontent-type: image/png", b"<html>not a picture</html>"),
                    // What it claims to be is not believed.
                    _ => ("200 OK\r\ncontent-type: text/plain", PIXEL),
                };
                let head = format!("HTTP/1.1 {more}\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), body].concat());
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn served(&self) -> Running {
        let host = self.address.to_string();
        let hosts = PictureHosts::new([host.as_str()]).unwrap();
        let options = Options {
            pictures: Some(hosts.with_loopback_for_tests()),
            ..Options::default()
        };
        Running::with(options, Limits::default())
    }
}

/// A request with a picture in each dialect, the place of its address, and the field of the prompt's tokens.
fn requests(url: &str) -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let chat = json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Close it."}]}]);
    vec![
        (
            "/v1/chat/completions",
            json!({"messages": chat, "max_tokens": 2}),
            "messages[0].content[0].image_url",
            "/usage/prompt_tokens",
        ),
        (
            "/v1/messages",
            json!({"max_tokens": 2, "messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": "Close it."}]}]}),
            "messages[0].content[0].source.url",
            "",
        ),
        (
            "/v1/messages/count_tokens",
            json!({"max_tokens": 2, "messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": "Close it."}]}]}),
            "messages[0].content[0].source.url",
            "/input_tokens",
        ),
        (
            "/v1/responses",
            json!({"max_output_tokens": 2, "input": [{"role": "user", "content": [
                {"type": "input_image", "image_url": url}, {"type": "input_text", "text": "Close it."}]}]}),
            "input[0].content[0].image_url",
            "/usage/input_tokens",
        ),
        (
            "/tokenize",
            json!({"messages": chat}),
            "messages[0].content[0].image_url",
            "/count",
        ),
    ]
}

#[test]
fn every_dialect_sees_them() {
    let elsewhere = Elsewhere::new();
    let running = elsewhere.served();
    let inside = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    let (fetched, sent) = (requests(&elsewhere.url("/a.png")), requests(inside));
    for ((path, body, _, tokens), (_, same, ..)) in fetched.iter().zip(&sent) {
        let [fetched, sent] = [body, same].map(|body| running.post(path, body));
        assert_eq!(
            (fetched.status, sent.status),
            (200, 200),
            "{path} {fetched:?} {sent:?}"
        );
        let [fetched, sent] = [fetched, sent].map(|reply| reply.json());
        assert_eq!(fetched.pointer(tokens).is_some(), sent.pointer(tokens).is_some());
        if !tokens.is_empty() {
            assert_eq!(fetched.pointer(tokens), sent.pointer(tokens), "{path}");
        }
    }
    assert_eq!(elsewhere.asked.load(Ordering::SeqCst), fetched.len());
}

#[test]
fn what_cannot_be_had_is_said_with_its_place() {
    let elsewhere = Elsewhere::new();
    let running = elsewhere.served();
    let foreign = "http://127.0.0.1:1/a.png";
    for (url, part) in [
        (elsewhere.url("/page"), "not a picture"),
        (elsewhere.url("/away"), "fetches no pictures from 127.0.0.1:1"),
        (foreign.to_owned(), "fetches no pictures from 127.0.0.1:1"),
        ("file:///etc/passwd".to_owned(), "is not fetched"),
        (String::new(), "no address"),
    ] {
        for (path, body, param, _) in requests(&url) {
            let refused = running.post(path, &body);
            let error = &refused.json()["error"];
            assert_eq!(refused.status, 400, "{path} {url} {error}");
            let said = format!("{} {}", error["param"], error["message"]);
            assert!(said.contains(part) && said.contains(param), "{path} {url} {said}");
        }
    }
    // Only so many, of any size.
    let parts = vec![json!({"type": "image_url", "image_url": elsewhere.url("/a.png")}); 17];
    let refused = running
        .chat(json!({"messages": [{"role": "user", "content": parts}]}))
        .json();
    assert_eq!(refused["error"]["param"], "messages[0].content[16].image_url");
    // Off unless asked for.
    let asked = elsewhere.asked.load(Ordering::SeqCst);
    let running = Running::new();
    for (path, body, param, _) in requests(&elsewhere.url("/a.png")) {
        let refused = running.post(path, &body);
        let error = &refused.json()["error"];
        assert_eq!(refused.status, 400, "{error}");
        let said = format!("{} {}", error["param"], error["message"]);
        assert!(said.contains("fetches nothing") && said.contains(param), "{said}");
    }
    assert_eq!(elsewhere.asked.load(Ordering::SeqCst), asked);
}

#[test]
fn a_kept_response_keeps_what_was_seen() {
    let elsewhere = Elsewhere::new();
    let running = elsewhere.served();
    let (path, body, ..) = requests(&elsewhere.url("/a.png")).swap_remove(3);
    let first = running.post(path, &body).json();
    let asked = elsewhere.asked.load(Ordering::SeqCst);
    let next = running.post(
        path,
        &json!({"previous_response_id": first["id"], "input": "And now?", "max_output_tokens": 2}),
    );
    assert_eq!(next.status, 200, "{next:?}");
    // The picture may be another by now: it is not asked for again.
    assert_eq!(elsewhere.asked.load(Ordering::SeqCst), asked);
    let items = running
        .get(&format!(
            "/v1/responses/{}/input_items",
            first["id"].as_str().unwrap()
        ))
        .json();
    let kept = items["data"][0]["content"][0]["image_url"].as_str().unwrap();
    assert!(kept.starts_with("data:;base64,R0lGOD"), "{kept}");
}
