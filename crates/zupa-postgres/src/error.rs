//! What Postgres says, in words of the core. By code, never by message.

use std::time::Duration;

use zupa_core::{Error, ErrorKind, Outcome, Retry};

const SOON: Retry = Retry::After(Duration::from_secs(1));

/// What a read said, and what was attempted.
pub(crate) fn of_read(attempted: &'static str, source: sqlx::Error) -> Error {
    build(attempted, source)
}

/// What a write said. When the connection was lost nobody can tell whether the
/// transaction was committed; the caller reads back.
pub(crate) fn of_write(attempted: &'static str, source: sqlx::Error) -> Error {
    let lost = match &source {
        sqlx::Error::Database(said) => said.code().is_some_and(|code| ends_connection(&code)),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    };
    let error = build(attempted, source);
    if lost {
        error.with_outcome(Outcome::Unknown)
    } else {
        error
    }
}

/// The server did not say anything for too long.
pub(crate) fn silent(attempted: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, attempted)
        .with_retry(SOON)
        .with_outcome(Outcome::Unknown)
}

/// True when the server may have ended the connection with this code.
fn ends_connection(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P05") || code.starts_with("08")
}

/// True when an item broke a constraint, or made the functions fail in another
/// way. Trouble with the server, the connection or the role is nobody's fault.
pub(crate) fn is_the_items_fault(error: &Error) -> bool {
    error.outcome() == Outcome::NotApplied
        && matches!(
            error.kind(),
            ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Internal | ErrorKind::Corrupt
        )
}

/// True when the server itself said what was wrong.
pub(crate) fn was_said(error: &Error) -> bool {
    sqlstate(error).is_some()
}

fn sqlstate(error: &Error) -> Option<&str> {
    let code = error.context().iter().find(|(key, _)| *key == "sqlstate");
    code.map(|(_, code)| code.as_str())
}

/// True when a row was waited for in vain; after a deadlock there is nobody to
/// wait for.
pub(crate) fn is_lock_timeout(error: &Error) -> bool {
    sqlstate(error) == Some("55P03")
}

/// True when somebody else holds a row that an item wants.
pub(crate) fn is_contention(error: &Error) -> bool {
    error.retry() == Retry::Now && error.kind() == ErrorKind::Unavailable
}

fn build(attempted: &'static str, source: sqlx::Error) -> Error {
    let code = match &source {
        sqlx::Error::Database(said) => said.code().map(|code| code.into_owned()),
        _ => None,
    };
    let (kind, retry) = match (&code, &source) {
        (Some(code), _) => classify(code),
        (None, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
            (ErrorKind::Unavailable, SOON)
        }
        (None, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed) => {
            (ErrorKind::Unavailable, SOON)
        }
        (None, sqlx::Error::Tls(_)) => (ErrorKind::Unavailable, Retry::Never),
        (None, sqlx::Error::Configuration(_)) => (ErrorKind::Invalid, Retry::Never),
        // A column that does not hold what the schema says.
        (
            None,
            sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_),
        ) => (ErrorKind::Corrupt, Retry::Never),
        _ => (ErrorKind::Internal, Retry::Never),
    };
    let error = Error::new(kind, attempted).with_retry(retry);
    match code {
        Some(code) => error.with("sqlstate", code).with_source(source),
        None => error.with_source(source),
    }
}

fn classify(code: &str) -> (ErrorKind, Retry) {
    match code {
        // Serialization, deadlock, lock timeout: at once, perhaps in smaller pieces.
        "40001" | "40P01" | "55P03" => (ErrorKind::Unavailable, Retry::Now),
        // A statement ran into its time, or somebody stopped it.
        "57014" => (ErrorKind::Timeout, SOON),
        "53100" | "53400" => (ErrorKind::Full, SOON),
        // A server that only reads now may take writes after its failover.
        "25006" => (ErrorKind::Unavailable, SOON),
        "42501" => (ErrorKind::Unauthorized, Retry::Never),
        "3D000" | "3F000" => (ErrorKind::NotFound, Retry::Never),
        // A pooler that mixes up the prepared statements of its clients.
        "42P05" | "26000" => (ErrorKind::Unsupported, Retry::Never),
        // A table, column or function that this build expects is not there.
        "42P01" | "42703" | "42883" => (ErrorKind::Unsupported, Retry::Never),
        "XX001" | "XX002" => (ErrorKind::Corrupt, Retry::Never),
        _ => match code.get(..2) {
            Some("08" | "53" | "57" | "58") => (ErrorKind::Unavailable, SOON),
            Some("22") => (ErrorKind::Invalid, Retry::Never),
            // Cardinality: one batch names the same row twice.
            Some("21" | "23") => (ErrorKind::Conflict, Retry::Never),
            Some("28") => (ErrorKind::Unauthorized, Retry::Never),
            _ => (ErrorKind::Internal, Retry::Never),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_the_kind() {
        for (code, kind, retry) in [
            ("40001", ErrorKind::Unavailable, Retry::Now),
            ("40P01", ErrorKind::Unavailable, Retry::Now),
            ("55P03", ErrorKind::Unavailable, Retry::Now),
            ("57014", ErrorKind::Timeout, SOON),
            ("57P01", ErrorKind::Unavailable, SOON),
            ("57P03", ErrorKind::Unavailable, SOON),
            ("53300", ErrorKind::Unavailable, SOON),
            ("53100", ErrorKind::Full, SOON),
            ("25006", ErrorKind::Unavailable, SOON),
            ("23505", ErrorKind::Conflict, Retry::Never),
            ("22P05", ErrorKind::Invalid, Retry::Never),
            ("28P01", ErrorKind::Unauthorized, Retry::Never),
            ("42501", ErrorKind::Unauthorized, Retry::Never),
            ("3D000", ErrorKind::NotFound, Retry::Never),
            ("42883", ErrorKind::Unsupported, Retry::Never),
            ("XX001", ErrorKind::Corrupt, Retry::Never),
            ("XX000", ErrorKind::Internal, Retry::Never),
        ] {
            assert_eq!(classify(code), (kind, retry), "code {code}");
        }
    }

    #[test]
    fn a_lost_connection_leaves_the_outcome_open() {
        let lost = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(of_write("write", lost()).outcome(), Outcome::Unknown);
        assert!(of_write("write", lost()).is_transient());
        assert_eq!(of_read("read", lost()).outcome(), Outcome::NotApplied);
    }
}
