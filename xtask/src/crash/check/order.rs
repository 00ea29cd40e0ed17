//! O: per conversation, the replies name the messages in the order in which
//! they were sent. Gaps are the coverage checker's business.

use super::{Check, Violation};
use crate::crash::replies::Replies;

pub fn check(replies: &Replies) -> Vec<Violation> {
    let mut found = Vec::new();
    for (conversation, replies) in replies {
        let named = replies
            .iter()
            .flat_map(|reply| reply.tokens.iter().map(|token| (reply.number, token.seq)));
        let mut last = 0;
        for (number, seq) in named {
            if seq < last {
                let detail = format!(
                    "{conversation}: reply {number} answers message {seq} after message {last}"
                );
                found.push(Violation::new(Check::Order, detail));
            }
            last = last.max(seq);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::planted::{details, replies};
    use super::*;

    #[test]
    fn ascending_replies_pass_with_gaps_too() {
        assert!(
            check(&replies(
                "c1",
                &["saw <<c1:1>> <<c1:2>>", "sorry", "saw <<c1:5>>"]
            ))
            .is_empty()
        );
    }

    #[test]
    fn swapped_replies_are_caught() {
        let found = check(&replies(
            "c1",
            &["saw <<c1:1>>", "saw <<c1:3>>", "saw <<c1:2>>"],
        ));
        assert_eq!(
            details(&found),
            ["main/c1: reply 3 answers message 2 after message 3"]
        );
    }

    #[test]
    fn swapped_messages_within_a_reply_are_caught() {
        assert_eq!(check(&replies("c1", &["saw <<c1:2>> <<c1:1>>"])).len(), 1);
    }
}
