//! The words for the table of keys: what a key is and how one is found.

use super::table::FILE_ONLY;
pub use super::table::TABLE;

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Where it stands in the file, as in `agent.burst.max_count`; `channel[]`
    /// stands for each element of a list of tables, `policy.tools.*` for each table
    /// that has a name of the user's own.
    pub path: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What it is when nobody sets it.
    pub default: Fallback,
    /// One line for people, with the unit.
    pub doc: &'static str,
}

/// What a value may be. Ranges include both ends.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text of 1 to so many characters.
    Text(usize),
    /// What is said to people, up to so many characters; empty says nothing.
    Saying(usize),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number.
    Integer(i64, i64),
    /// A number.
    Number(f64, f64),
    /// `full`, or a number from 0 to 1.
    Jitter,
    /// True or false.
    Switch,
    /// An IP address with a port.
    Address,
    /// `sqlite://PATH`, `sqlite::memory:` or `postgres://…`.
    StoreUrl,
    /// `http://` or `https://` with a host.
    HttpUrl,
    /// `env:NAME`, `file:PATH`, `exec:COMMAND`, or a literal outside `prod`.
    Secret,
    /// A list of secrets.
    Secrets,
    /// 1 to 64 of `a-z 0-9 _ -`.
    Name,
    /// 1 to so many of `a-z A-Z 0-9 _ -`.
    ToolName(usize),
    /// `http://` or `https://` with a host; `{argument}` behind it.
    UrlTemplate,
    /// JSON Schema of an object, as a table or as JSON in a text.
    Schema,
    /// A level, or levels by target.
    Log,
    /// A list of `host` or `host:port`.
    Hosts,
    /// A list of texts of 1 to so many characters.
    Texts(usize),
    /// A table of texts of 1 to so many characters.
    TextTable(usize),
    /// A table of these words.
    ChoiceTable(&'static [&'static str]),
    /// A table of secrets, each perhaps behind a word.
    SecretTable,
    /// A list of tables; its keys stand in the table of keys as `path[].key`.
    Tables,
}

/// What a key is when nobody sets it.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// Nothing.
    Unset,
    /// The value of the key at this path.
    As(&'static str),
    /// It must be set, wherever the list it belongs to is.
    Required,
    /// This text.
    Text(&'static str),
    /// This whole number.
    Integer(i64),
    /// This number.
    Number(f64),
    /// True or false.
    Switch(bool),
    /// The empty list.
    Empty,
    /// The empty table.
    EmptyTable,
    /// The schema of an object without properties.
    NoParameters,
    /// One channel: `main`, `web-chat`, of tenant `default`.
    OneWebChat,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub enum Node {
    /// A key.
    Key(&'static Key),
    /// A section: keys stand below it.
    Section,
}

/// What stands at a path as written in [`Key::path`].
pub fn find(path: &str) -> Option<Node> {
    if let Some(key) = TABLE.iter().find(|key| key.path == path) {
        return Some(Node::Key(key));
    }
    TABLE
        .iter()
        .any(|key| below(path, key.path).is_some())
        .then_some(Node::Section)
}

/// A path as [`Key::path`] has it: what the user has named is `*`.
pub fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    for name in path.split('.') {
        let name = if has_own_names(&pattern) { "*" } else { name };
        if !pattern.is_empty() {
            pattern.push('.');
        }
        pattern.push_str(name);
    }
    pattern
}

/// True for a section in which the user names the tables.
pub fn has_own_names(section: &str) -> bool {
    TABLE
        .iter()
        .filter_map(|key| below(section, key.path))
        .any(|rest| rest.starts_with("*."))
}

/// The names directly below a section, in the table's order; `""` is the top.
pub fn children(section: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in TABLE {
        let rest = if section.is_empty() {
            Some(key.path)
        } else {
            below(section, key.path)
        };
        let Some(name) = rest.and_then(|rest| rest.split('.').next()) else {
            continue;
        };
        let listed = names.contains(&name) || name.ends_with("[]");
        if !listed {
            names.push(name);
        }
    }
    names
}

/// The variable of a key that stands in no list: `ZUPA__SECTION__KEY`.
pub fn variable(path: &str) -> String {
    format!(
        "{VARIABLE_PREFIX}{}",
        path.replace('.', "__").to_uppercase()
    )
}

/// What the name of each of our variables begins with.
pub const VARIABLE_PREFIX: &str = "ZUPA__";

impl Key {
    /// Its variable; the elements of a list have none, the list has, unless only
    /// the file can set it.
    pub fn variable(&self) -> Option<String> {
        let has_one = !self.path.contains('[') && !FILE_ONLY.contains(&self.path);
        has_one.then(|| variable(self.path))
    }

    /// The unit, read off the name.
    pub fn unit(&self) -> &'static str {
        let word = self.path.rsplit('_').next().unwrap_or_default();
        match word {
            "ms" => " milliseconds",
            "days" => " days",
            "hours" => " hours",
            "minutes" => " minutes",
            "bytes" => " bytes",
            _ => "",
        }
    }
}

fn below<'a>(section: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(section)?.strip_prefix('.')
}
