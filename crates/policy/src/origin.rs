//! Origins: which are the same, which the person knows, which are this machine.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{
    Context,
    fold::{fold, has_phrase},
};

/// Origin of an address in its ASCII form, or its scheme for what has none (`about:`); empty for what is no
/// address.
pub fn of_url(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}

/// Whether two origins are the same, however they are spelled.
pub(crate) fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && (one == other || normal(one) == normal(other))
}

/// Whether the run may act there without asking: the person started there, said yes to it or named it.
pub(crate) fn is_known(origin: &str, context: &Context) -> bool {
    is_blank(origin)
        || context.known_origins.iter().any(|known| same(known, origin))
        || is_named(origin, &context.goal)
}

/// Whether the goal names the origin's host (on this machine: host and port), or the app by the last part of its
/// identity (`org.gnome.Calculator` is "calculator").
pub(crate) fn is_named(origin: &str, goal: &str) -> bool {
    let Ok(url) = Url::parse(origin) else {
        let app = fold(origin.rsplit('.').next().unwrap_or_default());
        return app.chars().count() > 3 && has_phrase(&fold(goal), &app);
    };
    let Some(host) = url.host_str() else {
        return false;
    };
    let host = host.strip_prefix("www.").unwrap_or(host);
    let wanted = match (is_local(origin), url.port_or_known_default()) {
        (true, Some(port)) => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    let goal = fold(goal);
    goal.match_indices(&wanted).any(|(start, _)| {
        let before = goal[..start].strip_suffix("www.").unwrap_or(&goal[..start]);
        let mut after = goal[start + wanted.len()..].chars();
        let next = after.next();
        let continues = next.is_some_and(|next| {
            next.is_alphanumeric()
                || next == '-'
                || (next == '.' && after.next().is_some_and(char::is_alphanumeric))
        });
        let begins = before
            .chars()
            .next_back()
            .is_none_or(|last| !last.is_alphanumeric() && !matches!(last, '-' | '.' | '@'));
        begins && !continues
    })
}

/// Whether a link's address is of the host that its text names, or of a part of it.
pub(crate) fn is_same_site(said: &str, link: &str) -> bool {
    let plain = |host: &str| {
        host.strip_prefix("www.")
            .unwrap_or(host)
            .trim_end_matches('.')
            .to_owned()
    };
    // Through the parser, so that both are in their ASCII form.
    let host = |address: &str| Url::parse(address).ok().and_then(|url| url.host_str().map(plain));
    match (host(&format!("https://{said}/")), host(link)) {
        (Some(said), Some(led)) => {
            said == led || led.ends_with(&format!(".{said}")) || said.ends_with(&format!(".{led}"))
        }
        _ => false,
    }
}

/// Whether the origin is one of the agent's own controls. A control on this machine stands for its port under
/// every name that this machine has.
pub(crate) fn is_control(origin: &str, controls: &[String]) -> bool {
    let port = |origin: &str| {
        Url::parse(origin)
            .ok()
            .and_then(|url| url.port_or_known_default())
    };
    controls.iter().any(|control| {
        same(control, origin) || (is_local(control) && is_local(origin) && port(control) == port(origin))
    })
}

/// Whether the origin is this machine or its private network: what is there trusts who can reach it.
pub(crate) fn is_local(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            match name.rsplit_once('.') {
                Some((_, top)) => matches!(top, "localhost" | "local" | "internal"),
                None => true,
            }
        }
        Some(Host::Ipv4(address)) => is_local_address(address.into()),
        Some(Host::Ipv6(address)) => is_local_address(address.into()),
        None => false,
    }
}

/// Whether what is typed there travels in the clear.
pub(crate) fn is_insecure(origin: &str) -> bool {
    origin.starts_with("http:") && !is_local(origin)
}

fn is_local_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_local_address(mapped.into()),
            None => {
                address.is_loopback()
                    || address.is_unspecified()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            }
        },
    }
}

/// A page with nothing on it.
fn is_blank(origin: &str) -> bool {
    matches!(origin, "about:blank" | "about:")
}

fn normal(origin: &str) -> String {
    Url::parse(origin)
        .ok()
        .filter(|url| url.origin().is_tuple())
        .map_or_else(
            || origin.trim_end_matches('/').to_owned(),
            |url| url.origin().ascii_serialization(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_names_hosts_and_nothing_like_them() {
        let goal = "Buy tea on shop.example, not elsewhere.";
        assert!(is_named("https://shop.example", goal) && is_named("https://www.shop.example", goal));
        assert!(!is_named("https://evil-shop.example", goal));
        assert!(!is_named("https://shop.example.evil.test", goal));
        assert!(!is_named("https://hop.example", goal));
        assert!(!is_named("https://shop.example", "write to bob@shop.example"));
        assert!(is_named(
            "http://127.0.0.1:8000",
            "open http://127.0.0.1:8000/index"
        ));
        assert!(!is_named(
            "http://127.0.0.1:8001",
            "open http://127.0.0.1:8000/index"
        ));
    }

    #[test]
    fn a_control_has_many_names() {
        let controls = ["http://127.0.0.1:7777".to_owned()];
        for origin in [
            "http://localhost:7777",
            "http://[::1]:7777",
            "http://2130706433:7777",
            "http://127.1:7777",
            "http://0.0.0.0:7777",
            "http://a.localhost:7777",
            "http://[::ffff:127.0.0.1]:7777",
        ] {
            assert!(is_control(origin, &controls), "{origin}");
        }
        assert!(!is_control("http://localhost:7778", &controls));
        assert!(!is_control("https://shop.example:7777", &controls));
    }
}
