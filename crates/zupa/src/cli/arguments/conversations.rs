//! What can be typed behind `zupa conversations` and `zupa sessions`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
#[command(
    before_help = "Examples:\n  zupa conversations ls --held\n  zupa conversations hold 01930f5e-… --by bea\n  zupa conversations release 01930f5e-… --answered"
)]
pub enum ConversationsCommand {
    /// List conversations, newest first.
    Ls(ListConversations),
    /// Print one, with summaries of the sessions that ended.
    Show(ConversationId),
    /// Take it over: the agent is silent until it is handed back.
    Hold(Act),
    /// Hand it back to the agent.
    Release(Release),
}

#[derive(Debug, Subcommand)]
#[command(
    before_help = "Examples:\n  zupa sessions show 01930f5e-…\n  zupa sessions end 01930f5e-… --by bea"
)]
pub enum SessionsCommand {
    /// Print a conversation's newest session, and summaries of those that ended.
    Show(ConversationId),
    /// End a conversation's session: the next message begins a new one.
    End(Act),
}

/// Which conversations.
#[derive(Debug, Args)]
pub struct ListConversations {
    /// Only those that a human has.
    #[arg(long)]
    pub held: bool,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
    /// Only older ones than this; the last of a list leads to the next.
    #[arg(long, value_name = "ID")]
    pub before: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// Which conversation.
#[derive(Debug, Args)]
pub struct ConversationId {
    /// The conversation's id, as `zupa conversations ls` prints it.
    pub id: String,
    #[command(flatten)]
    pub output: Output,
}

/// Who does something to which conversation.
#[derive(Debug, Args)]
pub struct Act {
    #[command(flatten)]
    pub conversation: ConversationId,
    /// Who does it; nobody checks it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// What to hand back, and what needs no answer any more.
#[derive(Debug, Args)]
pub struct Release {
    #[command(flatten)]
    pub act: Act,
    /// You have answered everything up to now: the agent does not answer it again.
    #[arg(long, conflicts_with = "answered_until")]
    pub answered: bool,
    /// You have answered everything up to this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub answered_until: Option<String>,
}

impl ConversationsCommand {
    /// True when it was asked for JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Ls(list) => list.output.json,
            Self::Show(wanted) => wanted.output.json,
            Self::Hold(act) => act.conversation.output.json,
            Self::Release(release) => release.act.conversation.output.json,
        }
    }
}

impl SessionsCommand {
    /// True when it was asked for JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Show(wanted) => wanted.output.json,
            Self::End(act) => act.conversation.output.json,
        }
    }
}
