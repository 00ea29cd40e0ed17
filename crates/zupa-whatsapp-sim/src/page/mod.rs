//! A page with the phones of all people, for somebody who tries things out by hand. It is
//! only answered under a name of this machine, and only a page of this machine may write.

mod state;

use std::sync::Arc;
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::state::state;
use crate::graph::Answer;
use crate::group::Group;
use crate::options::Faults;
use crate::person::Identity;
use crate::phone::Phone;
use crate::shared::Shared;

/// How long a page waits for news.
const NEWS: Duration = Duration::from_secs(20);

const INDEX: &str = include_str!("../../assets/index.html");
const SCRIPT: &str = include_str!("../../assets/page.js");
const STYLE: &str = include_str!("../../assets/page.css");

/// Nothing but this page's own parts.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What the page asks for; nothing when it is not the page that asks.
pub(crate) async fn answer(shared: &Arc<Shared>, head: &Parts, body: &[u8]) -> Option<Answer> {
    let path = head.uri.path();
    let is_ours = matches!(path, "/" | "/page.js" | "/page.css") || path.starts_with("/page/");
    if !is_ours {
        return None;
    }
    if !is_local(&head.headers) {
        return Some(Answer::Empty(421));
    }
    Some(match (&head.method, path) {
        (&Method::GET, "/") => asset("text/html; charset=utf-8", INDEX),
        (&Method::GET, "/page.js") => asset("text/javascript; charset=utf-8", SCRIPT),
        (&Method::GET, "/page.css") => asset("text/css; charset=utf-8", STYLE),
        (&Method::GET, "/page/state") => news(shared, head.uri.query()).await,
        (&Method::POST, "/page/acts") if is_json(&head.headers) => act(shared, body),
        (&Method::POST, "/page/acts") => Answer::Empty(415),
        _ => Answer::Empty(404),
    })
}

fn asset(mime: &str, text: &'static str) -> Answer {
    Answer::Bytes {
        mime: mime.to_owned(),
        bytes: text.into(),
    }
}

/// A name that leads elsewhere may be led here: only names of this machine count.
fn is_local(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|it| it.to_str().unwrap_or_default());
    let local = |authority: &str| {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        matches!(host, "127.0.0.1" | "localhost" | "[::1]")
    };
    let host = text(header::HOST).unwrap_or_default();
    let origin = text(header::ORIGIN);
    local(host) && origin.is_none_or(|origin| origin.strip_prefix("http://") == Some(host))
}

/// No form of another page can send this without asking first, and nobody answers.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind == "application/json")
}

/// The state, as soon as it is another one than the page knows.
async fn news(shared: &Shared, query: Option<&str>) -> Answer {
    let known = query.and_then(|query| query.strip_prefix("after="));
    let known: Option<u64> = known.and_then(|known| known.parse().ok());
    let mut changes = shared.changes();
    let is_news = changes.wait_for(|revision| Some(*revision) != known);
    // What has not changed in time is told again.
    drop(timeout(NEWS, is_news).await);
    let revision = *changes.borrow();
    Answer::Json(200, state(shared, revision))
}

/// What somebody does on the page.
#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
enum Act {
    /// A person writes a text to a number.
    Write {
        number: String,
        phone: String,
        text: String,
        /// Who of them writes, where `phone` is the id of a group.
        speaker: Option<String>,
    },
    /// A person presses a button or chooses a row.
    Choose {
        number: String,
        phone: String,
        wamid: String,
        id: String,
    },
    /// These are a group.
    Found { name: String, members: Vec<String> },
    /// There is somebody else.
    Meet { phone: String, name: String },
    /// These go wrong from now on, and nothing else.
    Break {
        lose_answers: bool,
        duplicate: bool,
        shuffle: bool,
        delay: bool,
    },
}

fn act(shared: &Arc<Shared>, body: &[u8]) -> Answer {
    let Ok(act) = serde_json::from_slice::<Act>(body) else {
        return wrong("the act is not known");
    };
    let line = |number: &str| {
        let world = shared.world();
        let mut lines = world.lines.iter();
        lines.position(|line| line.number.phone_number_id == number)
    };
    let phone = |number: &str, phone: String| {
        let phone = is_phone(&phone).then_some(phone)?;
        Some(Phone::new(shared.clone(), line(number)?, phone))
    };
    match act {
        Act::Write { text, .. } if text.trim().is_empty() => return wrong("a text is needed"),
        Act::Write {
            number,
            phone: id,
            text,
            speaker: Some(speaker),
        } => {
            let is_known = is_phone(&speaker) && shared.world().is_group(&id);
            match line(&number).filter(|_| is_known) {
                Some(line) => drop(Group::new(shared.clone(), line, id).writes(&speaker, &text)),
                None => return wrong("a group, a number and somebody in it are needed"),
            }
        }
        Act::Write {
            number,
            phone: from,
            text,
            speaker: None,
        } => match phone(&number, from) {
            Some(phone) => drop(phone.writes(&text)),
            None => return wrong("somebody and a number are needed"),
        },
        Act::Choose {
            number,
            phone: from,
            wamid,
            id,
        } => {
            let chosen = phone(&number, from).and_then(|phone| phone.chooses(&wamid, &id));
            if chosen.is_none() {
                return wrong("there is nothing to choose");
            }
        }
        Act::Found { name, members } => {
            if name.trim().is_empty()
                || members.is_empty()
                || !members.iter().all(|it| is_phone(it))
            {
                return wrong("a name and phone numbers of 5 to 15 digits are needed");
            }
            shared.world().found(&name, members);
            shared.change();
        }
        Act::Meet { phone, name } => {
            if !is_phone(&phone) {
                return wrong("a phone number has 5 to 15 digits");
            }
            let identity = Identity {
                name,
                ..Identity::by_phone(&phone)
            };
            shared.world().person(&phone).identity = identity;
            shared.change();
        }
        Act::Break {
            lose_answers,
            duplicate,
            shuffle,
            delay,
        } => {
            shared.world().faults = broken(lose_answers, duplicate, shuffle, delay);
            shared.change();
        }
    }
    Answer::Json(200, json!({}))
}

fn is_phone(text: &str) -> bool {
    (5..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn wrong(why: &str) -> Answer {
    Answer::Json(400, json!({ "error": why }))
}

/// What a switch of the page means: enough of it to be seen at once.
fn broken(lose_answers: bool, duplicate: bool, shuffle: bool, delay: bool) -> Faults {
    Faults {
        lost_answers: if lose_answers { 500 } else { 0 },
        duplicates: if duplicate { 1_000 } else { 0 },
        shuffle: Duration::from_millis(if shuffle { 1_500 } else { 0 }),
        delay: Duration::from_millis(if delay { 2_000 } else { 0 }),
        ..Faults::default()
    }
}

/// The switches as they are.
fn switches(faults: &Faults) -> Value {
    json!({
        "lose_answers": faults.lost_answers > 0,
        "duplicate": faults.duplicates > 0,
        "shuffle": !faults.shuffle.is_zero(),
        "delay": !faults.delay.is_zero(),
    })
}
