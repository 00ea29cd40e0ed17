//! What to do about what a database server said, by its code (SQLSTATE), or
//! about one that says nothing.

use zupa_core::{Error, ErrorKind};

use super::Code;

/// The exit code and the advice, if the error came from or on the way to a
/// database server and its code says more than its kind.
pub(super) fn said(error: &Error) -> Option<(Code, Option<&'static str>)> {
    if let Some(state) = context(error, "sqlstate") {
        return by_state(state).map(|(code, fix)| (code, Some(fix)));
    }
    let silent = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
    (silent && context(error, "server").is_some()).then_some((
        Code::Unreachable,
        Some("is the server running, and are host, port and sslmode in store.url right?"),
    ))
}

fn by_state(state: &str) -> Option<(Code, &'static str)> {
    Some(match state {
        "3D000" => (
            Code::NotFound,
            "make the database with `createdb`, or name another in store.url",
        ),
        "25006" => (
            Code::Permission,
            "name the primary server in store.url, and see that neither role nor database is set to read only",
        ),
        "42501" => (
            Code::Permission,
            "let the role make the schema: `GRANT CREATE ON DATABASE … TO …`, or make it for the role: `CREATE SCHEMA zupa AUTHORIZATION …`",
        ),
        "53300" => (
            Code::Temporary,
            "wait for a free connection, raise max_connections or the role's CONNECTION LIMIT, or use a pooler",
        ),
        "57P03" => (Code::Temporary, "wait until the server has started"),
        "53100" => (Code::Temporary, "make room on the server's disk"),
        _ if state.starts_with("28") => (
            Code::Permission,
            "check the user in store.url, the password in store.password, and the server's pg_hba.conf",
        ),
        _ if state.starts_with("08") || state.starts_with("57") => {
            (Code::Unreachable, "see the server's log, and try again")
        }
        _ => return None,
    })
}

/// What an error carries under a name.
pub(super) fn context<'a>(error: &'a Error, name: &str) -> Option<&'a str> {
    error
        .context()
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.as_str())
}
