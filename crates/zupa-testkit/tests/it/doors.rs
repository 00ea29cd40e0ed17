//! The contract of doors finds what it should: a plain door keeps all of it, and with one
//! thing done wrong it breaks the promise that speaks of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::channel::no_media;
use zupa_core::{
    Address, Alias, Capabilities, Channel, ChannelId, Content, Deduplicates, DeliveryId, Error,
    ErrorKind, Hint, Inbound, Media, Outcome, Outgoing, PlatformId, Receipt, ReceiptLevel,
    ReceiptNews, Result, Retry, SendReceipt, TenantId, Timestamp, Voice,
};
use zupa_testkit::contract::channel::{
    CASES, Deed, HandedIn, Harness, Line, Platform, Scene, WORDS, run_all,
};

/// What is done wrong, by the case that finds it.
type Wrong = Option<&'static str>;

/// A door and its platform in one.
#[derive(Debug)]
struct Plain {
    id: ChannelId,
    tenant: TenantId,
    wrong: Wrong,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    line: Line,
    /// What arrived: key, id, text.
    taken: Vec<(DeliveryId, PlatformId, String)>,
    /// Ids of what somebody did.
    deeds: u32,
    /// How often it was asked what it can do.
    asked: u32,
}

impl Plain {
    fn new(line: Line, wrong: Wrong) -> Self {
        Self {
            id: ChannelId::parse("door").unwrap(),
            tenant: TenantId::default_tenant(),
            wrong,
            state: Mutex::new(State {
                line,
                taken: Vec::new(),
                deeds: 0,
                asked: 0,
            }),
        }
    }

    fn is_wrong(&self, case: &str) -> bool {
        self.wrong.is_some_and(|wrong| wrong.ends_with(case))
    }

    /// The text that arrives for a content; none for what cannot be carried.
    fn carried(&self, content: &Content) -> Option<String> {
        match content {
            Content::Text { text } if text.is_empty() => self
                .is_wrong("what_cannot_be_carried_is_refused_and_does_not_arrive")
                .then(String::new),
            Content::Text { text } if self.is_wrong("a_message_arrives_as_it_was_sent") => {
                Some(text.trim_end().to_uppercase())
            }
            Content::Text { text } => Some(text.clone()),
            _ => None,
        }
    }

    fn take(&self, message: &Outgoing, text: String) -> SendReceipt {
        let mut state = self.state.lock().unwrap();
        let known = state.taken.iter().find(|old| old.0 == message.delivery);
        if let Some(known) = known
            && !self.is_wrong("a_repeated_key_arrives_once_where_the_door_says_so")
        {
            return SendReceipt {
                platform_id: Some(known.1.clone()),
            };
        }
        let number = match self.is_wrong("every_message_has_an_id_of_its_own") {
            true => 0,
            false => state.taken.len(),
        };
        let id = PlatformId::parse(format!("out-{number}")).unwrap();
        let taken = (message.delivery, id.clone(), text);
        match self.is_wrong("messages_arrive_in_the_order_of_their_sends") {
            true => state.taken.insert(0, taken),
            false => state.taken.push(taken),
        }
        SendReceipt {
            platform_id: Some(id),
        }
    }
}

fn failure(kind: ErrorKind, outcome: Outcome, retry: Retry) -> Error {
    Error::new(kind, "it did not go as it should")
        .with_outcome(outcome)
        .with_retry(retry)
}

#[async_trait]
impl Channel for Plain {
    fn id(&self) -> &ChannelId {
        &self.id
    }

    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn capabilities(&self) -> Capabilities {
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        let changes = self.is_wrong("what_a_door_can_do_is_constant") && state.asked > 1;
        Capabilities {
            drafts: changes,
            ..capabilities()
        }
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let line = {
            let mut state = self.state.lock().unwrap();
            match state.line {
                Line::Gone => Line::Gone,
                _ => std::mem::replace(&mut state.line, Line::Works),
            }
        };
        let Some(text) = self.carried(&message.content) else {
            let kind = ErrorKind::Unsupported;
            return Err(failure(kind, Outcome::NotApplied, Retry::Never));
        };
        let unknown = || failure(ErrorKind::Timeout, Outcome::Unknown, Retry::Now);
        let later = |kind| failure(kind, Outcome::NotApplied, Retry::Now);
        match line {
            Line::Works if self.is_wrong("a_send_that_was_dropped_leaves_the_next_one_alone") => {
                Err(unknown())
            }
            Line::Works => Ok(self.take(&message, text)),
            Line::LosesAnswer => {
                self.take(&message, text);
                if self.is_wrong("errors_quote_nothing") {
                    return Err(unknown().with("text", WORDS));
                }
                let is_sure = self.is_wrong("and_the_call_is_made_once");
                Err(if is_sure {
                    later(ErrorKind::Timeout)
                } else {
                    unknown()
                })
            }
            Line::Late => {
                self.take(&message, text);
                let is_patient = self.is_wrong("a_late_answer_is_left_in_time_and_unknown");
                let patience = Duration::from_secs(if is_patient { 3_600 } else { 0 });
                tokio::time::sleep(message.timeout + patience).await;
                Err(unknown())
            }
            Line::Refuses if self.is_wrong("a_refusal_is_terminal_and_nothing_arrives") => {
                Err(later(ErrorKind::Invalid))
            }
            Line::Refuses => {
                let kind = ErrorKind::Invalid;
                Err(failure(kind, Outcome::NotApplied, Retry::Never))
            }
            Line::Busy => {
                if self.is_wrong("a_busy_platform_is_tried_again_and_nothing_arrives") {
                    self.take(&message, text);
                }
                Err(later(ErrorKind::RateLimited))
            }
            Line::Gone if self.is_wrong("a_platform_that_is_gone_is_tried_again") => Err(unknown()),
            Line::Gone => Err(later(ErrorKind::Unavailable)),
        }
    }

    fn is_open(&self) -> bool {
        true
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    fn voice(&self) -> Voice {
        Voice::TextOnly
    }

    async fn media(&self, _: &str, _: u64, _: Duration) -> Result<Media> {
        let wrong = self.is_wrong("media_that_nobody_has_is_not_asked_for_again");
        let error = no_media(&self.id);
        Err(if wrong {
            error.with_retry(Retry::Now)
        } else {
            error
        })
    }

    fn hint(&self, _: &Address, _: Hint) {}
}

fn capabilities() -> Capabilities {
    zupa_testkit::RecordingChannel::new(
        ChannelId::parse("door").unwrap(),
        TenantId::default_tenant(),
        Deduplicates::ByKey,
    )
    .capabilities()
}

/// The other end of a door.
struct Behind(Arc<Plain>);

impl Behind {
    fn inbound(&self, deed: u32, content: Content) -> HandedIn {
        let wrong = |case| self.0.is_wrong(case);
        let address = Address {
            tenant: self.0.tenant.clone(),
            channel: self.0.id.clone(),
            alias: match wrong("who_has_written_can_be_written_to") {
                true => Alias::parse("nobody").unwrap(),
                false => self.somebody(),
            },
        };
        let deed = if wrong("the_same_words_twice_are_two_messages") {
            0
        } else {
            deed
        };
        HandedIn::Inbound(Inbound {
            platform_id: Some(id_of(deed)),
            ..Inbound::new(address, content)
        })
    }
}

fn id_of(deed: u32) -> PlatformId {
    PlatformId::parse(format!("in-{deed}")).unwrap()
}

#[async_trait]
impl Platform for Behind {
    fn somebody(&self) -> Alias {
        Alias::parse("somebody").unwrap()
    }

    async fn seen(&self) -> Vec<String> {
        let state = self.0.state.lock().unwrap();
        let texts = state.taken.iter().map(|taken| taken.2.clone());
        // Whoever is written to under another address sees nothing.
        let lost = self.0.is_wrong("who_has_written_can_be_written_to");
        texts.filter(|_| !lost).collect()
    }

    async fn told(&self, delivery: DeliveryId) -> Option<Vec<Receipt>> {
        let state = self.0.state.lock().unwrap();
        let (key, id, _) = state.taken.iter().find(|taken| taken.0 == delivery)?;
        let about = match self.0.is_wrong("news_of_a_message_leads_to_it") {
            true => PlatformId::parse("another").unwrap(),
            false => id.clone(),
        };
        let keeps_key = !self
            .0
            .wrong
            .is_some_and(|wrong| wrong.starts_with("telling"));
        let news = ReceiptNews::Status {
            level: ReceiptLevel::Sent,
            key: keeps_key.then(|| key.to_string()),
        };
        Some(vec![Receipt {
            tenant: self.0.tenant.clone(),
            channel: self.0.id.clone(),
            about,
            news,
            at: None,
        }])
    }

    async fn does(&self, deed: Deed) -> Option<HandedIn> {
        let number = {
            let mut state = self.0.state.lock().unwrap();
            state.deeds += 1;
            state.deeds
        };
        let about = |case| match self.0.is_wrong(case) {
            true => id_of(number),
            false => id_of(number - 1),
        };
        let content = Content::text("two soups and bread");
        let (about, news) = match deed {
            Deed::Writes => {
                let wrong = self.0.is_wrong("what_somebody_writes_is_handed_in_whole");
                let words = if wrong { &WORDS[..6] } else { WORDS };
                return Some(self.inbound(number, Content::text(words)));
            }
            Deed::Reacts => {
                let to = about("a_reaction_names_its_message").as_str().to_owned();
                let emoji = "+".to_owned();
                return Some(self.inbound(number, Content::Reaction { to, emoji }));
            }
            Deed::Edits => (
                about("an_edit_names_its_message"),
                ReceiptNews::Edit { content },
            ),
            Deed::Revokes => (about("a_revoke_names_its_message"), ReceiptNews::Revoke),
        };
        Some(HandedIn::Receipt(Receipt {
            tenant: self.0.tenant.clone(),
            channel: self.0.id.clone(),
            about,
            news,
            at: None,
        }))
    }

    async fn repeats(&self) -> Option<HandedIn> {
        let number = self.0.state.lock().unwrap().deeds;
        let wrong = self.0.is_wrong("a_message_that_comes_again_is_the_same");
        Some(self.inbound(number + u32::from(wrong), Content::text(WORDS)))
    }
}

struct Doors(Wrong);

#[async_trait]
impl Harness for Doors {
    async fn scene(&self, line: Line) -> Option<Scene> {
        let door = Arc::new(Plain::new(line, self.0));
        Some(Scene {
            door: door.clone(),
            platform: Arc::new(Behind(door)),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_door_keeps_every_promise() {
    let report = run_all(&Doors(None)).await;
    assert_eq!(report.kept.len(), CASES.len(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_door_does_wrong_is_found_by_the_case_that_speaks_of_it() {
    for case in CASES {
        let report = run_all(&Doors(Some(case.name))).await;
        assert!(
            report.broken_cases().contains(&case.name),
            "{}: {report}",
            case.name
        );
        assert_eq!(report.skipped, [""; 0]);
    }
}
