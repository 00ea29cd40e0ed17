//! A group: one chat with a number, in which several people write.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::person::{Identity, Person, Said, Seen};
use crate::phone::{Phone, Written};
use crate::shared::Shared;
use crate::webhook::Event;
use crate::world::World;

/// One group with one number in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Group {
    /// What all members see.
    chat: Phone,
    shared: Arc<Shared>,
    line: usize,
}

impl Group {
    pub(crate) fn new(shared: Arc<Shared>, line: usize, id: String) -> Self {
        Self {
            chat: Phone::new(shared.clone(), line, id),
            shared,
            line,
        }
    }

    /// Meta's id of it.
    pub fn id(&self) -> &str {
        self.chat.number()
    }

    /// Somebody writes a text; whoever was no member is one from now on.
    pub fn writes(&self, member: &str, text: &str) -> Written {
        self.says(member, json!({ "type": "text", "text": { "body": text } }))
    }

    /// Somebody writes anything, as [`Phone::says`].
    pub fn says(&self, member: &str, message: Value) -> Written {
        let event = {
            let mut world = self.shared.world();
            let wamid = world.new_wamid();
            world.say_in(self.line, self.id(), member, wamid, message)
        };
        self.chat.post(event)
    }

    /// What the number sent, in the order in which it came.
    pub fn seen(&self) -> Vec<Seen> {
        self.chat.seen()
    }

    /// What was written, in order.
    pub fn said(&self) -> Vec<Said> {
        self.chat.said()
    }

    /// Waits until at least so many messages of the number are there.
    ///
    /// *Cancel safety*: may be dropped and called again.
    pub async fn sees(&self, count: usize) -> Vec<Seen> {
        self.chat.sees(count).await
    }
}

impl World {
    /// A new group of these people; its id.
    pub(crate) fn found(&mut self, name: &str, members: Vec<String>) -> String {
        let number = self.new_id();
        let id = format!("capi-group-SIM{}-{number:06}", self.seed);
        for member in &members {
            self.person(member);
        }
        let group = Person {
            identity: Identity {
                name: name.to_owned(),
                ..Identity::by_phone(&id)
            },
            members: Some(members),
            ..Person::default()
        };
        self.people.insert(id.clone(), group);
        id
    }

    /// Somebody writes in a group: the message says who, and where.
    pub(crate) fn say_in(
        &mut self,
        line: usize,
        group: &str,
        member: &str,
        wamid: String,
        mut message: Value,
    ) -> Event {
        let speaker = self.person(member).identity.clone();
        let members = &mut self.person(group).members;
        let members = members.get_or_insert_default();
        if !members.iter().any(|known| known == member) {
            members.push(member.to_owned());
        }
        speaker.sign(&mut message);
        message["group_id"] = group.into();
        self.put(line, group, wamid, message, speaker.contact())
    }

    /// Whether there is a group with this id.
    pub(crate) fn is_group(&self, id: &str) -> bool {
        let chat = self.people.get(id);
        chat.is_some_and(|chat| chat.members.is_some())
    }
}
