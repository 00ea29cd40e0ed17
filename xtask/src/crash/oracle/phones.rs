//! People with phones: they write to two numbers, one of each tenant, at a simulator of
//! Meta that misbehaves. It lives in the oracle's process, so nobody kills it, and what it
//! saw is in the oracle's log.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;
use zupa_whatsapp_sim::{Attempt, End, Faults, Number, Options, Posting, Simulator};

use super::log::{Left, Record};
use super::sender::Sender;
use crate::crash::script::{Message, Script};
use crate::crash::words::{Conversation, Door, tokens};

/// What signs, and what sends; the server finds it in this variable's place.
const SECRET: &str = "crash-harness";
/// The numbers of people begin here; each has one of this many.
const FIRST: u64 = 15_550_010_000;

/// Meta, and what was read of its record.
#[derive(Debug)]
pub struct Phones {
    simulator: Simulator,
    sends: AtomicUsize,
    violations: AtomicUsize,
}

/// Meta's id of the number behind a door.
pub fn number(door: Door) -> &'static str {
    match door {
        Door::Main => "100000000000001",
        Door::Other => "100000000000002",
    }
}

/// Whose number it is. People have the same one at both tenants.
fn phone(conversation: &Conversation) -> anyhow::Result<String> {
    let number = conversation.name.strip_prefix('c');
    let number = number.and_then(|number| number.parse::<u64>().ok());
    let number = number.with_context(|| format!("{conversation} has no phone"))?;
    Ok((FIRST + number).to_string())
}

fn conversation(number: &str, phone: &str) -> Option<Conversation> {
    let door = [Door::Main, Door::Other];
    let door = door
        .into_iter()
        .find(|door| self::number(*door) == number)?;
    let person = phone.parse::<u64>().ok()?.checked_sub(FIRST)?;
    Some(Conversation {
        door,
        name: format!("c{person}"),
    })
}

/// Everything at once, each of it seldom. What may go wrong twice for one send is so rare
/// that its tries are not used up.
fn faults() -> Faults {
    Faults {
        lost_answers: 60,
        hang_ups: 8,
        empty_5xx: 8,
        taken_5xx: 20,
        errors: 30,
        error_codes: vec![4, 80_007, 130_429, 131_000, 131_016],
        late_answers: 50,
        late: Duration::from_millis(150),
        withheld_statuses: 250,
        skipped_delivered: 100,
        // Nobody sees what has failed, and what is checked here is that everybody is answered.
        failed_statuses: 0,
        duplicates: 250,
        shuffle: Duration::from_millis(120),
        delay: Duration::ZERO,
    }
}

impl Phones {
    pub async fn start(script: &Script, at: IpAddr) -> anyhow::Result<Self> {
        let number = |door| Number {
            phone_number_id: number(door).to_owned(),
            access_token: SECRET.to_owned(),
            app_secret: SECRET.to_owned(),
            verify_token: SECRET.to_owned(),
            ..Number::default()
        };
        let options = Options {
            listen: (at, 0).into(),
            seed: script.seed,
            numbers: vec![number(Door::Main), number(Door::Other)],
            faults: faults(),
            posting: Posting {
                batch: 4,
                gather: Duration::from_millis(5),
                at_once: 16,
                back_off: Duration::from_millis(20),
                longest_back_off: Duration::from_millis(300),
                ..Posting::default()
            },
            ..Options::default()
        };
        let simulator = Simulator::start(options).await;
        Ok(Self {
            simulator: simulator.context("cannot start the simulator")?,
            sends: AtomicUsize::new(0),
            violations: AtomicUsize::new(0),
        })
    }

    pub fn graph_url(&self) -> String {
        self.simulator.graph_url()
    }

    /// The server listens here, or will.
    pub fn post_to(&self, server: SocketAddr) {
        for (door, channel) in [(Door::Main, "main"), (Door::Other, "other")] {
            let webhook = format!("http://{server}/webhooks/{channel}");
            self.simulator.post_number_to(number(door), webhook);
        }
    }

    /// What came since the last look.
    fn news(&self) -> Vec<Record> {
        let (sends, violations) = self.simulator.news(
            self.sends.load(Ordering::SeqCst),
            self.violations.load(Ordering::SeqCst),
        );
        self.sends.fetch_add(sends.len(), Ordering::SeqCst);
        self.violations
            .fetch_add(violations.len(), Ordering::SeqCst);
        let beyond = violations.into_iter().map(|broken| Record::Beyond {
            limit: format!("{:?}", broken.limit),
        });
        sends.into_iter().map(left).chain(beyond).collect()
    }
}

/// Codes with which Meta says that it does not know either.
fn says_nothing(end: &End) -> bool {
    matches!(
        end,
        End::Refused {
            code: 1 | 2 | 131_000
        }
    )
}

fn left(attempt: Attempt) -> Record {
    let known = conversation(&attempt.phone_number_id, &attempt.to);
    Record::Left(Left {
        // Nobody ever wrote from there: the sends' checker knows no such key.
        conversation: known.unwrap_or_else(|| Conversation {
            door: Door::Main,
            name: "nobody".to_owned(),
        }),
        key: attempt.key.unwrap_or_default().replace('-', ""),
        came: attempt.at,
        seen: matches!(attempt.end, End::Taken { .. }),
        answered: attempt.answered && !says_nothing(&attempt.end),
        tells: attempt.tells,
        tokens: tokens(&attempt.text),
    })
}

impl Sender {
    /// Somebody writes, or Meta posts it once more; until it was answered 200.
    pub(super) async fn write(
        self: &Arc<Self>,
        phones: &Phones,
        message: &Message,
    ) -> anyhow::Result<String> {
        let conversation = &message.key.conversation;
        // Those of the script are as long as a web chat may have them.
        let id = format!("wamid.{}.{}", conversation.name, message.key.seq);
        let phone = phone(conversation)?;
        let phone = phones.simulator.phone_to(number(conversation.door), phone);
        let incarnation = self
            .doors()
            .first()
            .map_or(0, super::door::Door::incarnation);
        let begin = Instant::now();
        let written = match phone.again(&id) {
            Some(again) => again,
            None => phone.writes_as(id.clone(), &message.text),
        };
        ensure!(written.acknowledged().await, "the simulator is gone");
        let status = match self.repeats.taken(&message.key, 0) {
            true => "accepted",
            false => "duplicate",
        };
        self.log
            .write(Record::Ack {
                key: message.key.clone(),
                status: status.to_owned(),
                answer: id.clone(),
                door: 0,
                took: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
            })
            .await?;
        self.acknowledged(0, incarnation);
        Ok(id)
    }

    /// Writes down what the numbers sent since the last look.
    pub(super) fn look_at_screens(&self) {
        let news = self.phones.iter().flat_map(Phones::news);
        news.for_each(|record| self.log.note(record));
    }

    /// Whether Meta has posted all that it had to say.
    pub(super) fn all_told(&self) -> bool {
        let mut phones = self.phones.iter();
        phones.all(|phones| phones.simulator.unposted() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_leads_back_to_its_conversation() -> anyhow::Result<()> {
        for door in [Door::Main, Door::Other] {
            let known = Conversation {
                door,
                name: "c17".to_owned(),
            };
            let phone = phone(&known)?;
            assert_eq!(conversation(number(door), &phone), Some(known));
        }
        assert_eq!(conversation("1", "15550010000"), None);
        Ok(())
    }
}
