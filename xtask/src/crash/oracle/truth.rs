//! What the oracle knows for sure at the end: its log, folded by message.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Left, Line, Record};
use crate::crash::words::{Conversation, Key, Token};

#[derive(Debug, Clone, Default)]
pub struct Sent {
    pub id: String,
    pub poison: bool,
    pub accepted: u32,
    pub duplicate: u32,
    /// Deliveries without an answer: each may have been the accepted one.
    pub lost: u32,
    pub again: u32,
    pub rejected: Vec<String>,
    /// What the server calls the message, from its acknowledgements.
    pub answers: BTreeSet<String>,
}

impl Sent {
    pub fn acknowledged(&self) -> bool {
        self.accepted + self.duplicate > 0
    }
}

#[derive(Debug, Clone)]
pub struct Call {
    pub at: u64,
    pub tokens: Vec<Token>,
    pub complete: bool,
}

/// An acknowledgement: which replica gave it, when, and after how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    pub key: Key,
    pub door: usize,
    pub accepted: bool,
    /// Unix microseconds.
    pub at: u64,
    pub took: u64,
}

impl Acked {
    pub fn asked_at(&self) -> u64 {
        self.at.saturating_sub(self.took)
    }
}

#[derive(Debug, Default)]
pub struct Truth {
    pub sent: BTreeMap<Key, Sent>,
    /// In the order of the log.
    pub acked: Vec<Acked>,
    /// What the followed streams showed, with the replica that showed it.
    pub seen: BTreeMap<Conversation, Vec<(u64, usize)>>,
    pub calls: BTreeMap<u64, Call>,
    pub odd_calls: Vec<String>,
    /// What numbers sent, in the order in which it came.
    pub left: Vec<Left>,
    /// Sends beyond a rate, by its name.
    pub beyond: BTreeMap<String, u64>,
    pub refused: u64,
    pub refused_without_retry_after: u64,
}

impl Truth {
    pub fn fold(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut truth = Self::default();
        for line in lines {
            truth.apply(line);
        }
        truth
    }

    fn apply(&mut self, Line { at, record }: Line) {
        match record {
            Record::Intent { message } => {
                let sent = self.sent.entry(message.key).or_default();
                sent.id = message.id;
                sent.poison = message.poison;
            }
            Record::Again { key, .. } => self.sent.entry(key).or_default().again += 1,
            Record::Ack {
                key,
                status,
                answer,
                door,
                took,
            } => {
                self.acked.push(Acked {
                    key: key.clone(),
                    door,
                    accepted: status == "accepted",
                    at,
                    took,
                });
                let sent = self.sent.entry(key).or_default();
                match status.as_str() {
                    "accepted" => sent.accepted += 1,
                    _ => sent.duplicate += 1,
                }
                sent.answers.insert(answer);
            }
            Record::Lost { key } => self.sent.entry(key).or_default().lost += 1,
            Record::Refused {
                key,
                status,
                retry_after,
            } => {
                // A 503 may cover a commit that was only given up waiting for.
                self.sent.entry(key).or_default().lost += u32::from(status == 503);
                self.refused += 1;
                self.refused_without_retry_after += u64::from(!retry_after);
            }
            Record::Rejected { key, detail } => {
                self.sent.entry(key).or_default().rejected.push(detail)
            }
            Record::Seen {
                conversation,
                number,
                door,
            } => self
                .seen
                .entry(conversation)
                .or_default()
                .push((number, door)),
            Record::Left(left) => self.left.push(left),
            Record::Beyond { limit } => *self.beyond.entry(limit).or_default() += 1,
            Record::Call { call, tokens, .. } => {
                self.calls.insert(
                    call,
                    Call {
                        at,
                        tokens,
                        complete: false,
                    },
                );
            }
            Record::CallEnd { call, complete } => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.complete = complete;
                }
            }
            Record::OddCall { call, detail } => {
                self.odd_calls.push(format!("call {call}: {detail}"))
            }
        }
    }

    /// Per conversation, the messages that must be answered: all that were
    /// acknowledged, but not those that take the process down.
    pub fn expected(&self) -> BTreeMap<Conversation, BTreeSet<u32>> {
        let mut expected: BTreeMap<Conversation, BTreeSet<u32>> = BTreeMap::new();
        for (key, sent) in &self.sent {
            let conversation = expected.entry(key.conversation.clone()).or_default();
            if sent.acknowledged() && !sent.poison {
                conversation.insert(key.seq);
            }
        }
        expected
    }

    pub fn acknowledged(&self) -> u64 {
        self.sent
            .values()
            .map(|sent| u64::from(sent.acknowledged()))
            .sum()
    }

    pub fn redelivered(&self) -> u64 {
        self.sent
            .values()
            .map(|sent| u64::from(sent.acknowledged() && sent.again > 0))
            .sum()
    }

    pub fn poisons(&self) -> u64 {
        self.sent
            .values()
            .map(|sent| u64::from(sent.acknowledged() && sent.poison))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::script::{Again, Message};
    use crate::crash::words::Door;

    fn key(seq: u32) -> Key {
        Key {
            conversation: Conversation {
                door: Door::Main,
                name: "c1".to_owned(),
            },
            seq,
        }
    }

    fn intent(seq: u32, poison: bool) -> Record {
        Record::Intent {
            message: Message {
                key: key(seq),
                id: format!("c1-{seq}"),
                text: String::new(),
                poison,
            },
        }
    }

    fn ack(seq: u32, status: &str) -> Record {
        Record::Ack {
            key: key(seq),
            status: status.to_owned(),
            answer: format!("e{seq}"),
            door: 0,
            took: 2,
        }
    }

    #[test]
    fn the_log_is_folded_by_message() {
        let records = [
            intent(1, false),
            Record::Lost { key: key(1) },
            ack(1, "duplicate"),
            Record::Again {
                key: key(1),
                how: Again::Soon,
            },
            ack(1, "duplicate"),
            intent(2, true),
            ack(2, "accepted"),
            intent(3, false),
            Record::Call {
                call: 9,
                tokens: vec![key(1).token()],
                digest: String::new(),
            },
            Record::CallEnd {
                call: 9,
                complete: true,
            },
        ];
        let truth = Truth::fold(records.into_iter().map(|record| Line { at: 5, record }));
        assert_eq!(
            (truth.acknowledged(), truth.redelivered(), truth.poisons()),
            (2, 1, 1)
        );
        assert_eq!(
            truth.expected().into_values().next(),
            Some(BTreeSet::from([1]))
        );
        let first = &truth.sent[&key(1)];
        assert_eq!(
            (first.accepted, first.duplicate, first.lost, first.again),
            (0, 2, 1, 1)
        );
        assert!(truth.calls[&9].complete);
        assert_eq!(truth.acked.len(), 3);
        assert_eq!(
            (truth.acked[2].accepted, truth.acked[2].asked_at()),
            (true, 3)
        );
    }
}
