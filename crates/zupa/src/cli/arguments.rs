//! What can be typed.

mod audit;
mod breaker;
mod channels;
mod conversations;
mod dlq;
#[cfg(feature = "whatsapp-cloud")]
mod sim;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{Code, Failure};
use crate::bench::BenchArguments;
pub use audit::{AuditCommand, ListAudit};
pub use breaker::{BreakerCommand, TurnBreaker};
pub use channels::{ChannelName, ChannelsCommand};
pub use conversations::{
    Act, ConversationId, ConversationsCommand, ListConversations, Release, SessionsCommand,
};
pub use dlq::{
    DlqCommand, EditDeadLetter, ExportDeadLetters, Filter, ListDeadLetters, PutAway,
    RetryDeadLetters, ShowDeadLetter, TagDeadLetters,
};
#[cfg(feature = "whatsapp-cloud")]
pub use sim::{SimCommand, SimWhatsApp};

/// A durable runtime for agents that talk with people: a message in, the agent,
/// the answer out; once, in order, whatever crashes.
#[derive(Debug, Parser)]
#[command(
    name = "zupa",
    version,
    before_help = "Examples:\n  zupa dev                      a running agent and a simulated phone, nothing needed\n  zupa serve --config zupa.toml\n  zupa turn why 01930f5e-…      why a message was answered, or was not",
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Configuration file; without it `zupa.toml` in the working directory, if there is one.
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set a key of the configuration, stronger than file and environment: `--set model.name=gpt-5`.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Log only warnings and errors.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log more.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Colour in messages and logs.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

impl Global {
    /// For a command that reads no configuration: naming one is a mistake.
    pub fn reads_none(&self, command: &str, why: &str) -> Result<(), Failure> {
        let flag = match (&self.config, self.set.is_empty()) {
            (Some(_), _) => "--config",
            (None, false) => "--set",
            (None, true) => return Ok(()),
        };
        let what = format!("{command} reads no configuration, so {flag} would do nothing");
        Err(Failure::new(Code::Usage, what)
            .because(why)
            .try_this(format!(
                "leave it out; what can be changed is in `{command} --help`"
            )))
    }
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an agent here and now: embedded store, simulated phone, no key needed.
    Dev(Listen),
    /// Run the agent that the configuration describes.
    Serve(Listen),
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Look at a turn, or at the one that took a message.
    Turn {
        #[command(subcommand)]
        command: TurnCommand,
    },
    /// Decide what turns wait for: calls of tools to approve, calls of which nobody knows.
    Reviews {
        #[command(subcommand)]
        command: ReviewsCommand,
    },
    /// Look at conversations, take one over from the agent, hand it back.
    Conversations {
        #[command(subcommand)]
        command: ConversationsCommand,
    },
    /// Look at the session of a conversation, or end it.
    Sessions {
        #[command(subcommand)]
        command: SessionsCommand,
    },
    /// Check that the defaults hold: each as ok, warn or fail, with what to try.
    Doctor(Doctor),
    /// Look at the breakers of the process that serves, open or close one by hand.
    Breaker {
        #[command(subcommand)]
        command: BreakerCommand,
    },
    /// Look at the channels of the process that serves; link a phone.
    Channels {
        #[command(subcommand)]
        command: ChannelsCommand,
    },
    /// Look at what operators did to the installation.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Look at what gave up, try it again, put it away.
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Print the agent's graph, as a Mermaid flowchart.
    Graph,
    /// Look at the store, migrate it, back it up, restore it.
    Db {
        #[command(subcommand)]
        command: DbCommand,
    },
    /// Play the other side of a channel, to try it without an account.
    #[cfg(feature = "whatsapp-cloud")]
    Sim {
        #[command(subcommand)]
        command: SimCommand,
    },
    /// Measure the path on this machine, beside what its disk can do.
    Bench(BenchArguments),
    /// Print the version and what was compiled in.
    Version(Output),
}

/// Where to listen.
#[derive(Debug, Args)]
pub struct Listen {
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// What to check.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  zupa doctor\n  zupa doctor --json\n  zupa doctor --accounting      where every accepted message is"
)]
pub struct Doctor {
    /// Only the sum: every accepted message has ended or is open.
    #[arg(long)]
    pub accounting: bool,
    #[command(flatten)]
    pub output: Output,
}

/// How to print.
#[derive(Debug, Args)]
pub struct Output {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and report every problem at once.
    Check(Output),
    /// Print every value and where it comes from; secrets are not shown.
    Show(Output),
    /// Print the JSON Schema of the configuration.
    Schema,
}

#[derive(Debug, Subcommand)]
pub enum TurnCommand {
    /// Print a turn with its messages, steps, deliveries and audit.
    Show(Id),
    /// Say in one sentence why a message was answered, or was not.
    Why(Id),
}

/// What to look for.
#[derive(Debug, Args)]
pub struct Id {
    /// A turn's id, our id of a message, or the platform's id of it.
    pub id: String,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
#[command(
    before_help = "Examples:\n  zupa reviews ls\n  zupa reviews show 01930f5e-…\n  zupa reviews claim 01930f5e-… --by ana      nobody else decides it for 15 minutes\n  zupa reviews approve 01930f5e-… --note \"only this once\""
)]
pub enum ReviewsCommand {
    /// List what waits for a decision, oldest first.
    Ls(ListReviews),
    /// Print one with all that is needed to decide, the arguments of the call among it.
    Show(ReviewId),
    /// Take it, so that nobody else decides it: for 15 minutes, or until it is decided or
    /// given back.
    Claim(ClaimReview),
    /// Give it back, so that anybody can take or decide it.
    Release(ClaimReview),
    /// Approve it: the call is made; or, where nobody knows, it did take place.
    Approve(Decide),
    /// Reject it: the call is not made; or, where nobody knows, it did not take place.
    Reject(Decide),
}

/// Which reviews.
#[derive(Debug, Args)]
pub struct ListReviews {
    /// Those that are settled, too: the same as `--state all`.
    #[arg(long, conflicts_with = "state")]
    pub all: bool,
    /// Those that stand so.
    #[arg(long, value_parser = ["open", "decided", "expired", "cancelled", "all"], default_value = "open")]
    pub state: String,
    /// Those that ask this: may the call be made, did it take place, or a question of
    /// a graph of one's own.
    #[arg(long, value_parser = ["approval", "unknown_effect", "other"])]
    pub kind: Option<String>,
    /// Those behind this one.
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    #[command(flatten)]
    pub output: Output,
}

/// Which review.
#[derive(Debug, Args)]
pub struct ReviewId {
    /// Its id, as `zupa reviews ls` prints it.
    pub id: String,
    #[command(flatten)]
    pub output: Output,
}

/// Who takes a review, or gives it back.
#[derive(Debug, Args)]
pub struct ClaimReview {
    #[command(flatten)]
    pub review: ReviewId,
    /// Who does; nobody checks it. Who decides later has to give the same name.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// What to decide.
#[derive(Debug, Args)]
pub struct Decide {
    #[command(flatten)]
    pub review: ReviewId,
    /// What the agent is told beside it.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub note: String,
    /// Who decides; nobody checks it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Bring the store's schema up to this build.
    Migrate(Output),
    /// Print version, size, processes and counts of the store.
    Status(Output),
    /// Copy the store into a file, also while it is served.
    Backup(Backup),
    /// Put a backup where the store is, or try whether one could.
    Restore(Restore),
}

/// Where a backup goes.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  zupa db backup --to /backups/zupa-monday.db\n  zupa db backup --to /backups/zupa.db --also /mnt/elsewhere/zupa.db --force"
)]
pub struct Backup {
    /// The file to write, with a description beside it in FILE.json.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// A second file, best on another machine's disk; read back and compared.
    #[arg(long, value_name = "FILE")]
    pub also: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Where a backup comes from.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  zupa db restore --from /backups/zupa-monday.db\n  zupa db restore --drill --from /backups/zupa-monday.db"
)]
pub struct Restore {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// Move a store that is there aside; nothing is deleted.
    #[arg(long, conflicts_with = "drill")]
    pub force: bool,
    /// Restore into a folder that goes again, check it, and print how old and
    /// how long.
    #[arg(long)]
    pub drill: bool,
    #[command(flatten)]
    pub output: Output,
}

impl Arguments {
    /// True when the command was asked for JSON.
    pub fn json(&self) -> bool {
        match &self.command {
            Command::Config {
                command: ConfigCommand::Check(output) | ConfigCommand::Show(output),
            }
            | Command::Db {
                command: DbCommand::Migrate(output) | DbCommand::Status(output),
            }
            | Command::Version(output) => output.json,
            Command::Db {
                command: DbCommand::Backup(backup),
            } => backup.output.json,
            Command::Db {
                command: DbCommand::Restore(restore),
            } => restore.output.json,
            Command::Turn {
                command: TurnCommand::Show(id) | TurnCommand::Why(id),
            } => id.output.json,
            Command::Reviews { command } => match command {
                ReviewsCommand::Ls(list) => list.output.json,
                ReviewsCommand::Show(review) => review.output.json,
                ReviewsCommand::Claim(claim) | ReviewsCommand::Release(claim) => {
                    claim.review.output.json
                }
                ReviewsCommand::Approve(decide) | ReviewsCommand::Reject(decide) => {
                    decide.review.output.json
                }
            },
            Command::Conversations { command } => command.json(),
            Command::Sessions { command } => command.json(),
            Command::Breaker { command } => command.json(),
            Command::Channels { command } => command.json(),
            Command::Audit { command } => command.json(),
            Command::Dlq { command } => command.json(),
            Command::Bench(bench) => bench.json,
            Command::Doctor(doctor) => doctor.output.json,
            Command::Config {
                command: ConfigCommand::Schema,
            } => true,
            Command::Dev(_) | Command::Serve(_) | Command::Graph => false,
            #[cfg(feature = "whatsapp-cloud")]
            Command::Sim { .. } => false,
        }
    }
}
