//! An address with places for arguments, in its path and query only.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::client::address;

/// Everything that is not unreserved (RFC 3986), so that no value can end a
/// segment, a pair or the path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The parsed address.
#[derive(Debug)]
pub(super) struct Template {
    /// Scheme, host and port: `https://host:8443/`.
    origin: Url,
    path: Vec<Piece>,
    /// What follows the `?`.
    query: Option<Vec<Piece>>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Slot(String),
}

impl Template {
    /// The reasons do not repeat the address: a key may have been pasted into
    /// it.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("url is no address")?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if [scheme, authority]
            .iter()
            .any(|part| part.contains(['{', '}']))
        {
            return Err("url has an argument outside its path and query");
        }
        if rest.contains(['#', '\\']) || rest.contains(char::is_whitespace) {
            return Err("url holds #, \\ or white space");
        }
        let origin = address(&format!("{scheme}://{authority}/"))?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(pieces(query)?)),
            None => (rest, None),
        };
        let path = pieces(if path.is_empty() { "/" } else { path })?;
        Ok(Self {
            origin,
            path,
            query,
        })
    }

    pub(super) fn origin(&self) -> &Url {
        &self.origin
    }

    /// The names of all arguments that it takes.
    pub(super) fn slots(&self) -> impl Iterator<Item = &str> {
        let query = self.query.iter().flatten();
        self.path
            .iter()
            .chain(query)
            .filter_map(|piece| match piece {
                Piece::Slot(name) => Some(name.as_str()),
                Piece::Text(_) => None,
            })
    }

    /// Fills in values. Fails if one would lead to another place than the
    /// address names: the reason names the argument, never its value.
    pub(super) fn fill(&self, values: &BTreeMap<&str, String>) -> Result<Url, String> {
        for piece in &self.path {
            let Piece::Slot(name) = piece else { continue };
            let value = values.get(name.as_str()).map_or("", String::as_str);
            if !stays_in_its_segment(value) {
                return Err(format!("{name} cannot be part of an address"));
            }
        }
        let path = filled(&self.path, values);
        // `{a}{b}` and `.{a}` can make dots of harmless parts.
        if path.split('/').any(is_dots) {
            return Err("the arguments cannot be part of an address".to_owned());
        }
        let mut text = self.origin.as_str().trim_end_matches('/').to_owned();
        text.push_str(&path);
        if let Some(query) = &self.query {
            text.push('?');
            text.push_str(&filled(query, values));
        }
        let url = Url::parse(&text).map_err(|_| "the address cannot be built".to_owned())?;
        // Nothing above lets this happen; it is the promise, so it is checked.
        if url.origin() != self.origin.origin() || !url.username().is_empty() {
            return Err("the arguments cannot be part of an address".to_owned());
        }
        Ok(url)
    }
}

/// Also after a server has decoded it, as some do before they split the path.
fn stays_in_its_segment(value: &str) -> bool {
    !value.is_empty() && !value.contains(char::is_control) && !value.split(['/', '\\']).any(is_dots)
}

/// `.` and `..`, which mean another place; `%2e` is as good as a dot.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

fn filled(pieces: &[Piece], values: &BTreeMap<&str, String>) -> String {
    let parts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Slot(name) => {
            let value = values.get(name.as_str()).map_or("", String::as_str);
            utf8_percent_encode(value, ENCODED).to_string()
        }
    });
    parts.collect()
}

fn pieces(mut text: &str) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    while let Some(start) = text.find(['{', '}']) {
        let (before, slot) = text.split_at(start);
        let slot = slot.strip_prefix('{').ok_or("url has a } without a {")?;
        let (name, after) = slot.split_once('}').ok_or("url has a { without a }")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err("url has a { } without the name of an argument");
        }
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Slot(name.to_owned()));
        text = after;
    }
    pieces.push(Piece::Text(text.to_owned()));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(url: &str, value: &str) -> Result<String, String> {
        let template = Template::parse(url).unwrap();
        let values = BTreeMap::from([("a", value.to_owned()), ("b", ".".to_owned())]);
        template.fill(&values).map(String::from)
    }

    #[test]
    fn values_are_encoded_whole() {
        for (value, path) in [
            ("7", "7"),
            (
                "a b/c?d#e&f=g%h+é",
                "a%20b%2Fc%3Fd%23e%26f%3Dg%25h%2B%C3%A9",
            ),
            ("@evil.test", "%40evil.test"),
            ("//evil.test", "%2F%2Fevil.test"),
            ("a..b", "a..b"),
        ] {
            let expected = format!("https://host:8443/x/{path}/y");
            assert_eq!(fill("https://host:8443/x/{a}/y", value), Ok(expected));
            let expected = format!("http://host/?q={path}&k=v");
            assert_eq!(fill("http://host?q={a}&k=v", value), Ok(expected));
        }
    }

    #[test]
    fn no_value_leads_elsewhere() {
        for value in [
            "",
            ".",
            "..",
            "../admin",
            "x/../../admin",
            "..\\admin",
            "a\0",
            "a\n",
        ] {
            let filled = fill("https://host/x/{a}/y", value);
            assert!(filled.is_err(), "{value:?}: {filled:?}");
        }
        assert!(fill("https://host/x/.{b}", "").is_err());
        assert!(fill("https://host/x/%2e{b}/y", "").is_err());
        assert!(fill("https://host/x/{b}{b}", "").is_err());
    }

    #[test]
    fn arguments_are_for_path_and_query() {
        for url in [
            "{a}://host/",
            "https://{a}/",
            "https://{a}.host/",
            "https://host:{a}/",
            "https://user:{a}@host/",
            "https://host\\{a}",
            "https://user:pw@host/x",
            "ftp://host/{a}",
            "/x/{a}",
            "https://host/{a",
            "https://host/a}",
            "https://host/{}",
            "https://host/{a b}",
            "https://host/x#{a}",
            "",
        ] {
            assert!(Template::parse(url).is_err(), "{url}");
        }
    }
}
