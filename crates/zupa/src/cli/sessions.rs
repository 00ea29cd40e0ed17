//! `zupa sessions`: stretches of a conversation, and ending the one that is open.

use serde_json::json;
use zupa_http::conversations::{Conversation, Done};

use super::arguments::{Act, ConversationId, Global, SessionsCommand};
use super::check;
use super::conversations::{Wish, read, session};
use super::failure::{Code, Failure};
use super::print;
use super::reviews::versioned;

/// Runs `zupa sessions …`.
pub async fn sessions(global: &Global, command: &SessionsCommand) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    match command {
        SessionsCommand::Show(wanted) => {
            let conversation = read(&config, &wanted.id).await?;
            show(&conversation, wanted)
        }
        SessionsCommand::End(wanted) => {
            let done = Wish::EndSession.make(&config, wanted).await?;
            ended(&done, wanted)
        }
    }
}

fn show(conversation: &Conversation, wanted: &ConversationId) -> Result<Code, Failure> {
    if wanted.output.json {
        print::json(&json!({
            "version": 1,
            "conversation": conversation.id,
            "session": conversation.session,
            "talk": conversation.talk,
            "passages": conversation.passages,
            "wake_at": conversation.wake_at,
            "episodes": conversation.episodes,
        }))?;
    } else {
        print::line(format_args!("conversation {}", conversation.id));
        session(conversation);
    }
    Ok(Code::Ok)
}

fn ended(done: &Done, wanted: &Act) -> Result<Code, Failure> {
    if wanted.conversation.output.json {
        versioned(done)?;
        return Ok(Code::Ok);
    }
    let conversation = &done.conversation;
    let id = conversation.id;
    if !done.changed {
        print::line(format_args!("conversation {id}: no session is open"));
        return Ok(Code::Ok);
    }
    print::line(format_args!("conversation {id}: its session is to end"));
    if conversation.hold.is_some() {
        eprintln!("it ends when the conversation is handed back");
    }
    Ok(Code::Ok)
}
