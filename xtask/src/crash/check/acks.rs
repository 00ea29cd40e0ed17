//! What the server said at its door must be possible: an id is accepted once,
//! and is a duplicate only of something that may have arrived before.

use super::{Check, Violation};
use crate::crash::oracle::truth::Truth;

pub fn check(truth: &Truth) -> Vec<Violation> {
    let mut found = Vec::new();
    for (key, sent) in &truth.sent {
        let mut wrong =
            |detail: String| found.push(Violation::new(Check::Acks, format!("{key}: {detail}")));
        if sent.accepted > 1 {
            wrong(format!(
                "accepted {} times: the first acknowledgement was not durable",
                sent.accepted
            ));
        }
        if sent.accepted == 0 && sent.duplicate > 0 && sent.lost == 0 {
            wrong("called a duplicate, but nothing was delivered before".to_owned());
        }
        if !sent.acknowledged() {
            wrong("never acknowledged".to_owned());
        }
        for rejected in &sent.rejected {
            wrong(format!("answered {rejected}"));
        }
        if sent.answers.len() > 1 {
            wrong(format!(
                "acknowledged under several ids: {:?}",
                sent.answers
            ));
        }
    }
    found.extend(
        truth
            .odd_calls
            .iter()
            .map(|odd| Violation::new(Check::Acks, format!("the model was asked oddly: {odd}"))),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::super::planted::{details, key, truth};
    use super::*;
    use crate::crash::oracle::truth::Sent;

    fn found(change: impl Fn(&mut Sent)) -> Vec<String> {
        let mut truth = truth("c1", 2);
        truth.sent.entry(key("c1", 2)).and_modify(change);
        details(&check(&truth))
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn honest_acknowledgements_pass() {
        assert!(found(|sent| sent.duplicate = 3).is_empty());
        assert!(found(|sent| (sent.accepted, sent.duplicate, sent.lost) = (0, 1, 1)).is_empty());
    }

    #[test]
    fn accepting_an_id_twice_is_caught() {
        assert_eq!(
            found(|sent| sent.accepted = 2),
            ["main/c1:2: accepted 2 times: the first acknowledgement was not durable"]
        );
    }

    #[test]
    fn a_duplicate_of_nothing_is_caught() {
        let found = found(|sent| (sent.accepted, sent.duplicate) = (0, 1));
        assert_eq!(
            found,
            ["main/c1:2: called a duplicate, but nothing was delivered before"]
        );
    }

    #[test]
    fn silence_and_odd_answers_are_caught() {
        assert_eq!(
            found(|sent| sent.accepted = 0),
            ["main/c1:2: never acknowledged"]
        );
        assert_eq!(
            found(|sent| sent.rejected.push("422 other text".to_owned())),
            ["main/c1:2: answered 422 other text"]
        );
        let two_ids = |sent: &mut Sent| sent.answers.extend(["e1".to_owned(), "e2".to_owned()]);
        assert_eq!(found(two_ids).len(), 1);
    }
}
