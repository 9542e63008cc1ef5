//! A small client for the apps' pages.

use std::io::{Read, Write};
use std::net::TcpStream;

use aurore_apps::{App, Goal, Site};

/// A site that shows the world of a goal.
pub(crate) struct Visitor {
    pub(crate) site: Site,
    pub(crate) goal: Goal,
}

/// What an app answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Visitor {
    pub(crate) fn new(goal: Goal) -> Self {
        let mut site = Site::start(goal.family.suite()).unwrap();
        site.begin(&goal).unwrap();
        Self { site, goal }
    }

    pub(crate) fn get(&self, app: App, path: &str) -> Answer {
        self.send(app, &format!("GET {path} HTTP/1.1\r\n"), "")
    }

    pub(crate) fn post(&self, app: App, path: &str, form: &str) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        );
        self.send(app, &head, form)
    }

    pub(crate) fn send(&self, app: App, head: &str, body: &str) -> Answer {
        let address = self.site.address(app);
        let host = address.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        // The server may answer and hang up before it has read everything.
        let _ = stream.write_all(format!("{head}Host: {host}\r\nConnection: close\r\n\r\n{body}").as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// What the checker says, in words.
    pub(crate) fn differences(&self) -> Vec<String> {
        self.site
            .differences(&self.goal)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

impl Answer {
    /// Where a redirect leads.
    pub(crate) fn location(&self) -> &str {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix("location: "))
            .unwrap()
    }
}
