//! Places: where something is done, and where it leads.

use aurore_action::Target;

use super::Classified;
use crate::{Context, Effect, Tier, fold::fold, origin};

/// Whether the place itself is one where the run may act.
pub(super) fn here(target: Option<&Target>, context: &Context) -> Classified {
    let unknown = [
        target.map_or("", |target| target.origin.as_str()),
        context.origin.as_str(),
    ]
    .into_iter()
    .find(|origin| !origin.is_empty() && !origin::is_known(origin, context));
    match unknown {
        Some(origin) => Classified::new(
            Tier::Once,
            Effect::NewPlace,
            format!("acts on {origin}, which neither the goal nor the start of the run names"),
        ),
        None if context.origin.is_empty() && target.is_none_or(|target| target.origin.is_empty()) => {
            Classified::new(
                Tier::Once,
                Effect::NewPlace,
                "acts on a page whose origin is not known",
            )
        }
        None => Classified::free("acts on a page that the person knows"),
    }
}

/// Following a link.
pub(super) fn following(link: &str, target: &Target, context: &Context) -> Classified {
    let scheme = link.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let leads = match scheme.as_str() {
        "javascript" => Classified::free("runs the page's own script"),
        "mailto" | "tel" | "sms" => Classified::new(
            Tier::Once,
            Effect::Program,
            "opens another program to write or call",
        ),
        "blob" | "data" => Classified::new(
            Tier::Once,
            Effect::NoWebPage,
            "opens something that the page made",
        ),
        _ => opening(link, context),
    };
    match spoken_address(&target.label) {
        Some(said) if !said.is_empty() && !origin::is_same_site(&said, link) => leads.or(Classified::new(
            Tier::Always,
            Effect::Disguise,
            format!(
                "follows a link that says {said} and leads to {}",
                origin::of_url(link)
            ),
        )),
        _ => leads,
    }
}

/// The host that a link's text names, if the text is an address: `www.bank.example`, `https://bank.example/x`.
fn spoken_address(label: &str) -> Option<String> {
    let text = fold(label);
    let word = text
        .split_whitespace()
        .next()
        .filter(|_| text.split_whitespace().count() == 1)?;
    let bare = word
        .strip_prefix("https://")
        .or_else(|| word.strip_prefix("http://"));
    let host = bare.unwrap_or(word).split(['/', '?', '#', ':']).next()?;
    let (name, top) = host.rsplit_once('.')?;
    let is_host = !name.is_empty()
        && host
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '.' | '-'))
        && top.len() > 1
        && top.chars().all(char::is_alphabetic);
    // Without a scheme it may as well be a file's name: only `www.` or a slash says that it is an address.
    (is_host && (bare.is_some() || host.starts_with("www.") || word.contains('/'))).then(|| host.to_owned())
}

/// Opening an address.
pub(super) fn opening(address: &str, context: &Context) -> Classified {
    let origin = origin::of_url(address);
    let lower = address.trim().to_ascii_lowercase();
    if lower == "about:blank" {
        return Classified::free("opens an empty page");
    }
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Classified::new(Tier::Hands, Effect::NoWebPage, "opens what is no web page");
    }
    let disguised =
        url::Url::parse(address).is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
    if disguised {
        return Classified::new(
            Tier::Always,
            Effect::Disguise,
            format!("opens {origin} with a name or password in the address"),
        );
    }
    if origin::is_known(&origin, context) {
        Classified::free("opens a page on an origin that the person knows")
    } else if origin::is_local(&origin) {
        Classified::new(
            Tier::Always,
            Effect::LocalPlace,
            format!("opens {origin} inside this machine or its network"),
        )
    } else {
        Classified::new(
            Tier::Once,
            Effect::NewPlace,
            format!("opens {origin}, which neither the goal nor the start of the run names"),
        )
    }
}
