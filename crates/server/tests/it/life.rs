//! Clients that go away, and the server's own end.

use std::io::{Read, Write};

use aurore_engine::{Limits, Statistics};
use aurore_server::Options;
use serde_json::{Value, json};

use crate::client::{Running, body, eos};

/// Forbids an answer's own end.
fn bias() -> Value {
    eos()
        .iter()
        .map(|id| (id.to_string(), (-100).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// An answer that goes on to the end of the context: its own end is forbidden.
fn endless(running: &Running) -> std::net::TcpStream {
    let body = body(json!({"max_tokens": 100_000, "stream": true, "temperature": 1.5, "logit_bias": bias()}));
    let headers = [("content-type", "application/json")];
    running.open("POST", "/v1/chat/completions", &headers, &body.to_string())
}

fn wait(running: &Running, until: impl Fn(&Statistics) -> bool) {
    while !until(&running.scheduler.statistics()) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn who_goes_away_is_answered_no_longer() {
    let running = Running::new();
    let mut streams: Vec<_> = (0..3).map(|_| endless(&running)).collect();
    let mut begun = [0; 600];
    for stream in &mut streams {
        stream.read_exact(&mut begun).unwrap();
    }
    drop(streams);
    wait(&running, |now| {
        now.answers == 3 && now.running == 0 && now.reserved_bytes == 0
    });
    let all = 3 * (running.scheduler.engine().context() as u64 - 100);
    assert!(running.scheduler.statistics().answer_tokens < all);
    assert_eq!(running.chat(json!({})).status, 200);
}

#[test]
fn who_waits_for_the_whole_and_goes_away_is_answered_no_longer() {
    let running = Running::new();
    let headers = [("content-type", "application/json")];
    for (path, more) in [
        ("/v1/chat/completions", json!({"logit_bias": bias()})),
        ("/v1/messages", json!({"temperature": 1.9})),
    ] {
        let mut more = more;
        more["max_tokens"] = 100_000.into();
        let waiting = running.open("POST", path, &headers, &body(more).to_string());
        wait(&running, |now| now.running == 1);
        drop(waiting);
        wait(&running, |now| now.running == 0 && now.reserved_bytes == 0);
    }
    let all = running.scheduler.engine().context() as u64 - 100;
    assert!(running.scheduler.statistics().answer_tokens < 2 * all);
}

#[test]
fn who_does_not_read_is_let_go() {
    let options = Options {
        departure: std::time::Duration::from_millis(50),
        ..Options::default()
    };
    let running = Running::with(options, Limits::default());
    // More than the system keeps for a connection.
    let ask = body(
        json!({"max_tokens": 100_000, "stream": true, "logit_bias": bias(), "n": 8, "logprobs": true,
        "top_logprobs": 20}),
    );
    let headers = [("content-type", "application/json")];
    let mut deaf = running.open("POST", "/v1/chat/completions", &headers, &ask.to_string());
    // A connection that was closed at the other end takes nothing more.
    while deaf.write_all(b"x").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    wait(&running, |now| {
        now.answers == 8 && now.running == 0 && now.reserved_bytes == 0
    });
    assert_eq!(running.chat(json!({})).status, 200);
}

#[test]
fn the_end_waits_for_answers_and_says_what_it_cannot_wait_for() {
    // On a busy machine an answer may be as long as it can be before this test goes on.
    for _ in 0..20 {
        let options = Options {
            patience: std::time::Duration::from_millis(20),
            ..Options::default()
        };
        let mut running = Running::with(options, Limits::default());
        let mut stream = endless(&running);
        stream.read_exact(&mut [0; 600]).unwrap();
        running.stop();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("data: [DONE]"));
        assert!(std::net::TcpStream::connect(running.address).is_err());
        if rest.contains("\"code\":\"shutting_down\"") {
            return;
        }
        assert!(rest.contains("\"finish_reason\":\"length\""), "{rest}");
    }
    panic!("every answer ended before the server did");
}

#[test]
fn a_request_that_arrives_while_it_ends_is_answered_or_told_why_not() {
    let mut refused = 0;
    for _ in 0..30 {
        let options = Options {
            patience: std::time::Duration::ZERO,
            ..Options::default()
        };
        let mut running = Running::with(options, Limits::default());
        let address = running.address;
        let ask = |path: &str, body: Value| {
            let path = path.to_owned();
            std::thread::spawn(move || {
                let mut replies = Vec::new();
                while let Ok(mut stream) = std::net::TcpStream::connect(address) {
                    let text = body.to_string();
                    let head = format!(
                        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
                        text.len()
                    );
                    let mut reply = String::new();
                    // A connection that was not taken any more is closed.
                    if stream.write_all(head.as_bytes()).is_err()
                        || stream.read_to_string(&mut reply).is_err()
                    {
                        break;
                    }
                    replies.push(reply);
                }
                replies
            })
        };
        let asking = [
            ask("/v1/chat/completions", body(json!({"max_tokens": 1}))),
            ask("/v1/responses", json!({"input": "Hi", "max_output_tokens": 1})),
            ask("/v1/embeddings", json!({"input": "Hi"})),
        ];
        wait(&running, |now| now.answers > 3);
        running.stop();
        for reply in asking.into_iter().flat_map(|asking| asking.join().unwrap()) {
            let status = reply.split(' ').nth(1).unwrap_or_default();
            match status {
                // Nothing where it was closed before anything was answered.
                "" | "200" => {}
                "503" => {
                    refused += 1;
                    assert!(
                        reply.contains("shutting_down") && reply.contains("ending"),
                        "{reply}"
                    );
                }
                _ => panic!("{reply}"),
            }
        }
    }
    assert!(refused > 0, "no request came while a server was ending");
}

#[test]
fn silent_streams_show_that_they_live() {
    let options = Options {
        pulse: std::time::Duration::from_millis(1),
        ..Options::default()
    };
    let limits = Limits {
        batch: 1,
        ..Limits::default()
    };
    let running = Running::with(options, limits);
    let mut before = endless(&running);
    before.read_exact(&mut [0; 600]).unwrap();
    // It waits for the other one.
    let headers = [("content-type", "application/json")];
    let ask = body(json!({"stream": true})).to_string();
    let mut waiting = running.open("POST", "/v1/chat/completions", &headers, &ask);
    let mut seen = String::new();
    let mut piece = [0; 64];
    while !seen.contains(": working\n\n") {
        let count = waiting.read(&mut piece).unwrap();
        seen += std::str::from_utf8(&piece[..count]).unwrap();
    }
    drop(before);
    let mut rest = String::new();
    waiting.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
}

#[test]
fn figures_are_told() {
    let running = Running::new();
    running.chat(json!({"max_tokens": 5}));
    // The client may have its answer before the scheduler has counted it.
    wait(&running, |now| now.answers == 1 && now.running == 0);
    let reply = running.get("/metrics");
    assert!(reply.head.contains("text/plain; version=0.0.4"), "{reply:?}");
    let value = |name: &str| -> f64 {
        let line = reply
            .body
            .lines()
            .find_map(|line| line.strip_prefix(&format!("aurore_{name} ")));
        line.unwrap().parse().unwrap()
    };
    assert_eq!((value("answers_total"), value("requests_running")), (1.0, 0.0));
    assert!(value("answer_tokens_total") <= 5.0 && value("prompt_tokens_total") > 3.0);
    assert!(value("cache_bytes") <= value("memory_limit_bytes") && value("first_token_seconds_sum") > 0.0);
}
