//! An alias with its middle left out: enough to know it again, too little to call.

use zupa_core::Alias;

/// The ends of an alias. How much is left out does not show.
pub(super) fn alias(alias: &Alias) -> String {
    let characters: Vec<char> = alias.as_str().chars().collect();
    let (first, last) = match characters.len() {
        12.. => (3, 4),
        8..12 => (2, 2),
        4..8 => (1, 0),
        _ => (0, 0),
    };
    let mut masked: String = characters.iter().take(first).collect();
    masked.push_str("*****");
    masked.extend(characters.iter().skip(characters.len() - last));
    // A terminal obeys control characters.
    masked.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_never_shown_whole() {
        for (whole, shown) in [
            ("+5511987651234", "+55*****1234"),
            ("551198765123", "551*****5123"),
            ("11987651234", "11*****34"),
            ("98765123", "98*****23"),
            ("9876512", "9*****"),
            ("ana", "*****"),
            ("a", "*****"),
            ("ééééééééééééé", "ééé*****éééé"),
            ("\u{1b}[2J-and-so-on", "?[2*****o-on"),
        ] {
            assert_eq!(alias(&Alias::parse(whole).unwrap()), shown);
        }
    }

    #[test]
    fn at_least_three_characters_are_left_out() {
        for length in 1..40 {
            let whole = "7".repeat(length);
            let shown = alias(&Alias::parse(whole).unwrap());
            let kept = shown.chars().filter(|c| *c == '7').count();
            assert!(kept == 0 || length - kept >= 3, "{length}: {shown}");
        }
    }
}
