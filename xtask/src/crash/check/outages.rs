//! After the store is back, each replica takes messages again, soon.

use std::time::Duration;

use super::{Check, Violation};
use crate::crash::book::{Kind, Outage};

/// After the server of the store came back.
const AFTER_RESTART: Duration = Duration::from_secs(5);
/// After a cut was healed: connections of which nobody knows have to be given up.
const AFTER_CUT: Duration = Duration::from_secs(10);

pub fn check(outages: &[Outage]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, outage) in outages.iter().enumerate() {
        let (what, limit) = match outage.kind {
            Kind::Restart => ("restart".to_owned(), AFTER_RESTART),
            Kind::Cut => (
                outage
                    .how
                    .map_or("cut".to_owned(), |how| format!("cut ({how:?})")),
                AFTER_CUT,
            ),
        };
        for (replica, took) in outage.recoveries() {
            let took = took.map(Duration::from_micros);
            if took.is_some_and(|took| took <= limit) {
                continue;
            }
            let shown = took.map_or("never".to_owned(), |took| format!("after {took:?}"));
            let detail = format!(
                "replica {replica} took messages again {shown}, not within {limit:?} of outage {number}, a {what}"
            );
            found.push(Violation::new(Check::Reconnect, detail));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::planted::details;
    use super::*;

    #[test]
    fn whoever_is_late_or_never_comes_is_caught() {
        let outage = |kind| Outage {
            kind,
            how: None,
            replicas: vec![0, 1],
            incarnations: Vec::new(),
            since: 0,
            from: 0,
            to: 1_000_000,
            back: BTreeMap::from([(0, 7_000_000)]),
        };
        let found = check(&[outage(Kind::Restart)]);
        assert_eq!(
            details(&found),
            [
                "replica 0 took messages again after 6s, not within 5s of outage 0, a restart",
                "replica 1 took messages again never, not within 5s of outage 0, a restart"
            ]
        );
        assert_eq!(check(&[outage(Kind::Cut)]).len(), 1);
    }
}
