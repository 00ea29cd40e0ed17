//! The contract of `Channel`, and of what a door hands in, as plain async functions, one
//! per promise, named as the promise: [`sending`], [`telling`] and [`hearing`].
//!
//! Each function takes a door whose platform behaves in one way from a [`Harness`], and
//! panics when a promise is broken. It answers `None` where the platform cannot be made to
//! behave so: that case is skipped, by name.

pub mod hearing;
pub mod sending;
pub mod telling;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use uuid::Uuid;
use zupa_core::{
    Acknowledges, Address, Alias, Channel, Content, DeliveryId, Error, Inbound, Outgoing, Receipt,
    Result, SendReceipt, TurnId,
};

pub use super::adapter::{Case, Report};

/// What is said in these cases; an error may quote none of it.
pub const WORDS: &str = "canary asks for two soups";

/// How long a [`Line::Late`] is waited for.
const SHORT: Duration = Duration::from_millis(200);

/// Long enough for any platform of a test, and short enough to tell it from none.
const LONG: Duration = Duration::from_secs(20);

/// How the platform treats the next send; those behind it work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It takes it and says so.
    Works,
    /// It takes it, and its answer gets lost.
    LosesAnswer,
    /// It takes it, and says so long after anybody has waited.
    Late,
    /// It does not take it, now or later.
    Refuses,
    /// It does not take it now.
    Busy,
    /// It cannot be reached, now or at a send behind it.
    Gone,
}

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Writes [`WORDS`].
    Writes,
    /// Changes what they wrote last.
    Edits,
    /// Takes back what they wrote last.
    Revokes,
    /// Reacts to what they wrote last.
    Reacts,
}

/// What a door hands in.
#[derive(Debug)]
pub enum HandedIn {
    /// A message.
    Inbound(Inbound),
    /// News of one.
    Receipt(Receipt),
}

/// What is behind a door: people, and what they see.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Somebody the door may write to, and who may write to it.
    fn somebody(&self) -> Alias;

    /// The texts that they were shown, oldest first.
    async fn seen(&self) -> Vec<String>;

    /// What the door hands in about the message with this key, until it is known to have
    /// been sent; `None` if nobody tells.
    async fn told(&self, delivery: DeliveryId) -> Option<Vec<Receipt>>;

    /// Has them do something; what the door hands in for it. `None` if nobody can do it
    /// there.
    async fn does(&self, deed: Deed) -> Option<HandedIn>;

    /// What the door hands in when the platform repeats their last deed. `None` if it
    /// never does.
    async fn repeats(&self) -> Option<HandedIn>;
}

/// A door, and what is behind it.
pub struct Scene {
    /// The door under test.
    pub door: Arc<dyn Channel>,
    /// Its platform.
    pub platform: Arc<dyn Platform>,
}

/// What an adapter's author brings: platforms that behave as told.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A fresh door over such a platform.
    async fn scene(&self, line: Line) -> Option<Scene>;
}

/// Checks a promise; answers `None` when it is skipped.
pub type Check = for<'h> fn(&'h dyn Harness) -> BoxFuture<'h, Option<()>>;

/// Every promise.
pub const CASES: &[Case<Check>] = super::adapter::cases! {
    sending {
        what_a_door_can_do_is_constant
        a_message_arrives_as_it_was_sent
        messages_arrive_in_the_order_of_their_sends
        every_message_has_an_id_of_its_own
        a_lost_answer_is_unknown_and_the_call_is_made_once
        a_late_answer_is_left_in_time_and_unknown
        a_refusal_is_terminal_and_nothing_arrives
        a_busy_platform_is_tried_again_and_nothing_arrives
        a_platform_that_is_gone_is_tried_again
        a_repeated_key_arrives_once_where_the_door_says_so
        what_cannot_be_carried_is_refused_and_does_not_arrive
        errors_quote_nothing
        a_send_that_was_dropped_leaves_the_next_one_alone
        media_that_nobody_has_is_not_asked_for_again
    }
    telling {
        news_of_a_message_leads_to_it
        news_of_a_send_without_an_answer_carries_its_key
    }
    hearing {
        what_somebody_writes_is_handed_in_whole
        a_message_that_comes_again_is_the_same
        the_same_words_twice_are_two_messages
        an_edit_names_its_message
        a_revoke_names_its_message
        a_reaction_names_its_message
        who_has_written_can_be_written_to
    }
};

/// Runs every case and reports which are broken, and which were skipped.
pub async fn run_all(harness: &dyn Harness) -> Report {
    let cases = CASES.iter().map(|case| Case {
        name: case.name,
        check: (case.check)(harness),
    });
    super::adapter::run_all(cases).await
}

/// A door that works, if a message leaves through [`Channel::send`] and not with its
/// commit.
async fn sends(harness: &dyn Harness) -> Option<Scene> {
    let scene = harness.scene(Line::Works).await?;
    let acknowledges = scene.door.capabilities().acknowledges;
    (acknowledges == Acknowledges::OnSend).then_some(scene)
}

impl Scene {
    /// An attempt to send somebody this, under a key of its own.
    fn outgoing(&self, content: Content) -> Outgoing {
        static KEYS: AtomicU32 = AtomicU32::new(1);
        let turn = u128::from(KEYS.fetch_add(1, Ordering::Relaxed));
        Outgoing {
            delivery: DeliveryId {
                turn: TurnId(Uuid::from_u128(turn)),
                ordinal: 0,
            },
            to: Address {
                tenant: self.door.tenant().clone(),
                channel: self.door.id().clone(),
                alias: self.platform.somebody(),
            },
            content,
            as_template: false,
            attempt: 1,
            timeout: LONG,
        }
    }

    async fn says(&self, text: &str) -> Result<SendReceipt> {
        self.door.send(self.outgoing(Content::text(text))).await
    }
}

/// Fails if the error, or anything beneath it, quotes what was said or to whom.
fn quotes_nothing(error: &Error, whom: &Alias) {
    super::adapter::quotes_none_of(error, &["canary", "soup", whom.as_str()]);
}
