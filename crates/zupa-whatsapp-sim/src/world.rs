//! All that a simulator knows, behind one lock: its numbers, the people, their screens.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock::{unix_micros, unix_seconds};
use crate::fate::Fate;
use crate::graph::Media;
use crate::options::{Faults, Limits, Number, Options};
use crate::person::{Identity, Person, Said};
use crate::rates::{Pair, PerSecond};
use crate::record::Record;
use crate::webhook::{Event, Kind};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) lines: Vec<Line>,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    /// Decided by a test, before any is drawn.
    pub(crate) fates: VecDeque<Fate>,
    /// By phone number.
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) media: Media,
    pub(crate) record: Record,
    ids: u64,
}

/// A number and what it has done.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: Number,
    pub(crate) rate: PerSecond,
    pub(crate) pairs: HashMap<String, Pair>,
    /// Sends to each person, taken or not.
    pub(crate) sends: HashMap<String, u64>,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let line = |number| Line {
            number,
            rate: PerSecond::default(),
            pairs: HashMap::new(),
            sends: HashMap::new(),
        };
        Self {
            seed: options.seed,
            lines: options.numbers.into_iter().map(line).collect(),
            limits: options.limits,
            faults: options.faults,
            fates: VecDeque::new(),
            people: BTreeMap::new(),
            media: Media::default(),
            record: Record::default(),
            ids: 0,
        }
    }

    /// A new id of Meta's; unlike any of another seed.
    pub(crate) fn new_wamid(&mut self) -> String {
        let id = self.new_id();
        format!("wamid.SIM{}.{id}", self.seed)
    }

    pub(crate) fn new_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Whoever has this phone number; they exist from now on.
    pub(crate) fn person(&mut self, phone: &str) -> &mut Person {
        let new = || Person {
            identity: Identity::by_phone(phone),
            ..Person::default()
        };
        self.people.entry(phone.to_owned()).or_insert_with(new)
    }

    /// The phone number of whoever has this id within the business.
    pub(crate) fn phone_of(&self, user_id: &str) -> Option<&str> {
        let mut people = self.people.values();
        let person = people.find(|person| person.identity.user_id.as_deref() == Some(user_id))?;
        Some(&person.identity.phone)
    }

    /// Somebody writes: `message` has a type and its part, the rest is added.
    pub(crate) fn say(
        &mut self,
        line: usize,
        phone: &str,
        wamid: String,
        mut message: Value,
    ) -> Event {
        let identity = self.person(phone).identity.clone();
        identity.sign(&mut message);
        self.put(line, phone, wamid, message, identity.contact())
    }

    /// A signed message is in a chat; what is told of it.
    pub(crate) fn put(
        &mut self,
        line: usize,
        chat: &str,
        wamid: String,
        mut message: Value,
        contact: Value,
    ) -> Event {
        let number = self.lines[line].number.phone_number_id.clone();
        let person = self.person(chat);
        message["id"] = wamid.as_str().into();
        if message.get("timestamp").is_none() {
            message["timestamp"] = unix_seconds().into();
        }
        person.wrote.insert(number.clone(), Instant::now());
        person.said.push(Said {
            wamid: wamid.clone(),
            phone_number_id: number,
            message: message.clone(),
            at: unix_micros(),
            acknowledged: 0,
            read: false,
        });
        Event::new(message, Kind::Message { contact }, chat, wamid)
    }

    /// The same message of somebody to the same number once more.
    pub(crate) fn repeat(&mut self, line: usize, phone: &str, wamid: &str) -> Option<Event> {
        let number = self.lines[line].number.phone_number_id.clone();
        let person = self.person(phone);
        let is_it = |said: &&Said| said.wamid == wamid && said.phone_number_id == number;
        let said = person.said.iter().rfind(is_it)?;
        let kind = Kind::Message {
            contact: person.identity.contact(),
        };
        Some(Event::new(said.message.clone(), kind, phone, wamid))
    }

    /// Notes that a webhook of this number with these was answered 200.
    pub(crate) fn told(&mut self, line: usize, events: &[Event]) {
        let number = self.lines[line].number.phone_number_id.clone();
        for event in events {
            let person = self.person(&event.person);
            match event.level {
                None => {
                    let mut said = person.said.iter_mut().rev();
                    let is_it = |said: &&mut Said| {
                        said.wamid == event.wamid && said.phone_number_id == number
                    };
                    if let Some(said) = said.find(is_it) {
                        said.acknowledged += 1;
                    }
                }
                Some(level) => {
                    let seen = person.seen.iter_mut().rfind(|it| it.wamid == event.wamid);
                    if let Some(seen) = seen {
                        seen.level = seen.level.max(level);
                    }
                }
            }
        }
    }

    /// An element of `statuses`.
    pub(crate) fn status(&self, phone: &str, wamid: &str, word: &str, key: Option<&str>) -> Value {
        let mut status = json!({
            "id": wamid, "status": word, "timestamp": unix_seconds(),
            "pricing": { "billable": false, "pricing_model": "PMP", "category": "service" },
        });
        if word == "failed" {
            status["errors"] = json!([{ "code": 131_026, "title": "Message undeliverable" }]);
        }
        if let Some(key) = key {
            status["biz_opaque_callback_data"] = key.into();
        }
        if self.is_group(phone) {
            status["recipient_id"] = phone.into();
            status["recipient_type"] = "group".into();
        } else if let Some(person) = self.people.get(phone) {
            person.identity.receive(&mut status);
        }
        status
    }
}
