//! Guesses what an unknown word was meant to be.

use super::keys::{self, TABLE};
use super::problem::Flaw;
use super::table::LATER;

/// Longer words are no typing errors, and comparing them costs.
const LONGEST: usize = 64;

/// The flaw of a key that the table does not hold. `spell` turns the path of a
/// known key into what the user would have to write.
pub(super) fn unknown(path: &str, spell: impl Fn(&str) -> String) -> Flaw {
    if LATER.contains(&path) || LATER.iter().any(|later| is_below(later, path)) {
        return Flaw::new(
            "not available yet",
            "it is part of the design, but this version would ignore it",
            "remove it for now",
        );
    }
    let why = "a key that zupa does not know would have no effect";
    if let Some(known) = known(path) {
        return Flaw::new(
            "unknown key",
            why,
            format!("did you mean `{}`?", spell(&known)),
        );
    }
    let (section, _) = path.rsplit_once('.').unwrap_or_default();
    let names = keys::children(section).join(", ");
    let fix = match (names.is_empty(), section) {
        (true, _) => "`zupa config schema` lists the keys".to_owned(),
        (false, "") => format!("known here: {names}"),
        (false, section) => format!("known in `{section}`: {names}"),
    };
    Flaw::new("unknown key", why, fix)
}

/// The word of a list that was probably meant, if one is near.
pub(super) fn closest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let plain = word.to_lowercase().replace('-', "_");
    let distance = |other: &str| strsim::osa_distance(&plain, &other.replace('-', "_"));
    let near = (word.chars().count() / 3).max(1);
    words
        .into_iter()
        .filter(|other| other.len().abs_diff(word.len()) <= near)
        .map(|other| (distance(other), other))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

// A neighbour with a similar name, else a key of that very name elsewhere, else
// a similar path.
fn known(path: &str) -> Option<String> {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    if let Some(near) = closest(name, keys::children(section)) {
        let dot = if section.is_empty() { "" } else { "." };
        return Some(format!("{section}{dot}{near}"));
    }
    let mut namesakes = TABLE.iter().filter(|key| is_below_by(key.path, name));
    if let (Some(key), None) = (namesakes.next(), namesakes.next()) {
        return Some(key.path.to_owned());
    }
    closest(path, TABLE.iter().map(|key| key.path)).map(str::to_owned)
}

fn is_below(section: &str, path: &str) -> bool {
    path.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn is_below_by(path: &str, name: &str) -> bool {
    path.strip_suffix(name)
        .is_some_and(|section| section.ends_with('.'))
}
