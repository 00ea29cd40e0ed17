//! The script of a run: which conversations exist, what each message says, and
//! how it will be repeated. Pure, and a function of the seed alone.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::options::Channel;
use super::words::{ABORT, Conversation, Door, Key, dice};

/// The longest message id that the outside contract allows.
const LONGEST_ID: usize = 255;

/// What the supervisor tells the oracle at its start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Script {
    pub seed: u64,
    pub channel: Channel,
    pub messages: u32,
    pub conversations: u32,
    /// How many cycles, or acts, the messages should last for.
    pub cycles: u32,
    /// How long each of them is about.
    pub cycle_ms: u64,
    /// Several replicas: a slow answer is not waited for, and streams are followed.
    pub replicated: bool,
    /// No redelivery, no pauses, an instant model: fill the backlog.
    pub backlog: bool,
    /// How much longer the model takes for each answer.
    pub thinks_ms: u64,
    /// The model answers nothing until it is told to.
    pub stalls: bool,
    /// Of a thousand calls, how many the model answers badly.
    pub faults: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub key: Key,
    pub id: String,
    pub text: String,
    pub poison: bool,
}

/// How an acknowledged message is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    Never,
    /// A second delivery beside the first one, at the same time.
    Twin,
    Soon,
    /// Just after the next restart.
    Restart,
    /// After hundreds of other messages.
    Late,
}

impl Script {
    /// The conversations with the number of messages that each of them sends.
    ///
    /// Every fifth one lives at the second tenant, under the name of one at the first.
    pub fn conversations(&self) -> Vec<(Conversation, u32)> {
        let all = self.conversations.max(1);
        let other = if self.backlog { 0 } else { all / 5 };
        (0..all)
            .map(|n| {
                let (door, number) = if n < all - other {
                    (Door::Main, n)
                } else {
                    (Door::Other, n - (all - other))
                };
                let extra = u32::from(n < self.messages % all);
                (
                    Conversation {
                        door,
                        name: format!("c{number}"),
                    },
                    self.messages / all + extra,
                )
            })
            .collect()
    }

    /// A message of an ordinary conversation. The door decides nothing here: both
    /// tenants send the same id with the same text.
    pub fn message(&self, conversation: &Conversation, seq: u32) -> Message {
        let name = &conversation.name;
        let mut dice = dice(self.seed, ("message", name, seq));
        let mut id = format!("{name}-{seq}");
        if dice.random_ratio(1, 50) {
            id.push('-');
            id.push_str(&"i".repeat(LONGEST_ID - id.len()));
        }
        let filler = [
            "good morning",
            "e então, tudo certo?",
            "one more thing 🙂",
            "line one\nline two",
        ];
        let filler = filler[dice.random_range(0..filler.len())];
        let padding = if dice.random_ratio(1, 10) {
            " and so on".repeat(dice.random_range(1..80))
        } else {
            String::new()
        };
        let key = Key {
            conversation: conversation.clone(),
            seq,
        };
        let text = format!("{filler}{padding} {}", key.token());
        Message {
            key,
            id,
            text,
            poison: false,
        }
    }

    /// The second of the three messages of a poisoned conversation takes the process down.
    pub fn poisoned(&self, index: u32) -> [Message; 3] {
        [1, 2, 3].map(|seq| {
            let conversation = Conversation {
                door: Door::Main,
                name: format!("p{index}"),
            };
            let mut message = self.message(&conversation, seq);
            if seq == 2 {
                message.poison = true;
                message.text = format!("please {ABORT} {}", message.key.token());
            }
            message
        })
    }

    pub fn again(&self, key: &Key) -> Again {
        if self.backlog {
            return Again::Never;
        }
        match dice(self.seed, ("again", key)).random_range(0..100) {
            0..10 => Again::Twin,
            10..20 => Again::Soon,
            20..30 => Again::Restart,
            30..42 => Again::Late,
            _ => Again::Never,
        }
    }

    /// The messages that may have been begun when this cycle is reached; the
    /// last share is kept for the healed server.
    pub fn released(&self, cycle: u32) -> u32 {
        let share = u64::from(self.messages) * u64::from(cycle + 1) / u64::from(self.cycles + 1);
        u32::try_from(share)
            .unwrap_or(self.messages)
            .min(self.messages)
    }
}

#[cfg(test)]
impl Script {
    /// The smallest run, for tests.
    pub fn plain(seed: u64) -> Self {
        Self {
            seed,
            channel: Channel::WebChat,
            messages: 9,
            conversations: 1,
            cycles: 1,
            cycle_ms: 900,
            replicated: false,
            backlog: false,
            thinks_ms: 0,
            stalls: false,
            faults: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::crash::words::tokens;

    fn script() -> Script {
        Script {
            messages: 1203,
            conversations: 50,
            cycles: 12,
            ..Script::plain(7)
        }
    }

    #[test]
    fn every_message_is_planned_once() {
        let conversations = script().conversations();
        assert_eq!(
            conversations.iter().map(|(_, count)| count).sum::<u32>(),
            1203
        );
        assert_eq!(
            conversations
                .iter()
                .map(|(c, _)| c)
                .collect::<BTreeSet<_>>()
                .len(),
            50
        );
    }

    #[test]
    fn twins_of_two_tenants_send_the_same_ids_and_texts() {
        let conversations = script().conversations();
        let other = conversations
            .iter()
            .filter(|(c, _)| c.door == Door::Other)
            .count();
        assert_eq!(other, 10);
        let at = |door| {
            script().message(
                &Conversation {
                    door,
                    name: "c3".to_owned(),
                },
                9,
            )
        };
        assert_eq!(
            (at(Door::Main).id, at(Door::Main).text),
            (at(Door::Other).id, at(Door::Other).text)
        );
    }

    #[test]
    fn ids_stay_within_the_contract_and_texts_carry_their_token() {
        for seq in 1..500 {
            let message = script().message(
                &Conversation {
                    door: Door::Main,
                    name: "c1".to_owned(),
                },
                seq,
            );
            assert!(message.id.len() <= LONGEST_ID);
            assert_eq!(tokens(&message.text), [message.key.token()]);
        }
    }

    #[test]
    fn well_over_thirty_percent_are_sent_again() {
        let all = script().conversations();
        let keys = all.iter().flat_map(|(conversation, count)| {
            (1..=*count).map(|seq| Key {
                conversation: conversation.clone(),
                seq,
            })
        });
        let again = keys
            .filter(|key| script().again(key) != Again::Never)
            .count();
        assert!(again * 100 / 1203 >= 35, "{again} of 1203");
    }

    #[test]
    fn messages_last_until_the_server_is_healed() {
        assert!(script().released(0) > 0);
        assert!(script().released(11) < 1203);
        assert_eq!(script().released(12), 1203);
    }
}
