//! Secrets: nothing tracked may look like a live key.
//!
//! Known prefixes with a long random tail, and private keys in PEM. Words do
//! not count: a tail needs a digit and a letter, so `sk-your-key-goes-here` in
//! a README is fine.

use super::Finding;
use super::tree::File;

/// Prefix, shortest tail, whose key it is.
const TOKENS: &[(&str, usize, &str)] = &[
    ("sk-", 20, "a model provider's key"),
    ("sk_live_", 16, "a payment key"),
    ("ghp_", 30, "a GitHub token"),
    ("gho_", 30, "a GitHub token"),
    ("ghs_", 30, "a GitHub token"),
    ("github_pat_", 30, "a GitHub token"),
    ("glpat-", 18, "a GitLab token"),
    ("npm_", 30, "an npm token"),
    ("xoxb-", 20, "a Slack token"),
    ("AKIA", 16, "an AWS key id"),
    ("AIza", 30, "a Google key"),
    ("EAA", 60, "a Meta access token"),
    ("eyJhbGciOi", 40, "a signed token"),
];

const PEM_START: &str = "-----BEGIN ";
const PEM_END: &str = "PRIVATE KEY-----";

pub fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (prefix, shortest, whose) in TOKENS {
            if line
                .match_indices(prefix)
                .any(|(at, _)| is_token(line, at, prefix, *shortest))
            {
                // The line itself stays out of the message: logs travel.
                let message =
                    format!("looks like {whose} (`{prefix}…`); if it is real, revoke it first");
                findings.push(Finding::fail("secrets", &file.path, number, message));
            }
        }
        if line.trim_start().starts_with(PEM_START) && line.contains(PEM_END) {
            findings.push(Finding::fail(
                "secrets",
                &file.path,
                number,
                "a private key",
            ));
        }
    }
    findings
}

fn is_token(line: &str, at: usize, prefix: &str, shortest: usize) -> bool {
    let in_a_word = line[..at]
        .chars()
        .next_back()
        .is_some_and(char::is_alphanumeric);
    let tail: Vec<char> = line[at + prefix.len()..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
        .collect();
    let random =
        tail.iter().any(char::is_ascii_digit) && tail.iter().any(char::is_ascii_alphabetic);
    !in_a_word && random && tail.len() >= shortest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&File::new("docs/setup.md", text)).len()
    }

    #[test]
    fn a_key_of_every_known_kind_is_found() {
        for (prefix, shortest, _) in TOKENS {
            let tail = "a7Bq".repeat(shortest.div_ceil(4));
            assert!(count(&format!("KEY={prefix}{tail}\n")) >= 1, "{prefix}");
        }
    }

    #[test]
    fn a_private_key_is_found() {
        assert_eq!(count(&format!("{PEM_START}EC {PEM_END}\nabc\n")), 1);
    }

    #[test]
    fn placeholders_and_words_are_not() {
        assert_eq!(count("OPENAI_API_KEY=sk-your-key-goes-right-in-here\n"), 0);
        assert_eq!(count("key = \"sk-test\"\n"), 0);
        assert_eq!(count("the task-0123456789abcdef0123456789 is done\n"), 0);
    }

    #[test]
    fn the_finding_does_not_repeat_the_key() {
        let key = format!("ghp_{}", "a7Bq".repeat(9));
        let findings = check(&File::new("notes.md", &key));
        assert!(!findings[0].to_string().contains(&key));
    }
}
