//! What people saw on their phones, beside the store's own list of deliveries: the replies
//! that the other checkers judge, and what may not have been seen exactly once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::book::Book;
use super::check::sends::{self, Sends};
use super::check::{Check, Violation, unknown};
use super::operator::Accounting;
use super::oracle::log::Left;
use super::oracle::truth::Truth;
use super::place::Place;
use super::replies::{Replies, Reply};
use super::sink::{self, Line, Row, Sink};
use super::stage::Stage;
use super::words::{Conversation, Token, tokens};

/// A delivery with what it says and when it was tried last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub row: Row,
    pub tried_at: u64,
    pub tokens: Vec<Token>,
}

impl Delivery {
    /// The columns of [`Row`], and two more.
    const SQL: &str = "select lower(hex(conversation)), number,
         lower(hex(turn_id)) || '.' || ordinal, state, attempts, committed_at,
         coalesce(tried_at, committed_at), content
         from outbox order by conversation, number";

    pub fn parse(line: &str) -> anyhow::Result<Self> {
        let read = || {
            let mut columns = line.splitn(8, '|').skip(6);
            let row = Row::parse(line).ok()?;
            Some(Self {
                row,
                tried_at: columns.next()?.parse().ok()?,
                tokens: tokens(columns.next()?),
            })
        };
        read().with_context(|| format!("odd delivery {line:?}"))
    }

    pub fn is_unknown(&self) -> bool {
        self.row.state == "unknown"
    }
}

/// What was seen, and what is wrong with it.
#[derive(Debug)]
pub struct Screens {
    pub replies: Replies,
    sends: Sends,
}

/// Looks at all phones. No replica runs any more, and the oracle has said all.
pub fn look(stage: &Stage, truth: &Truth, book: &Book) -> anyhow::Result<Screens> {
    let file = stage.places.first().and_then(Place::database);
    let file = file.context("there is no store to look into")?;
    let listed = sink::asked(file, Delivery::SQL)?;
    let deliveries = listed.lines().map(Delivery::parse);
    let deliveries = deliveries.collect::<anyhow::Result<Vec<_>>>()?;

    let rows: Vec<Row> = deliveries.iter().map(|it| it.row.clone()).collect();
    let mut sends = sends::check(Sink::Never, &lines(&truth.left), &rows);
    sends.not_taken = truth.left.len() as u64 - sends.lines;
    let unknown = unknown::check(&deliveries, &truth.left, &book.departures);
    sends.unknown_by_platform = unknown.by_platform;
    sends.unknown_by_kills = unknown.by_kills;
    sends.violations.extend(unknown.violations);
    let beyond = truth.beyond.iter().map(|(limit, count)| {
        let detail = format!("{count} sends were beyond the limit {limit}");
        Violation::new(Check::Pacing, detail)
    });
    sends.violations.extend(beyond);
    Ok(Screens {
        replies: replies(&deliveries, &truth.left),
        sends,
    })
}

impl Screens {
    /// With what the books, read last, show of it.
    pub fn sends(mut self, books: Option<&Accounting>) -> Sends {
        let listed = sends::listed(self.sends.unknown, books);
        self.sends.violations.extend(listed);
        self.sends
    }
}

/// What is on the screens; its attempt is how often it was asked for by then.
fn lines(left: &[Left]) -> Vec<Line> {
    let mut asked: BTreeMap<&str, u32> = BTreeMap::new();
    let mut lines = Vec::new();
    for left in left {
        let attempt = asked.entry(&left.key).or_default();
        *attempt += 1;
        if left.seen {
            lines.push(Line {
                key: left.key.clone(),
                attempt: *attempt,
                process: 0,
                at: left.came,
            });
        }
    }
    lines
}

/// Per person, the replies in the order of the screen. A second copy is the sends' business,
/// and so is whether it may be missing: what is unknown has left the order, and stands where
/// it was to be.
fn replies(deliveries: &[Delivery], left: &[Left]) -> Replies {
    let by_key: BTreeMap<&str, &Delivery> = deliveries
        .iter()
        .map(|delivery| (delivery.row.key.as_str(), delivery))
        .collect();
    let mut shown: BTreeMap<Conversation, Vec<(u64, Reply)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for left in left.iter().filter(|left| left.seen) {
        let Some(delivery) = by_key.get(left.key.as_str()) else {
            continue;
        };
        if !delivery.is_unknown() && seen.insert(&left.key) {
            let screen = shown.entry(left.conversation.clone()).or_default();
            screen.push((delivery.row.number, reply(delivery)));
        }
    }
    let people: BTreeMap<&str, &Conversation> = left
        .iter()
        .filter_map(|left| {
            let delivery = by_key.get(left.key.as_str())?;
            Some((delivery.row.conversation.as_str(), &left.conversation))
        })
        .collect();
    for delivery in deliveries.iter().filter(|delivery| delivery.is_unknown()) {
        // Whoever was never asked for anything cannot be told by name.
        let Some(person) = people.get(delivery.row.conversation.as_str()) else {
            continue;
        };
        let screen = shown.entry((*person).clone()).or_default();
        let number = delivery.row.number;
        let place = screen.iter().position(|(after, _)| *after > number);
        let place = place.unwrap_or(screen.len());
        screen.insert(place, (number, reply(delivery)));
    }
    let numbered = |screen: Vec<(u64, Reply)>| {
        let replies = (1..).zip(screen);
        let replies = replies.map(|(number, (_, reply))| Reply { number, ..reply });
        replies.collect()
    };
    shown
        .into_iter()
        .map(|(person, screen)| (person, numbered(screen)))
        .collect()
}

fn reply(delivery: &Delivery) -> Reply {
    let key = &delivery.row.key;
    let turn = key.split_once('.').map(|(turn, _)| hyphenated(turn));
    Reply {
        number: 0,
        id: key.clone(),
        turn,
        tokens: delivery.tokens.clone(),
    }
}

/// As the marks spell a turn.
fn hyphenated(turn: &str) -> String {
    let mut spelled = turn.to_owned();
    for at in [20, 16, 12, 8] {
        if spelled.is_char_boundary(at) && at < spelled.len() {
            spelled.insert(at, '-');
        }
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::super::words::Door;
    use super::*;

    fn person() -> Conversation {
        Conversation {
            door: Door::Main,
            name: "c1".to_owned(),
        }
    }

    fn left(key: &str, seq: u32, seen: bool) -> Left {
        let token = tokens(&format!("<<c1:{seq}>>"));
        Left {
            conversation: person(),
            key: key.to_owned(),
            came: 20,
            seen,
            answered: true,
            tells: true,
            tokens: token,
        }
    }

    fn delivery(number: u32, key: &str, state: &str, seq: u32) -> anyhow::Result<Delivery> {
        let content = format!("{{\"text\":\"a|b <<c1:{seq}>>\"}}");
        Delivery::parse(&format!("x|{number}|{key}|{state}|1|10|11|{content}"))
    }

    #[test]
    fn a_turn_is_spelled_as_in_the_marks() {
        let turn = hyphenated("0123456789abcdef0123456789abcdef");
        assert_eq!(turn, "01234567-89ab-cdef-0123-456789abcdef");
    }

    #[test]
    fn the_screen_decides_the_order_and_the_unknown_stands_in_its_place() -> anyhow::Result<()> {
        let deliveries = [
            delivery(2, "t1.0", "sent", 1)?,
            delivery(4, "t2.0", "unknown", 2)?,
            delivery(6, "t3.0", "sent", 3)?,
        ];
        let named = |left: &[Left]| -> Vec<u32> {
            let replies = replies(&deliveries, left);
            let replies = replies.get(&person()).into_iter().flatten();
            replies
                .flat_map(|it| it.tokens.iter().map(|token| token.seq))
                .collect()
        };
        let seen = [left("t1.0", 1, true), left("t3.0", 3, true)];
        assert_eq!(named(&seen), [1, 2, 3]);
        let swapped = [left("t3.0", 3, true), left("t1.0", 1, true)];
        assert_eq!(named(&swapped), [2, 3, 1]);
        let late = [seen[0].clone(), seen[1].clone(), left("t2.0", 2, true)];
        assert_eq!(named(&late), [1, 2, 3]);
        let unseen = [left("t1.0", 1, true), left("t3.0", 3, false)];
        assert_eq!(named(&unseen), [1, 2], "what nobody saw is missing");
        Ok(())
    }

    #[test]
    fn attempts_count_what_was_not_taken() {
        let lines = lines(&[left("t1.0", 1, false), left("t1.0", 1, true)]);
        assert_eq!((lines.len(), lines[0].attempt), (1, 2));
    }
}
