//! The client against a stand-in that speaks the real protocol and fails in every way.

#![cfg(test)]

mod forms;
mod stand_in;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aurore_chat::{Role, computer_use};
use aurore_remote::{Address, Answer, Limits, Message, Part, Patience, Piece, RemoteError, Request, Server};

use stand_in::{Reply, StandIn, call, chunk, end};

fn request() -> Request {
    Request {
        messages: vec![Message {
            role: Role::User,
            parts: vec![Part::Text("Press it.".into())],
            calls: Vec::new(),
        }],
        tools: vec![computer_use::schema(false)],
        max_tokens: 100,
    }
}

fn quick() -> (Limits, Patience) {
    let limits = Limits {
        connect: Duration::from_secs(5),
        first: Duration::from_millis(500),
        next: Duration::from_millis(500),
        whole: Duration::from_secs(20),
    };
    let patience = Patience {
        attempts: 3,
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(50),
    };
    (limits, patience)
}

fn server(stand_in: &StandIn) -> Server {
    let (limits, patience) = quick();
    let address = Address::parse(&stand_in.address()).unwrap();
    Server::new(
        address,
        Some("secret-key".into()),
        limits,
        patience,
        Arc::default(),
    )
}

fn ask(stand_in: &StandIn) -> Result<Answer, RemoteError> {
    server(stand_in).ask("m", &request(), &mut |_| ())
}

fn good() -> Reply {
    Reply::stream(&[
        chunk("Intent: press"),
        call(r#"{"action": "back"}"#),
        end("tool_calls"),
    ])
}

#[test]
fn an_answer_comes_in_pieces_and_is_given_out_whole() {
    let stand_in = StandIn::new(vec![good()]);
    let mut seen = Vec::new();
    let answer = server(&stand_in)
        .ask("m", &request(), &mut |piece| seen.push(piece.clone()))
        .unwrap();
    assert_eq!(seen, [Piece::Text("Intent: press".into())]);
    assert_eq!(answer.turn.calls[0].arguments["action"], "back");
    let asked = stand_in.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/v1/chat/completions");
    assert_eq!(asked[0].key.as_deref(), Some("Bearer secret-key"));
    assert_eq!(
        (&asked[0].body["model"], &asked[0].body["stream"]),
        (&"m".into(), &true.into())
    );
    assert_eq!(asked[0].body["tools"][0]["function"]["name"], "computer_use");
}

#[test]
fn whatever_passes_is_tried_again() {
    let broken: Vec<(&str, Reply)> = vec![
        (
            "429",
            Reply::status(429, r#"{"error": {"message": "busy"}}"#).with("Retry-After", "0"),
        ),
        ("500", Reply::status(500, "oops")),
        ("503", Reply::status(503, "")),
        ("hang up at once", Reply::HangUp),
        ("die in the head", Reply::raw("HTTP/1.1 200 OK\r\ncontent-ty")),
        ("die in a word", Reply::dying(&[chunk("Intent: pre")])),
        (
            "die in a call",
            Reply::dying(&[chunk("x"), call(r#"{"action": "left_cli"#)]),
        ),
        (
            "die before the end",
            Reply::dying(&[call(r#"{"action": "forward"}"#)]),
        ),
        (
            "end without an end",
            Reply::stream(&[call(r#"{"action": "forward"}"#)]),
        ),
        (
            "fail in the stream",
            Reply::stream(&[chunk("x"), r#"{"error": {"message": "out of memory"}}"#.into()]),
        ),
        ("silent from the start", Reply::Silent(Vec::new())),
        (
            "silent in the middle",
            Reply::Silent(vec![call(r#"{"action": "forward"}"#)]),
        ),
    ];
    for (name, reply) in broken {
        let stand_in = StandIn::new(vec![reply, good()]);
        let mut again = 0;
        let answer = server(&stand_in).ask("m", &request(), &mut |piece| {
            again += u32::from(*piece == Piece::Again);
        });
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer.turn.calls.len(), 1, "{name}");
        assert_eq!(
            answer.turn.calls[0].arguments["action"], "back",
            "{name}: half an answer was used"
        );
        assert_eq!((stand_in.asked().len(), again), (2, 1), "{name}");
    }
}

#[test]
fn patience_ends_with_the_last_reason() {
    let stand_in = StandIn::new(vec![Reply::status(503, "loading"); 5]);
    let mut server = server(&stand_in);
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    server.on_trouble({
        let told = Arc::clone(&told);
        move |trouble| {
            told.lock()
                .unwrap()
                .push((trouble.failed, trouble.pause.as_millis()));
        }
    });
    let error = server.ask("m", &request(), &mut |_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("after 3 attempts: the server answers 503: loading"),
        "{error}"
    );
    assert_eq!(stand_in.asked().len(), 3);
    assert_eq!(*told.lock().unwrap(), [(1, 10), (2, 20)]);
    // Nobody listens any more.
    let address = stand_in.address();
    drop(stand_in);
    let (limits, patience) = quick();
    let mut server = Server::new(
        Address::parse(&address).unwrap(),
        None,
        limits,
        patience,
        Arc::default(),
    );
    let error = server.ask("m", &request(), &mut |_| ()).unwrap_err();
    assert!(
        matches!(error, RemoteError::Unreachable { attempts: 3, .. }),
        "{error}"
    );
}

#[test]
fn a_refusal_is_final_and_says_what_to_do() {
    for (status, body, hint) in [
        (401, r#"{"error": {"message": "no key"}}"#, "--model-key-env"),
        (404, r#"{"error": {"message": "no such model"}}"#, "--model-name"),
        (
            400,
            r#"{"error": {"message": "images are not supported"}}"#,
            "read pictures",
        ),
        (
            400,
            r#"{"message": "This model's maximum context length is 4096 tokens"}"#,
            "--model-context",
        ),
        (307, "", "no other address"),
        (418, "teapot", "server's log"),
    ] {
        let stand_in = StandIn::new(vec![
            Reply::status(status, body).with("Location", "http://127.0.0.1:9/"),
            good(),
        ]);
        let error = ask(&stand_in).unwrap_err();
        assert!(error.to_string().contains(hint), "{status}: {error}");
        assert!(!error.to_string().contains("secret-key"));
        assert_eq!(stand_in.asked().len(), 1, "{status} was asked again");
    }
    let stand_in = StandIn::new(vec![Reply::whole("text/html", "<html>")]);
    assert!(matches!(ask(&stand_in), Err(RemoteError::NotTheProtocol { .. })));
    let stand_in = StandIn::new(vec![Reply::stream(&["{oops".into()])]);
    assert!(matches!(ask(&stand_in), Err(RemoteError::NotTheProtocol { .. })));
}

#[test]
fn a_stop_ends_the_waiting_at_once() {
    for reply in [
        Reply::Silent(vec![chunk("x")]),
        Reply::status(503, "").with("Retry-After", "30"),
    ] {
        let stand_in = StandIn::new(vec![reply]);
        let stop = Arc::new(AtomicBool::new(false));
        let limits = Limits::default();
        let patience = Patience::default();
        let mut server = Server::new(
            Address::parse(&stand_in.address()).unwrap(),
            None,
            limits,
            patience,
            Arc::clone(&stop),
        );
        let asked = stand_in.watch();
        let stopper = std::thread::spawn(move || {
            asked.recv().unwrap();
            stop.store(true, Ordering::SeqCst);
        });
        assert_eq!(
            server.ask("m", &request(), &mut |_| ()),
            Err(RemoteError::Stopped)
        );
        stopper.join().unwrap();
    }
}

#[test]
fn the_only_model_needs_no_name() {
    let list = |ids: &[&str]| {
        let data: Vec<String> = ids
            .iter()
            .map(|id| format!(r#"{{"id": "{id}", "object": "model", "max_model_len": 4096}}"#))
            .collect();
        Reply::whole(
            "application/json",
            &format!(r#"{{"object": "list", "data": [{}]}}"#, data.join(",")),
        )
    };
    let one = server(&StandIn::new(vec![list(&["a"])])).find(None).unwrap();
    assert_eq!((one.id.as_str(), one.max_model_len), ("a", Some(4096)));
    let stand_in = StandIn::new(vec![list(&["a", "b"]); 3]);
    let error = server(&stand_in).find(None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("serves a, b: name one with --model-name"),
        "{error}"
    );
    assert_eq!(
        server(&stand_in).find(Some("b")).unwrap().max_model_len,
        Some(4096)
    );
    assert_eq!(server(&stand_in).find(Some("c")).unwrap().id, "c");
}
