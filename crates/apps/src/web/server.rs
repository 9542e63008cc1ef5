//! One app, served on a port of its own.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawPathParams, RawQuery, rejection::BytesRejection};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use jiff::civil::Date;
use rusqlite::Connection;
use serde_json::json;

use super::{Answer, Fields, Method, Refusal, Route, Visit};
use crate::{App, AppsError, Look, text};

/// Forms of ours are smaller than this.
const LARGEST_BODY: usize = 16 << 10;

const STYLE: &str = include_str!("../../../../apps/shared/style.css");

/// Nothing but our own style sheet and forms to ourselves: the pages have no scripts.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'";

/// A world that is being shown.
pub(crate) struct Stage {
    pub(crate) look: Look,
    pub(crate) today: Date,
    pub(crate) origins: Vec<(App, String)>,
    pub(crate) databases: BTreeMap<App, Mutex<Connection>>,
}

/// The world that is shown now; nothing before the first goal.
pub(crate) type Shown = Arc<RwLock<Option<Arc<Stage>>>>;

/// An app with its port and its routes.
pub(crate) struct Listening {
    listener: TcpListener,
    app: App,
    /// `http://127.0.0.1:PORT`
    pub(crate) origin: String,
}

impl Listening {
    /// Takes a free port of the loopback address.
    pub(crate) fn open(app: App) -> Result<Self, AppsError> {
        let failed = |source| AppsError::Listen {
            app: app.name(),
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            app,
            origin: format!("http://{address}"),
        })
    }

    /// Answers until the runtime ends.
    pub(crate) async fn serve(self, routes: Vec<Route>, shown: Shown) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        axum::serve(listener, router(self.app, routes, &shown)).await
    }
}

fn router(app: App, routes: Vec<Route>, shown: &Shown) -> Router {
    let mut router = Router::new().route(
        "/style.css",
        on(MethodFilter::GET, || async {
            with_headers((StatusCode::OK, STYLE), "text/css; charset=utf-8")
        }),
    );
    for route in routes {
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
        };
        let shown = Arc::clone(shown);
        let handler =
            move |path: RawPathParams, RawQuery(query): RawQuery, body: Result<Bytes, BytesRejection>| {
                let answer: Result<Fields, Refusal> = (|| {
                    let mut fields = Fields::default();
                    for (name, value) in &path {
                        fields.insert(name, value);
                    }
                    if route.method == Method::Get {
                        fields.read(query.unwrap_or_default().as_bytes());
                    } else {
                        fields.read(&body.map_err(|_| Refusal::large())?);
                    }
                    Ok(fields)
                })();
                let response = respond(app, &shown, |stage, db| {
                    (route.answer)(&Visit {
                        app,
                        stage,
                        db,
                        fields: answer?,
                    })
                });
                async move { response }
            };
        router = router.route(route.path, on(filter, handler));
    }
    let (missing, method) = (Arc::clone(shown), Arc::clone(shown));
    router
        .fallback(move || async move { respond(app, &missing, |_, _| Err(Refusal::missing())) })
        .method_not_allowed_fallback(
            move || async move { respond(app, &method, |_, _| Err(Refusal::method())) },
        )
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
}

/// Answers one request in the world that is shown.
fn respond(
    app: App,
    shown: &Shown,
    answer: impl FnOnce(&Stage, &Connection) -> Result<Answer, Refusal>,
) -> Response {
    let stage = shown.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some((stage, database)) = stage
        .as_ref()
        .and_then(|stage| Some((stage, stage.databases.get(&app)?)))
    else {
        return (StatusCode::SERVICE_UNAVAILABLE, "no world is shown yet").into_response();
    };
    let answered = answer(stage, &database.lock().unwrap_or_else(PoisonError::into_inner));
    match answered {
        Ok(Answer::Page(page)) => with_headers((StatusCode::OK, page), "text/html; charset=utf-8"),
        Ok(Answer::Seen(at)) => match HeaderValue::try_from(at) {
            Ok(at) => (
                StatusCode::SEE_OTHER,
                HeaderMap::from_iter([(header::LOCATION, at)]),
            )
                .into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Err(refusal) => refused(app, stage, &refusal),
    }
}

/// A page that says what is wrong.
fn refused(app: App, stage: &Stage, refusal: &Refusal) -> Response {
    if refusal.status.is_server_error() {
        tracing::error!(app = app.name(), about = %refusal.about, "an app failed");
    }
    let message = text::word(refusal.word, stage.look.language).unwrap_or_default();
    let message = message.replace("{}", &refusal.about);
    let page = stage
        .page(
            app,
            "shared/error.html",
            json!({"status": refusal.status.as_u16(), "message": message}),
        )
        .unwrap_or_else(|error| error.to_string());
    with_headers((refusal.status, page), "text/html; charset=utf-8")
}

fn with_headers(response: impl IntoResponse, kind: &'static str) -> Response {
    let mut response = response.into_response();
    let headers = response.headers_mut();
    for (name, value) in HashMap::from([
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ]) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
