//! A long text as several: at a paragraph, a line, a sentence or a word, and never inside
//! of what a reader sees as one character.

use unicode_segmentation::UnicodeSegmentation;

/// A better place to cut counts if so much of the piece is before it: a quarter.
const WORTH: usize = 4;

/// Cuts a text into pieces of at most `limit` characters, which is at least 1. What fits
/// stays as it is. Nothing is lost but the white space at the cuts and at both ends.
///
/// A single grapheme that is longer than the limit is cut between its characters: there is
/// no other way.
pub(crate) fn split(text: &str, limit: usize) -> Vec<String> {
    if text.chars().count() <= limit {
        return vec![text.to_owned()];
    }
    let mut pieces = Vec::new();
    let mut rest = without_white_space(text);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cut(rest, limit));
        // Half of a grapheme that is too long may be a space.
        if !piece.trim().is_empty() {
            pieces.push(piece.to_owned());
        }
        rest = without_white_space(behind);
    }
    pieces
}

/// Where the first piece of a text ends, which begins with no white space.
fn cut(text: &str, limit: usize) -> usize {
    let mut best = Best::default();
    let (mut end, mut chars) = (0, 0);
    let mut before = "";
    let mut gap: Option<Gap> = None;
    for (at, grapheme) in text.grapheme_indices(true) {
        let long = grapheme.chars().count();
        if is_white_space(grapheme) {
            let gap = gap.get_or_insert(Gap {
                at,
                is_far: chars * WORTH >= limit,
                is_sentence: before.ends_with(['.', '!', '?', '…', '。', '！', '？']),
                lines: 0,
            });
            gap.lines += usize::from(grapheme.contains(['\n', '\r', '\u{2028}', '\u{2029}']));
            // What is behind the limit alone is cut here.
            if chars <= limit {
                best.note(gap);
            }
        } else if chars + long > limit {
            return best.at().unwrap_or(match end {
                0 => text
                    .char_indices()
                    .nth(limit)
                    .map_or(text.len(), |(at, _)| at),
                end => end,
            });
        } else {
            end = at + grapheme.len();
            gap = None;
        }
        before = grapheme;
        chars += long;
    }
    end
}

/// White space between two words.
struct Gap {
    at: usize,
    is_far: bool,
    is_sentence: bool,
    lines: usize,
}

/// The last place of each kind, the best kind first.
#[derive(Default)]
struct Best([Option<usize>; 4]);

impl Best {
    fn note(&mut self, gap: &Gap) {
        let kinds = [
            gap.lines >= 2 && gap.is_far,
            gap.lines >= 1 && gap.is_far,
            gap.is_sentence && gap.is_far,
            true,
        ];
        for (place, _) in self.0.iter_mut().zip(kinds).filter(|(_, is)| *is) {
            *place = Some(gap.at);
        }
    }

    fn at(&self) -> Option<usize> {
        self.0.iter().find_map(|place| *place)
    }
}

/// A mark that stands on a space makes it something to see.
fn is_white_space(grapheme: &str) -> bool {
    grapheme.chars().all(char::is_whitespace)
}

fn without_white_space(text: &str) -> &str {
    let first = text
        .grapheme_indices(true)
        .find(|(_, grapheme)| !is_white_space(grapheme));
    first.map_or("", |(at, _)| &text[at..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, limit: usize, expected: &[&str]) {
        assert_eq!(split(text, limit), expected, "{text:?}");
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        check(" a\n ", 4, &[" a\n "]);
        check("", 1, &[""]);
        let longest = "\u{1F600}".repeat(4_096);
        check(&longest, 4_096, &[&longest]);
        check(&format!("{longest}!"), 4_096, &[&longest, "!"]);
    }

    #[test]
    fn a_paragraph_is_better_than_a_line_a_sentence_and_a_word() {
        check("aa bb\n\ncc\ndd. ee ff", 18, &["aa bb", "cc\ndd. ee ff"]);
        check(
            "aa bb\r\n\r\ncc\r\ndd. ee ff",
            18,
            &["aa bb", "cc\r\ndd. ee ff"],
        );
        check("aa bb\ncc. dd ee", 13, &["aa bb", "cc. dd ee"]);
        check("aa bb cc. dd ee", 13, &["aa bb cc.", "dd ee"]);
        check("aa bb cc dd ee", 12, &["aa bb cc dd", "ee"]);
        // But not for a word or two.
        check("a\n\nbb cc dd ee", 13, &["a\n\nbb cc dd", "ee"]);
        check("aaaa bbbb", 4, &["aaaa", "bbbb"]);
        check("aaaa     bbbb  ", 4, &["aaaa", "bbbb"]);
    }

    #[test]
    fn what_a_reader_sees_as_one_is_never_cut() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        check(&family.repeat(3), 15, &[&family.repeat(2), family]);
        check("🇧🇷🇵🇹🇦🇴", 5, &["🇧🇷🇵🇹", "🇦🇴"]);
        check(
            "e\u{301}e\u{301}e\u{301}",
            3,
            &["e\u{301}", "e\u{301}", "e\u{301}"],
        );
        check("aa\r\nbb", 3, &["aa", "bb"]);
        // A mark on a space is no place to cut.
        check("aa \u{301}bb", 4, &["aa \u{301}", "bb"]);
    }

    #[test]
    fn what_fits_nowhere_is_cut_all_the_same() {
        let tower = format!("e{}", "\u{301}".repeat(9));
        assert_eq!(split(&tower, 4).concat(), tower);
        check(&"a".repeat(9), 4, &["aaaa", "aaaa", "a"]);
        check(&" ".repeat(9), 4, &[]);
    }

    fn visible(text: &str) -> String {
        text.split_whitespace().collect()
    }

    fn words() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "a",
            "bcd",
            "Zürich",
            ".",
            "! ",
            " ",
            "  ",
            "\n",
            "\r\n",
            "\n\n",
            "\r\n\r\n",
            "e\u{301}",
            "👨\u{200d}👩\u{200d}👧",
            "🇧🇷",
            "🇵",
            "👍🏽",
            "ก็",
            "한국",
            "\u{200d}",
            "\u{2028}",
        ]);
        prop::collection::vec(pieces, 0..120).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_is_too_long_and_nothing_is_lost(text in words(), limit in 1_usize..40) {
            let pieces = split(&text, limit);
            prop_assert_eq!(visible(&pieces.concat()), visible(&text));
            let longest = text.graphemes(true).map(|one| one.chars().count()).max();
            for piece in &pieces {
                prop_assert!(piece.chars().count() <= limit, "{:?}", piece);
                if text.chars().count() > limit {
                    prop_assert!(!piece.trim().is_empty());
                }
            }
            if longest <= Some(limit) && text.chars().count() > limit {
                let whole: Vec<_> = text.graphemes(true).filter(|one| !is_white_space(one)).collect();
                let cut: Vec<_> = pieces.iter().flat_map(|piece| piece.graphemes(true))
                    .filter(|one| !is_white_space(one)).collect();
                prop_assert_eq!(cut, whole);
            }
        }
    }
}
