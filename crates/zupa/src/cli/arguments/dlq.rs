//! What can be typed behind `zupa dlq`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
#[command(
    before_help = "Examples:\n  zupa dlq ls --class context_length\n  zupa dlq show inbound.01930f5e-…\n  zupa dlq retry --newer-than 1h --dry-run\n  zupa dlq edit inbound.01930f5e-… --text \"two pizzas\" --by bea"
)]
pub enum DlqCommand {
    /// List what gave up, first come first.
    Ls(ListDeadLetters),
    /// Print one with every failure.
    Show(ShowDeadLetter),
    /// Count them.
    Stats(Output),
    /// Try one again, or all pending ones that a filter means.
    Retry(RetryDeadLetters),
    /// Try one again with other words.
    Edit(EditDeadLetter),
    /// Let one be.
    Discard(PutAway),
    /// Let one be, and keep it from being tried with others.
    Poison(PutAway),
    /// Call some something, so that a filter means them together; or take that back.
    Tag(TagDeadLetters),
    /// Print all that a filter means, one JSON object a line.
    Export(ExportDeadLetters),
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct Filter {
    /// What gave up.
    #[arg(long, value_parser = ["inbound", "delivery"])]
    pub kind: Option<String>,
    /// The kind of message: text, media, …
    #[arg(long = "type", value_name = "TYPE")]
    pub of_type: Option<String>,
    /// What went wrong: `context_length`, `crashed`, …
    #[arg(long)]
    pub class: Option<String>,
    /// What an operator has called it.
    #[arg(long)]
    pub tag: Option<String>,
    /// Whose it is.
    #[arg(long)]
    pub tenant: Option<String>,
    /// Its last failure is longer ago than this: 90s, 30m, 12h, 7d.
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
    /// Its last failure is no longer ago than this.
    #[arg(long, value_name = "AGE")]
    pub newer_than: Option<String>,
}

/// Which, and how many.
#[derive(Debug, Args)]
pub struct ListDeadLetters {
    #[command(flatten)]
    pub filter: Filter,
    /// Where they stand.
    #[arg(long, value_parser = ["pending", "reprocessing", "done", "poison", "discarded", "all"], default_value = "pending")]
    pub state: String,
    /// Those behind this one; the last of a list leads to the next.
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    #[command(flatten)]
    pub output: Output,
}

/// Which, and how much of it.
#[derive(Debug, Args)]
pub struct ShowDeadLetter {
    /// Its id, as `zupa dlq ls` prints it.
    pub id: String,
    /// Print what it says, too: the words of a person.
    #[arg(long)]
    pub content: bool,
    #[command(flatten)]
    pub output: Output,
}

/// One, or those that a filter means.
#[derive(Debug, Args)]
pub struct RetryDeadLetters {
    /// Its id; without one the filter counts.
    #[arg(conflicts_with_all = ["kind", "of_type", "class", "tag", "tenant", "older_than", "newer_than"])]
    pub id: Option<String>,
    #[command(flatten)]
    pub filter: Filter,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Also where an effect that matters may happen twice, or a human has replied since;
    /// only with an id.
    #[arg(long, requires = "id")]
    pub confirm: bool,
    /// Who does it; nobody checks it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// Which, and the words.
#[derive(Debug, Args)]
pub struct EditDeadLetter {
    /// Its id, as `zupa dlq ls` prints it.
    pub id: String,
    /// What it is to say.
    #[arg(long)]
    pub text: String,
    /// Also where an effect that matters may happen twice, or a human has replied since.
    #[arg(long)]
    pub confirm: bool,
    /// Who does it; nobody checks it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// Which, and why.
#[derive(Debug, Args)]
pub struct PutAway {
    /// Its id, as `zupa dlq ls` prints it.
    pub id: String,
    /// Why; it stands in the audit, so no words of a person.
    #[arg(long)]
    pub reason: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Who does it; nobody checks it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// Which, and what to call them.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct TagDeadLetters {
    /// Their ids, as `zupa dlq ls` prints them.
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// What to call them, instead of what they were called; no words of a person.
    #[arg(long, value_name = "TAG", group = "what")]
    pub add: Option<String>,
    /// Take back what they were called.
    #[arg(long, group = "what")]
    pub remove: bool,
    /// Who does it; nobody checks it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// Which, and how much of them.
#[derive(Debug, Args)]
pub struct ExportDeadLetters {
    #[command(flatten)]
    pub filter: Filter,
    /// Where they stand.
    #[arg(long, value_parser = ["pending", "reprocessing", "done", "poison", "discarded", "all"], default_value = "all")]
    pub state: String,
    /// Print what they say, too: the words of people.
    #[arg(long)]
    pub content: bool,
}

impl DlqCommand {
    /// True when it was asked for JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Ls(list) => list.output.json,
            Self::Show(wanted) => wanted.output.json,
            Self::Stats(output) => output.json,
            Self::Retry(retry) => retry.output.json,
            Self::Edit(edit) => edit.output.json,
            Self::Discard(wanted) | Self::Poison(wanted) => wanted.output.json,
            Self::Tag(wanted) => wanted.output.json,
            Self::Export(_) => true,
        }
    }
}
