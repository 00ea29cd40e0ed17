//! Where a value stands: in its layer, and among the keys.

use std::ops::Range;
use std::path::Path;

use super::problem::Origin;
use super::{keys, value};

/// What the spans of a layer's values are worth.
pub(super) enum Place<'a> {
    /// Offsets into a file.
    File {
        path: &'a Path,
        text: &'a str,
        /// Where each line begins.
        lines: Vec<usize>,
    },
    /// Nothing: the whole layer is one value.
    One(Origin),
}

/// A path in two spellings.
pub(super) struct At {
    /// As the table of keys has it: `channel[].id`, `policy.tools.*.retries`.
    pub pattern: String,
    /// As people see it: `channel[0].id`.
    pub shown: String,
}

impl<'a> Place<'a> {
    /// A file, by its path and text.
    pub(super) fn file(path: &'a Path, text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_breaks).collect();
        Self::File { path, text, lines }
    }

    /// Where a span begins, as people count.
    pub(super) fn of(&self, span: Range<usize>) -> Origin {
        match self {
            Self::One(origin) => origin.clone(),
            Self::File { path, text, lines } => {
                let line = lines.partition_point(|start| *start <= span.start);
                let start = lines
                    .get(line.saturating_sub(1))
                    .copied()
                    .unwrap_or_default();
                let before = text.get(start..span.start).unwrap_or_default();
                let column = before.chars().count() + 1;
                Origin::File {
                    path: path.to_path_buf(),
                    line,
                    column,
                }
            }
        }
    }
}

impl At {
    /// Above all keys.
    pub(super) fn top() -> Self {
        Self::plain("")
    }

    /// A path that goes through no list.
    pub(super) fn plain(path: &str) -> Self {
        Self {
            pattern: keys::pattern(path),
            shown: path.to_owned(),
        }
    }

    /// A name in this table.
    pub(super) fn child(&self, name: &str) -> Self {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let plain = !name.is_empty() && name.chars().all(bare);
        let name = if plain {
            name.to_owned()
        } else {
            value::quoted(name)
        };
        let join = |path: &str, name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let known = match keys::has_own_names(&self.pattern) {
            true => "*",
            false => &name,
        };
        Self {
            pattern: join(&self.pattern, known),
            shown: join(&self.shown, &name),
        }
    }

    /// An element of this list.
    pub(super) fn element(&self, index: usize) -> Self {
        Self {
            pattern: format!("{}[]", self.pattern),
            shown: format!("{}[{index}]", self.shown),
        }
    }
}
