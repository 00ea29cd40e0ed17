//! What the model calls a tool: the server's name before the tool's, made fit
//! for providers.

use zupa_core::Digest;

/// The longest name that providers take.
const MAX_CHARS: usize = 64;
/// How much of the tool's digest tells cut names apart.
const DIGEST_CHARS: usize = 8;
/// How much of a name that a server chose is shown to people.
const MAX_SHOWN_CHARS: usize = 128;

/// `{server}_{tool}`, with `_` for what no provider takes. What is too long is
/// cut and ends in a part of the tool's digest.
pub(crate) fn fit(server: &str, tool: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let tool_part = tool.chars().map(|c| if fits(c) { c } else { '_' });
    let mut name: String = format!("{server}_").chars().chain(tool_part).collect();
    if name.len() > MAX_CHARS {
        let digest = Digest::of(tool.as_bytes()).to_hex();
        name.truncate(MAX_CHARS - DIGEST_CHARS - 1);
        name = format!("{name}_{}", &digest[..DIGEST_CHARS]);
    }
    name
}

/// A server's name for its tool, harmless in a log and bounded.
pub(crate) fn shown(tool: &str) -> String {
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    tool.chars().take(MAX_SHOWN_CHARS).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_providers() {
        assert_eq!(fit("files", "read_file"), "files_read_file");
        assert_eq!(fit("files", "read file/é"), "files_read_file__");
        let long = "x".repeat(100);
        let (one, other) = (fit("files", &long), fit("files", &format!("{long}y")));
        assert_eq!(one.len(), MAX_CHARS);
        assert!(one.starts_with("files_xxx") && one != other);
    }

    #[test]
    fn what_is_shown_cannot_break_a_line() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "a_b_[31m");
        assert_eq!(shown(&"é".repeat(500)).len(), MAX_SHOWN_CHARS);
    }
}
