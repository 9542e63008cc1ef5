//! The loopback server that hands the pages to the browser.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::anyhow;
use tiny_http::{Header, Method, Request, Response, Server};

use super::{BUNDLED, MiniWob};
use crate::failure::WithHint;

/// The largest file that is handed out.
const FILE_LIMIT: u64 = 16 << 20;

/// Serves the bundled pages under `/apps/`, and MiniWoB++'s folder or one page of the person's beside them, on a port of
/// the system's choice of the loopback address. Ends when dropped.
pub struct Site {
    server: Arc<Server>,
    origin: String,
    worker: Option<JoinHandle<()>>,
}

impl Site {
    /// Starts serving.
    ///
    /// # Errors
    /// When no port can be opened.
    pub fn start(miniwob: Option<&MiniWob>) -> anyhow::Result<Self> {
        Self::serve(miniwob.map(|pages| pages.root().to_path_buf()), None)
    }

    /// The same with one page of the person's, and nothing that stands beside it: under `/own/` and its name.
    ///
    /// # Errors
    /// When no port can be opened.
    pub fn of_page(page: PathBuf) -> anyhow::Result<Self> {
        Self::serve(None, Some(page))
    }

    fn serve(root: Option<PathBuf>, own: Option<PathBuf>) -> anyhow::Result<Self> {
        let server = Server::http("127.0.0.1:0")
            .map_err(|error| anyhow!("{error}"))
            .with_hint(
                "cannot serve the pages on the loopback address",
                "is the loopback interface up?",
            )?;
        let address = server
            .server_addr()
            .to_ip()
            .ok_or_else(|| anyhow!("the page server has no address"))?;
        let server = Arc::new(server);
        let worker = std::thread::spawn({
            let server = Arc::clone(&server);
            move || {
                for request in server.incoming_requests() {
                    answer(request, root.as_deref(), own.as_deref());
                }
            }
        });
        Ok(Self {
            server,
            origin: format!("http://{address}"),
            worker: Some(worker),
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> &str {
        &self.origin
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

fn answer(request: Request, root: Option<&Path>, own: Option<&Path>) {
    let content = (*request.method() == Method::Get)
        .then(|| content(request.url(), root, own))
        .flatten();
    // A browser that hung up is no concern of ours.
    let _ = match content {
        Some((kind, bytes)) => {
            let mut response = Response::from_data(bytes);
            if let Ok(header) = Header::from_bytes("Content-Type", kind) {
                response.add_header(header);
            }
            request.respond(response)
        }
        None => request.respond(Response::from_string("not found").with_status_code(404)),
    };
}

/// Type and bytes of what an address names: a bundled page, the person's own, or a file in the folder.
fn content(url: &str, root: Option<&Path>, own: Option<&Path>) -> Option<(&'static str, Vec<u8>)> {
    let path = url.split(['?', '#']).next()?.strip_prefix('/')?;
    if let Some(page) = path.strip_prefix("apps/") {
        let name = page.strip_suffix(".html")?;
        let (_, text) = BUNDLED.iter().find(|(bundled, _)| *bundled == name)?;
        return Some(("text/html; charset=utf-8", text.as_bytes().to_vec()));
    }
    let file = match path.strip_prefix("own/") {
        Some(_) => own?.to_path_buf(),
        None => inside(root?, path)?,
    };
    let metadata = std::fs::metadata(&file).ok()?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return None;
    }
    Some((content_type(&file.to_string_lossy()), std::fs::read(&file).ok()?))
}

/// The file below `root`; `None` for a path that could lead out of it.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    path.split('/').all(plain).then(|| root.join(path))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_pages_are_served_with_their_query() {
        let (kind, page) = content("/apps/cookies.html?seed=3", None, None).unwrap();
        assert!(kind.starts_with("text/html"));
        assert!(page.starts_with(b"<!doctype html>"));
        assert!(content("/apps/unknown.html", None, None).is_none());
    }

    #[test]
    fn only_files_below_the_folder_are_served() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("core")).unwrap();
        std::fs::write(root.join("core/core.js"), "1").unwrap();
        std::fs::write(folder.path().join("secret"), "2").unwrap();
        assert_eq!(
            content("/core/core.js", Some(&root), None),
            Some(("text/javascript; charset=utf-8", b"1".to_vec()))
        );
        for outside in [
            "/../secret",
            "/core/../../secret",
            "/%2e%2e/secret",
            "//etc/passwd",
            "/core",
            "/core/",
            "/.hidden",
            "/core\\..\\..\\secret",
        ] {
            assert_eq!(content(outside, Some(&root), None), None, "{outside}");
        }
    }
}
