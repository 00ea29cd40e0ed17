//! Checks the values that name places: the store, the model's server, hosts.
//! No flaw quotes a URL, since it may hold a password.

use hyper::Uri;

use super::problem::Flaw;

/// Accepts `sqlite://PATH`, and says of the others why not.
pub(super) fn store(url: &str) -> Result<(), Flaw> {
    const FIX: &str = "for example `sqlite://.zupa/zupa.db`, the default";
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let path = rest.strip_prefix("//");
    if scheme == "sqlite" && (path.unwrap_or(rest)).starts_with(":memory:") {
        return Err(Flaw::new(
            "not available yet: the memory store is only in the test kit",
            "it forgets everything at the end of the process, and prod refuses it always",
            FIX,
        ));
    }
    match (scheme, path) {
        ("sqlite", Some(path)) if is_file(path) => Ok(()),
        ("sqlite", _) => Err(Flaw::new(
            "not a URL of a SQLite file",
            "expected `sqlite://` and the path of a file, without `?` and `#`",
            FIX,
        )),
        ("redis" | "rediss", _) => Err(Flaw::new(
            "Redis is not a store",
            "the store is the truth; Redis may stand in front of it as a log of what came in",
            "keep the store in `sqlite://PATH` and name Redis in `[intake] url`",
        )),
        ("postgres" | "postgresql", _) => Err(Flaw::new(
            "not compiled in yet: feature postgres",
            "this binary knows one store, a SQLite file",
            FIX,
        )),
        _ => Err(Flaw::new(
            "not the URL of a store",
            "allowed: `sqlite://PATH`; later `postgres://…`",
            FIX,
        )),
    }
}

fn is_file(path: &str) -> bool {
    !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#', '\0'])
}

/// Accepts `http://` and `https://` with a host and perhaps a path.
pub(super) fn http(url: &str) -> Result<(), Flaw> {
    let flaw = |what: &str, why: &str| {
        Err(Flaw::new(
            what,
            why,
            "for example `https://api.openai.com/v1`, the default",
        ))
    };
    let Ok(uri) = url.parse::<Uri>() else {
        return flaw("not a URL", "expected `http://` or `https://` and a host");
    };
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return flaw(
            "not a URL of a web server",
            "expected `http://` or `https://` and a host",
        );
    };
    if authority.as_str().contains('@') {
        return flaw(
            "a user or password in the URL",
            "URLs are shown; secrets go by reference",
        );
    }
    // `Uri` drops a fragment without a word.
    if uri.query().is_some() || url.contains('#') {
        return flaw("a query or fragment in the URL", "paths are appended to it");
    }
    let port = authority
        .port_u16()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let whole = format!("{}{port}", authority.host());
    if authority.host().is_empty() || whole != authority.as_str() {
        return flaw(
            "no such host or port",
            "expected a host and a port up to 65535, if any",
        );
    }
    Ok(())
}

/// Accepts `host` and `host:port` as a `Host` header spells them.
pub(super) fn is_host(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    host.chars().all(plain) && http(&format!("http://{host}")).is_ok()
}
