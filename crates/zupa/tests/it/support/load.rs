//! Many people at once, each with a connection, and what they were told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::http::{Answer, Connection};

/// One message and how it went.
#[derive(Debug, Clone)]
pub struct Told {
    pub id: String,
    /// None when the connection broke before an answer.
    pub answer: Option<Answer>,
}

impl Told {
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }
}

/// Says `messages` things over `people` connections, each in a conversation of
/// its own named like its id, until they are all said or `stop` says so.
///
/// The id is `<prefix>-00042`.
pub fn say(
    address: SocketAddr,
    people: usize,
    messages: usize,
    prefix: &str,
    text: &str,
    stop: impl Fn(&Told) -> bool + Sync,
) -> Vec<Told> {
    let next = AtomicUsize::new(0);
    let one = || {
        let mut told = Vec::new();
        let mut connection = Connection::open(address).ok();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= messages {
                return told;
            }
            let id = format!("{prefix}-{number:05}");
            let answer = connection
                .as_mut()
                .and_then(|connection| connection.say(&id, &id, text).ok());
            let broken = answer.is_none();
            let one = Told { id, answer };
            if stop(&one) {
                next.store(messages, Ordering::Relaxed);
            }
            told.push(one);
            if broken {
                connection = Connection::open(address).ok();
            }
        }
    };
    std::thread::scope(|scope| {
        let people: Vec<_> = (0..people).map(|_| scope.spawn(one)).collect();
        people
            .into_iter()
            .flat_map(|person| person.join().unwrap())
            .collect()
    })
}

/// The ids that were acknowledged.
pub fn acknowledged(told: &[Told]) -> Vec<&str> {
    told.iter()
        .filter(|told| told.status() == Some(202))
        .map(|told| told.id.as_str())
        .collect()
}

/// How often each status came; 0 stands for no answer at all.
pub fn statuses(told: &[Told]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for told in told {
        *counts.entry(told.status().unwrap_or(0)).or_default() += 1;
    }
    counts
}
