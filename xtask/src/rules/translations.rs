//! Translations: `README.pt.md` says what `README.md` says. What can be compared is
//! what people copy: the code blocks are the same, but for their comments.

use super::Finding;
use super::tree::File;

/// How the name of a translation ends.
const LANGUAGES: &[&str] = &[".pt.md"];

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let Some(stem) = LANGUAGES
            .iter()
            .find_map(|language| file.path.strip_suffix(language))
        else {
            continue;
        };
        let original = format!("{stem}.md");
        let fail = |line, message| Finding::fail("translations", &file.path, line, message);
        match files.iter().find(|other| other.path == original) {
            None => findings.push(fail(0, format!("there is no {original}"))),
            Some(other) => findings
                .extend(difference(&other.text, &file.text).map(|(line, what)| fail(line, what))),
        }
    }
    findings
}

/// The first line of code that differs, as it stands in the translation.
fn difference(original: &str, translation: &str) -> Option<(usize, String)> {
    let (wanted, found) = (code(original), code(translation));
    for place in 0..wanted.len().max(found.len()) {
        match (wanted.get(place), found.get(place)) {
            (Some((_, wanted)), Some((_, found))) if wanted == found => {}
            (Some((_, wanted)), Some((line, _))) => {
                return Some((*line, format!("the original has here: {wanted}")));
            }
            (Some((_, wanted)), None) => {
                return Some((0, format!("code is missing: {wanted}")));
            }
            (None, Some((line, _))) => {
                return Some((*line, "the original has no such code".to_owned()));
            }
            (None, None) => {}
        }
    }
    None
}

/// The lines of all code blocks with their numbers, fences included, without comments.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut in_fence = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        if is_fence || in_fence {
            let code = if is_fence {
                line
            } else {
                without_comment(line)
            };
            lines.push((index + 1, code.trim_end().to_owned()));
        }
        in_fence ^= is_fence;
    }
    lines.retain(|(_, code)| !code.is_empty());
    lines
}

/// A comment begins with `#` or `//` and a space before and behind it; a doc comment of
/// Rust with `///`.
fn without_comment(line: &str) -> &str {
    let padded = |at: usize| line[..at].is_empty() || line[..at].ends_with(char::is_whitespace);
    let begins = ["# ", "// ", "/// "].iter().flat_map(|sign| {
        line.match_indices(sign)
            .map(|(at, _)| at)
            .filter(|at| padded(*at))
    });
    begins.min().map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: &str = "# Zupa\n\nRun:\n\n```sh\nzupa dev   # a phone\ncurl http://x/y\n```\n";

    fn found(translation: &str) -> Vec<String> {
        let files = [
            File::new("README.md", ORIGINAL),
            File::new("README.pt.md", translation),
        ];
        let findings = check(&files);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prose_and_comments_may_be_translated() {
        let good = "# Zupa\n\nRode:\n\n```sh\nzupa dev   # um telefone\ncurl http://x/y\n```\n";
        assert_eq!(found(good), [""; 0]);
    }

    #[test]
    fn another_command_is_found_with_its_line() {
        let other = "```sh\nzupa dev\ncurl http://x/z\n```\n";
        assert_eq!(
            found(other),
            ["violation[translations]: README.pt.md:3: the original has here: curl http://x/y"]
        );
    }

    #[test]
    fn a_missing_and_an_added_command_are_found() {
        assert_eq!(
            found("```sh\nzupa dev\n```\n"),
            ["violation[translations]: README.pt.md:3: the original has here: curl http://x/y"]
        );
        assert_eq!(
            found("no code at all\n"),
            ["violation[translations]: README.pt.md: code is missing: ```sh"]
        );
        let more = format!("{ORIGINAL}\n```sh\nrm x\n```\n");
        assert!(found(&more)[0].contains("no such code"));
    }

    #[test]
    fn a_translation_of_nothing_is_found() {
        let files = [File::new("docs/x.pt.md", "")];
        assert!(check(&files)[0].message.contains("no docs/x.md"));
    }
}
