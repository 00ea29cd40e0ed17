//! Checks the values that name places: the store, the model's server, hosts.
//! No flaw quotes a URL, since it may hold a password.

use hyper::Uri;

use super::problem::Flaw;
use super::store::is_memory;

/// Accepts the URL of a store that this build can keep, and says of the others
/// why not.
pub(super) fn store(url: &str) -> Result<(), Flaw> {
    const FIX: &str = "for example `sqlite://.zupa/zupa.db`, the default";
    if is_memory(url) {
        return Ok(());
    }
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    match (scheme, rest.strip_prefix("//")) {
        ("sqlite", Some(path)) if is_file(path) => Ok(()),
        ("sqlite", _) => Err(Flaw::new(
            "not a URL of a SQLite file",
            "expected `sqlite://` and the path of a file, without `?` and `#`",
            FIX,
        )),
        ("postgres" | "postgresql", _) if !cfg!(feature = "postgres") => Err(Flaw::new(
            "this zupa was built without the feature postgres",
            "it knows one store, a SQLite file",
            "build it with the feature, as in `cargo install zupa --features postgres`, \
             or keep the store in `sqlite://PATH`",
        )),
        ("postgres" | "postgresql", Some(rest)) => postgres(url, rest),
        ("redis" | "rediss", _) => Err(Flaw::new(
            "Redis is not a store",
            "the store is the truth; Redis may stand in front of it as a log of what came in",
            "keep the store in `sqlite://PATH` and name Redis in `[intake] url`",
        )),
        _ => Err(Flaw::new(
            "not the URL of a store",
            "allowed: `sqlite://PATH`, `sqlite::memory:`, `postgres://USER@HOST/DATABASE`",
            FIX,
        )),
    }
}

/// Accepts what leaves no doubt where the password ends, since everything but
/// the password is shown.
fn postgres(url: &str, rest: &str) -> Result<(), Flaw> {
    const FIX: &str = "for example `postgres://zupa@db.example.com:5432/zupa?sslmode=verify-full`, \
                       and the password in `store.password`";
    let flaw = |what: &str, why: &str| Err(Flaw::new(what, why, FIX));
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let ats = authority.matches('@').count();
    if ats > 1 || ats != rest.matches('@').count() || url.contains('#') {
        return flaw(
            "a character that must be escaped",
            "in a user, password or database `@ / ? #` are written `%40 %2F %3F %23`",
        );
    }
    let names = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    if names("password") {
        return flaw(
            "a password among the parameters",
            "parameters are shown; secrets go by reference",
        );
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.is_empty() && !names("host") && !names("hostaddr") {
        return flaw(
            "no host",
            "expected `postgres://`, a user, `@`, a host, `/` and a database",
        );
    }
    if !is_postgres(url) {
        return flaw(
            "not the URL of a Postgres database",
            "expected `postgres://`, a user, `@`, a host, `/` and a database, and known parameters",
        );
    }
    Ok(())
}

#[cfg(feature = "postgres")]
fn is_postgres(url: &str) -> bool {
    zupa_postgres::PostgresConfig::at(url).is_ok()
}

#[cfg(not(feature = "postgres"))]
fn is_postgres(_: &str) -> bool {
    false
}

fn is_file(path: &str) -> bool {
    !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#', '\0'])
}

/// Accepts what [`http`] does, with `{argument}` in places behind the host, and
/// with a query.
pub(super) fn template(url: &str, fix: &str) -> Result<(), Flaw> {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = before.split("://").nth(1).unwrap_or_default();
    let host = authority.split('/').next().unwrap_or_default();
    if host.contains(['{', '}']) {
        let why = "a model would choose which server is asked";
        return Err(Flaw::new("an argument in the host", why, fix));
    }
    if query.contains('#') {
        let why = "servers never see it";
        return Err(Flaw::new("a fragment in the URL", why, fix));
    }
    http(&before.replace(['{', '}'], ""), fix)
}

/// Accepts `http://` and `https://` with a host and perhaps a path.
pub(super) fn http(url: &str, fix: &str) -> Result<(), Flaw> {
    let flaw = |what: &str, why: &str| Err(Flaw::new(what, why, fix));
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
    host.chars().all(plain) && http(&format!("http://{host}"), "").is_ok()
}
