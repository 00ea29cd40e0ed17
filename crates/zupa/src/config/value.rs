//! Checks one value against what its key may be, and turns it into JSON.
//!
//! A flaw quotes what it found, except in secrets and URLs: those may hold a
//! credential, and a report ends up in terminals and CI logs.

use serde_json::Value;
use toml::de::DeValue;

use super::keys::{Fallback, Key, Kind};
use super::problem::Flaw;
use super::{suggest, url};

/// Checks anything but a list.
pub(super) fn check(key: &Key, value: &DeValue<'_>) -> Result<Value, Flaw> {
    match (key.kind, value) {
        (Kind::Integer(min, max), DeValue::Integer(number)) => {
            match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(n) if (min..=max).contains(&n) => Ok(Value::from(n)),
                _ => Err(out_of_range(key, &number.to_string(), &min, &max)),
            }
        }
        (Kind::Number(..) | Kind::Jitter, DeValue::Integer(_) | DeValue::Float(_)) => {
            let (min, max) = match key.kind {
                Kind::Number(min, max) => (min, max),
                _ => (0.0, 1.0),
            };
            let text = match value {
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                _ => String::new(),
            };
            match text.parse::<f64>() {
                Ok(n) if (min..=max).contains(&n) => Ok(Value::from(n)),
                _ => Err(out_of_range(key, &text, &min, &max)),
            }
        }
        (Kind::Jitter, DeValue::String(text)) if text == "full" => Ok(Value::from("full")),
        (Kind::Jitter, _) => Err(wrong_type(key, "full, or a number from 0 to 1", value)),
        (Kind::Switch, DeValue::Boolean(truth)) => Ok(Value::from(*truth)),
        (Kind::Switch, _) => Err(wrong_type(key, "true or false", value)),
        (Kind::Integer(..), _) => Err(wrong_type(key, "a whole number", value)),
        (Kind::Number(..), _) => Err(wrong_type(key, "a number", value)),
        (Kind::Hosts | Kind::Texts(_) | Kind::Secrets, _) => {
            Err(wrong_type(key, "a list of texts", value))
        }
        (Kind::Tables, _) => Err(wrong_type(key, "a list of tables", value)),
        (Kind::TextTable(_) | Kind::ChoiceTable(_) | Kind::SecretTable, _) => {
            Err(wrong_type(key, "a table of texts", value))
        }
        (Kind::Schema, _) => super::tools::schema(key, value),
        (_, DeValue::String(text)) => check_text(key, text).map(|()| Value::from(text.as_ref())),
        _ => Err(wrong_type(key, "a text", value)),
    }
}

/// The flaw of a value that is not of the key's type.
pub(super) fn wrong_type(key: &Key, expected: &str, value: &DeValue<'_>) -> Flaw {
    let found = match value {
        DeValue::String(_) if is_secret(key) => "a text".to_owned(),
        DeValue::String(text) => format!("the text {}", quoted(text)),
        DeValue::Integer(_) if is_secret(key) => "a number".to_owned(),
        DeValue::Integer(number) => format!("the number {}", clipped(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", clipped(&number.to_string())),
        DeValue::Boolean(truth) => format!("the truth value {truth}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    Flaw::new(
        format!("expected {expected}, found {found}"),
        key.doc,
        example(key),
    )
}

fn is_secret(key: &Key) -> bool {
    matches!(key.kind, Kind::Secret | Kind::Secrets | Kind::SecretTable)
}

/// Quotes text for a report: escaped, and not more of it than helps.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", clipped(text))
}

fn clipped(text: &str) -> String {
    const CHARACTERS: usize = 40;
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn check_text(key: &Key, text: &str) -> Result<(), Flaw> {
    match key.kind {
        Kind::Choice(allowed) => choice(key, allowed, text),
        Kind::Address => match text.parse::<std::net::SocketAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(Flaw::new(
                format!("{} is not an IP address with a port", quoted(text)),
                "names are not resolved here, so that one value means one socket",
                example(key),
            )),
        },
        Kind::StoreUrl => url::store(text),
        Kind::HttpUrl => url::http(text, &example(key)),
        Kind::UrlTemplate => url::template(text, &example(key)),
        Kind::Secret => secret(text),
        Kind::Name => name(text),
        Kind::ToolName(max) => tool_name(max, text),
        Kind::Log => log(text),
        Kind::Text(max) => length(max, text),
        Kind::Saying(_) if text.is_empty() => Ok(()),
        Kind::Saying(max) => length(max, text),
        _ => Ok(()),
    }
}

pub(super) fn length(max: usize, text: &str) -> Result<(), Flaw> {
    let why = format!("allowed: 1 to {max} characters");
    match text.chars().count() {
        0 => Err(Flaw::new("empty", why, "set a text, or remove the key")),
        count if count > max => Err(Flaw::new(format!("{count} characters"), why, "shorten it")),
        _ => Ok(()),
    }
}

pub(super) fn choice(key: &Key, allowed: &[&str], text: &str) -> Result<(), Flaw> {
    if allowed.contains(&text) {
        return Ok(());
    }
    let fix = match suggest::closest(text, allowed.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => example(key),
    };
    Err(Flaw::new(
        format!("{} is not allowed", quoted(text)),
        format!("allowed: {}", allowed.join(", ")),
        fix,
    ))
}

pub(super) fn secret(text: &str) -> Result<(), Flaw> {
    const FIX: &str = "use `env:NAME`, `file:PATH` or `exec:COMMAND`";
    if text.trim().is_empty() {
        return Err(Flaw::new(
            "the secret is empty",
            "no secret is not a secret",
            FIX,
        ));
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Ok(());
    };
    match scheme {
        "env" if !is_variable(rest) => Err(Flaw::new(
            "no variable after `env:`",
            "a variable's name is letters, digits and `_`, not beginning with a digit",
            "for example `env:OPENAI_API_KEY`",
        )),
        "file" | "exec" if rest.trim().is_empty() => Err(Flaw::new(
            format!("nothing after `{scheme}:`"),
            "the reference is empty",
            FIX,
        )),
        "env" | "file" | "exec" => Ok(()),
        // A misspelt reference must not become the secret itself.
        _ if is_scheme(scheme) => Err(Flaw::new(
            "the text before the colon is not `env`, `file` or `exec`",
            "it looks like a reference, and a reference is never used as the secret itself",
            FIX,
        )),
        _ => Ok(()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn name(text: &str) -> Result<(), Flaw> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(());
    }
    Err(Flaw::new(
        format!("{} is not a name", quoted(text)),
        "allowed: 1 to 64 of a-z, 0-9, `_` and `-`; it stands in paths, keys and metrics",
        "for example `main`",
    ))
}

pub(super) fn tool_name(max: usize, text: &str) -> Result<(), Flaw> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=max).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(());
    }
    Err(Flaw::new(
        format!("{} is not a name for a tool", quoted(text)),
        format!("allowed: 1 to {max} of a-z, A-Z, 0-9, `_` and `-`, as providers take them"),
        "for example `place_order`",
    ))
}

// A word that is no level would be read as a target, and silence all others.
fn log(text: &str) -> Result<(), Flaw> {
    const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
    let level = |part: &str| {
        part.rsplit('=')
            .next()
            .map(|level| level.trim().to_lowercase())
    };
    let sound = |part: &str| level(part).is_some_and(|level| LEVELS.contains(&level.as_str()));
    match text.split(',').find(|part| !sound(part)) {
        None => Ok(()),
        Some(part) => Err(Flaw::new(
            format!("no level in {}", quoted(part)),
            format!("levels: {}", LEVELS.join(", ")),
            "for example `info` or `info,zupa_http=debug`",
        )),
    }
}

fn out_of_range(
    key: &Key,
    found: &str,
    min: &dyn std::fmt::Display,
    max: &dyn std::fmt::Display,
) -> Flaw {
    Flaw::new(
        format!("{} is out of range", clipped(found)),
        format!("allowed: {min} to {max}{}", key.unit()),
        example(key),
    )
}

/// What an element of a list of tables looks like.
pub(super) fn tables(list: &str) -> &'static str {
    match list {
        "channel" => "[{ id = \"main\", kind = \"web-chat\" }]",
        "agent.operator" => "[{ name = \"ana\", at = [\"whatsapp/…\"] }]",
        "model.fallback" => "[{ provider = \"openai\", name = \"gpt-5-mini\" }]",
        "mcp" => "[{ name = \"files\", command = [\"mcp-server-files\", \"/srv\"] }]",
        _ => {
            "[{ name = \"weather\", description = \"…\", method = \"GET\", \
             url = \"https://…/{city}\", effect = \"pure\" }]"
        }
    }
}

pub(super) fn example(key: &Key) -> String {
    match (key.default, key.kind) {
        (Fallback::Text(text), _) => format!("for example `{text}`, the default"),
        (Fallback::Integer(number), _) => format!("for example `{number}`, the default"),
        (Fallback::Switch(truth), _) => format!("for example `{truth}`, the default"),
        (_, Kind::Choice(allowed)) => format!("for example `{}`", allowed.join("` or `")),
        (_, Kind::Integer(min, _)) => format!("for example `{}`", min.max(1_000)),
        (Fallback::Number(number), _) => format!("for example `{number}`, the default"),
        (_, Kind::Number(..)) => "for example `0.7`".to_owned(),
        (_, Kind::Secret) => "for example `env:NAME`".to_owned(),
        (_, Kind::Secrets) => "for example `[\"env:NAME\"]`".to_owned(),
        (_, Kind::Hosts) => "for example `[\"chat.example.com\"]`".to_owned(),
        (_, Kind::Texts(_)) => "for example `[\"one\", \"two\"]`".to_owned(),
        (_, Kind::Tables) => format!("for example `{}`", tables(key.path)),
        (_, Kind::HttpUrl | Kind::UrlTemplate) => {
            "for example `https://api.example.com/v1`".to_owned()
        }
        (_, Kind::Schema) => {
            "for example `{ type = \"object\", properties = { city = { type = \"string\" } } }`"
                .to_owned()
        }
        (_, Kind::SecretTable) => {
            "for example `{ AUTHORIZATION = \"Bearer env:NAME\" }`".to_owned()
        }
        (_, Kind::ChoiceTable(words)) => format!(
            "for example `{{ name = \"{}\" }}`",
            words.first().unwrap_or(&"")
        ),
        _ => "a text stands in quotes".to_owned(),
    }
}
