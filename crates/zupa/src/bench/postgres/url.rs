//! A Postgres URL in parts: the client programs are told the password where
//! others cannot read it, and work on another database.

/// The URL without its password, and the password as it is meant. Up to the last
/// `@`, as [`zupa::config::StoreUrl`] reads it.
pub(super) fn without_password(url: &str) -> (String, Option<String>) {
    let bare = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else {
        return bare();
    };
    let Some((login, place)) = rest.rsplit_once('@') else {
        return bare();
    };
    match login.split_once(':') {
        Some((user, password)) => (
            format!("{scheme}://{user}@{place}"),
            Some(unescaped(password)),
        ),
        None => bare(),
    }
}

/// The same server, another database.
pub(super) fn with_database(url: &str, database: &str) -> String {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = place.split_once("://").unwrap_or(("postgres", place));
    let authority = rest.split('/').next().unwrap_or_default();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}/{database}{mark}{query}")
}

/// Text with its `%XX` read.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.as_bytes());
        let byte = after
            .get(..2)
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_taken_out_and_read() {
        for (url, bare, password) in [
            ("postgres://u@h:1/d", "postgres://u@h:1/d", None),
            ("postgres://h/d?a=b", "postgres://h/d?a=b", None),
            (
                "postgres://u:p%40%2f%@h/d",
                "postgres://u@h/d",
                Some("p@/%"),
            ),
        ] {
            let expected = (bare.to_owned(), password.map(str::to_owned));
            assert_eq!(without_password(url), expected);
        }
    }

    #[test]
    fn another_database_on_the_same_server() {
        for (url, other) in [
            ("postgres://u:p@h:1/d", "postgres://u:p@h:1/x"),
            ("postgres://u@h", "postgres://u@h/x"),
            (
                "postgresql://h/d?sslmode=require",
                "postgresql://h/x?sslmode=require",
            ),
            ("postgres:///d?host=/run", "postgres:///x?host=/run"),
        ] {
            assert_eq!(with_database(url, "x"), other);
        }
    }
}
