//! Who acts, as they call themselves: there is one token without a name, so nobody
//! checks it. Whoever acts by chat is known by their alias instead.

use crate::audit::AuditEntry;
use crate::digest::Digest;
use crate::time::Timestamp;

/// Who acts, for the audit, as long as there is one token without a name.
pub const OPERATOR: &str = "operator";

/// Names that nobody can have: these act by themselves.
const RESERVED: [&str; 4] = ["agent", "nobody", "person", "runtime"];

/// Longest name, in characters.
const MAX_CHARS: usize = 255;

/// What an act adds to the audit as of a time, under the configuration in force: what it
/// was about, and who did it. Holds no customer text.
pub fn entry(
    by: Option<&str>,
    action: &str,
    what: Option<String>,
    (at, config): (Timestamp, Digest),
) -> AuditEntry {
    let by = by.map(|by| format!("by {by}"));
    let reason: Vec<_> = what.into_iter().chain(by).collect();
    AuditEntry {
        at,
        actor: OPERATOR.to_owned(),
        action: action.to_owned(),
        reason: reason.join(", "),
        turn: None,
        config,
        commitment: None,
    }
}

/// What is wrong with the name of an operator who is known by an address, for people: it
/// must not be that of everybody without a name.
pub fn fault_of_bound(name: &str) -> Option<String> {
    if name.to_lowercase() == OPERATOR {
        return Some("this name stands for everybody who gives none".to_owned());
    }
    let wrong = faults(Some(name)).into_iter().next();
    wrong.map(|(_, _, detail)| detail)
}

/// What is wrong with a name: field, code, and a sentence for people.
pub fn faults(by: Option<&str>) -> Vec<(&'static str, &'static str, String)> {
    let Some(by) = by else {
        return Vec::new();
    };
    let (code, detail) = if by.trim().is_empty() {
        ("empty", "leave it away, or give a name".to_owned())
    } else if by.trim() != by {
        let detail = "a name has no spaces around it".to_owned();
        ("spaces", detail)
    } else if by.chars().count() > MAX_CHARS {
        let detail = format!("a name has at most {MAX_CHARS} characters");
        ("too_long", detail)
    } else if by.chars().any(char::is_control) {
        let detail = "a name has no control characters".to_owned();
        ("control_character", detail)
    } else if RESERVED.contains(&by.to_lowercase().as_str()) {
        let detail = "this name stands for who decides by itself".to_owned();
        ("reserved", detail)
    } else {
        return Vec::new();
    };
    vec![("by", code, detail)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_spaces_around_it_and_is_not_one_that_stands_for_somebody_else() {
        let codes = |name| faults(Some(name)).into_iter().map(|(_, code, _)| code);
        for (name, code) in [
            ("bea ", "spaces"),
            ("\u{a0}bea", "spaces"),
            (" ", "empty"),
            ("Person", "reserved"),
            ("b\u{7}a", "control_character"),
        ] {
            assert!(codes(name).eq([code]), "{name:?}");
        }
        for name in ["bea", "Bea of Lisbon", "operator"] {
            assert!(faults(Some(name)).is_empty(), "{name:?}");
        }
    }

    #[test]
    fn whoever_is_bound_to_an_address_has_a_name_of_their_own() {
        for name in ["operator", "Operator", "bea ", "person"] {
            assert!(fault_of_bound(name).is_some(), "{name:?}");
        }
        assert_eq!(fault_of_bound("bea"), None);
    }
}
