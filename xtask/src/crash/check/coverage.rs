//! L: per conversation, the replies answer every acknowledged message, each in
//! exactly one of them, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Violation};
use crate::crash::oracle::truth::Truth;
use crate::crash::replies::{Replies, Reply};
use crate::crash::words::Conversation;

pub fn check(truth: &Truth, replies: &Replies) -> Vec<Violation> {
    let mut found = Vec::new();
    for (conversation, expected) in truth.expected() {
        let replies = replies.get(&conversation).map_or(&[][..], Vec::as_slice);
        let details = conversation_details(truth, &conversation, &expected, replies);
        found.extend(
            details
                .into_iter()
                .map(|detail| Violation::new(Check::Coverage, format!("{conversation}: {detail}"))),
        );
    }
    found
}

fn conversation_details(
    truth: &Truth,
    conversation: &Conversation,
    expected: &BTreeSet<u32>,
    replies: &[Reply],
) -> Vec<String> {
    let mut details = Vec::new();
    let mut answered: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for reply in replies {
        for token in &reply.tokens {
            if token.name == conversation.name {
                answered.entry(token.seq).or_default().push(reply.number);
            } else {
                details.push(format!(
                    "reply {} speaks of {token}, another conversation",
                    reply.number
                ));
            }
        }
        // Where a message was given up, the person is told so, and no id is named.
        let poisoned = truth
            .sent
            .iter()
            .any(|(key, sent)| sent.poison && key.conversation == *conversation);
        if reply.tokens.is_empty() && !poisoned {
            details.push(format!("reply {} answers no message", reply.number));
        }
    }
    for seq in expected.iter().filter(|seq| !answered.contains_key(seq)) {
        details.push(format!(
            "message {seq} was acknowledged and is not answered: lost"
        ));
    }
    for (seq, numbers) in &answered {
        if numbers.len() > 1 {
            details.push(format!(
                "message {seq} is answered {} times, in the replies {numbers:?}: doubled",
                numbers.len()
            ));
        }
        if !expected.contains(seq) {
            details.push(format!("message {seq} is answered, but was not to be"));
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use super::super::planted::{conversation, details, key, replies, truth};
    use super::*;

    fn found(texts: &[&str]) -> Vec<String> {
        let found = check(&truth("c1", 3), &replies("c1", texts));
        details(&found).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn every_message_in_one_reply_passes() {
        assert!(found(&["saw <<c1:1>> <<c1:2>>", "saw <<c1:3>>"]).is_empty());
    }

    #[test]
    fn a_lost_message_is_caught() {
        assert_eq!(
            found(&["saw <<c1:1>>", "saw <<c1:3>>"]),
            ["main/c1: message 2 was acknowledged and is not answered: lost"]
        );
    }

    #[test]
    fn a_doubled_message_is_caught_in_two_replies_and_in_one() {
        let two = found(&["saw <<c1:1>> <<c1:2>>", "saw <<c1:2>> <<c1:3>>"]);
        assert_eq!(
            two,
            ["main/c1: message 2 is answered 2 times, in the replies [1, 2]: doubled"]
        );
        assert_eq!(found(&["saw <<c1:1>> <<c1:1>> <<c1:2>> <<c1:3>>"]).len(), 1);
    }

    #[test]
    fn what_crosses_between_conversations_is_caught() {
        let found = found(&["saw <<c1:1>> <<c1:2>> <<c1:3>>", "saw <<c2:1>>"]);
        assert_eq!(
            found,
            ["main/c1: reply 2 speaks of <<c2:1>>, another conversation"]
        );
    }

    #[test]
    fn a_reply_to_nothing_is_caught() {
        assert_eq!(
            found(&["saw <<c1:1>> <<c1:2>> <<c1:3>>", "sorry"]),
            ["main/c1: reply 2 answers no message"]
        );
    }

    #[test]
    fn a_conversation_without_any_reply_is_caught() {
        assert_eq!(check(&truth("c1", 3), &Replies::new()).len(), 3);
    }

    #[test]
    fn a_poison_must_not_be_answered_and_may_be_excused() {
        let mut truth = truth("p0", 3);
        truth
            .sent
            .entry(key("p0", 2))
            .and_modify(|sent| sent.poison = true);
        assert!(
            check(
                &truth,
                &replies("p0", &["saw <<p0:1>>", "sorry", "saw <<p0:3>>"])
            )
            .is_empty()
        );
        let answered = check(
            &truth,
            &replies("p0", &["saw <<p0:1>>", "saw <<p0:2>>", "saw <<p0:3>>"]),
        );
        assert_eq!(
            details(&answered),
            ["main/p0: message 2 is answered, but was not to be"]
        );
        assert!(truth.expected().contains_key(&conversation("p0")));
    }
}
