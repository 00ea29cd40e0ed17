//! The simulator as a test or a command holds it.

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::fate::Fate;
use crate::graph;
use crate::group::Group;
use crate::options::{Faults, Number, Options};
use crate::person::Identity;
use crate::phone::Phone;
use crate::record::{Attempt, Record, Violation};
use crate::shared::Shared;
use crate::webhook::{handshake, keep_posting};
use crate::world::World;

/// The version in the addresses of the Graph API; others are taken as well.
const VERSION: &str = "v23.0";

/// Meta's side of one or more numbers. Dropped, it is gone with all that it still had to
/// post.
#[derive(Debug)]
pub struct Simulator(pub(crate) Arc<Shared>);

impl Simulator {
    /// Listens, and posts from now on.
    ///
    /// *Errors*: those of listening, and [`io::ErrorKind::InvalidInput`] without a number.
    pub async fn start(options: Options) -> io::Result<Self> {
        if options.numbers.is_empty() {
            let what = "a simulator needs a number";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let listener = TcpListener::bind(options.listen).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let (posting, page) = (options.posting, options.page);
        let queues = options.numbers.iter().map(|_| mpsc::unbounded_channel());
        let (due, queues): (Vec<_>, Vec<_>) = queues.unzip();
        let shared = Arc::new(Shared::new(
            posting,
            page,
            address,
            World::new(options),
            due,
        ));
        for (line, queue) in queues.into_iter().enumerate() {
            shared.spawn(keep_posting(shared.clone(), line, queue));
        }
        shared.spawn(graph::serve(shared.clone(), listener));
        Ok(Self(shared))
    }

    /// `http://` and where it listens.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// What a channel is given as `graph_url`.
    pub fn graph_url(&self) -> String {
        format!("{}/{VERSION}", self.0.address)
    }

    /// The numbers as they were given, with their webhooks as they are.
    pub fn numbers(&self) -> Vec<Number> {
        let world = self.0.world();
        world.lines.iter().map(|line| line.number.clone()).collect()
    }

    /// The webhooks of all numbers go here from now on; what waited goes first.
    pub fn post_to(&self, webhook: impl Into<String>) {
        let webhook = webhook.into();
        for line in &mut self.0.world().lines {
            line.number.webhook = Some(webhook.clone());
        }
        self.0.change();
    }

    /// The webhooks of one number go here from now on.
    pub fn post_number_to(&self, phone_number_id: &str, webhook: impl Into<String>) {
        let webhook = webhook.into();
        let mut world = self.0.world();
        let mut lines = world.lines.iter_mut();
        if let Some(line) = lines.find(|line| line.number.phone_number_id == phone_number_id) {
            line.number.webhook = Some(webhook);
        }
        drop(world);
        self.0.change();
    }

    /// Asks the first number's webhook whether it is the place, saying this token. False
    /// without a webhook, too.
    pub async fn handshake(&self, verify_token: &str) -> bool {
        let webhook = self.0.world().lines[0].number.webhook.clone();
        match webhook {
            Some(to) => handshake(&self.0.client, &to, verify_token).await,
            None => false,
        }
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.world().faults = faults;
        self.0.change();
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        self.0.world().faults.clone()
    }

    /// What becomes of the next sends, in their order; after them it is drawn again.
    pub fn next_sends(&self, fates: impl IntoIterator<Item = Fate>) {
        self.0.world().fates.extend(fates);
    }

    /// Makes somebody, or makes them anew: whoever had the phone number keeps their screen.
    pub fn person(&self, identity: Identity) {
        let mut world = self.0.world();
        world.person(&identity.phone).identity = identity.clone();
    }

    /// The phone of whoever has this number, as it writes to the first of the business's.
    pub fn phone(&self, phone: impl Into<String>) -> Phone {
        Phone::new(self.0.clone(), 0, phone.into())
    }

    /// The same, writing to another number. The first one, if there is none with this id.
    pub fn phone_to(&self, phone_number_id: &str, phone: impl Into<String>) -> Phone {
        let line = {
            let world = self.0.world();
            let mut lines = world.lines.iter();
            lines.position(|line| line.number.phone_number_id == phone_number_id)
        };
        Phone::new(self.0.clone(), line.unwrap_or(0), phone.into())
    }

    /// A new group of these people, by their phone numbers, and the first of the business's
    /// numbers.
    pub fn group(&self, name: &str, members: &[&str]) -> Group {
        let members = members.iter().map(|&member| member.to_owned());
        let id = self.0.world().found(name, members.collect());
        self.0.change();
        Group::new(self.0.clone(), 0, id)
    }

    /// The phone numbers of everybody so far.
    pub fn people(&self) -> Vec<String> {
        let world = self.0.world();
        let people = world.people.iter();
        let people = people.filter(|(_, person)| person.members.is_none());
        people.map(|(phone, _)| phone.clone()).collect()
    }

    /// All that happened so far.
    pub fn record(&self) -> Record {
        self.0.world().record.clone()
    }

    /// Sends and violations from the so many-th on, for whoever follows them.
    pub fn news(&self, sends: usize, violations: usize) -> (Vec<Attempt>, Vec<Violation>) {
        let world = self.0.world();
        let (sent, broken) = (&world.record.attempts, &world.record.violations);
        (
            sent.get(sends..).unwrap_or_default().to_vec(),
            broken.get(violations..).unwrap_or_default().to_vec(),
        )
    }

    /// How many messages and statuses are still to be posted, or to be answered 200.
    pub fn unposted(&self) -> u64 {
        self.0.unposted()
    }

    /// Waits until the record is as wanted.
    ///
    /// *Cancel safety*: may be dropped and called again.
    pub async fn until(&self, wanted: impl Fn(&Record) -> bool) {
        let mut changes = self.0.changes();
        while !wanted(&self.0.world().record) {
            // The sender is our own.
            let _ = changes.changed().await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.0.end();
    }
}
