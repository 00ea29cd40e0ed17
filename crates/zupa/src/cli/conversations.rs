//! `zupa conversations`: who answers people, and taking them over from the agent.

use hyper::StatusCode;
use serde_json::{Value, json};
use zupa::config::Config;
use zupa_core::{Clock, ConversationId, Digest, Timestamp};
use zupa_http::conversations::{
    self as shared, Act, Answered, Conversation, Conversations, Done, Episode,
};
use zupa_runtime::SystemClock;

use super::arguments::{self, ConversationsCommand, Global, ListConversations, Release};
use super::failure::{Code, Failure};
use super::reviews::{plain, sense, versioned};
use super::source::Source;
use super::{check, operator, print};

/// Runs `zupa conversations …`.
pub async fn conversations(
    global: &Global,
    command: &ConversationsCommand,
) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    match command {
        ConversationsCommand::Ls(wanted) => list(&config, wanted).await,
        ConversationsCommand::Show(wanted) => show(&config, wanted).await,
        ConversationsCommand::Hold(wanted) => hold(&config, wanted).await,
        ConversationsCommand::Release(wanted) => release(&config, wanted).await,
    }
}

async fn list(config: &Config, wanted: &ListConversations) -> Result<Code, Failure> {
    let before = wanted.before.as_deref().map(ConversationId::parse);
    let before = before.transpose().map_err(|_| {
        Failure::new(Code::Usage, "--before cannot be taken")
            .because("it is the id of a conversation, as a list prints it")
    })?;
    let found = match Source::open(config).await? {
        Source::Store(opened) => {
            let limit = usize::from(wanted.limit);
            shared::list(opened.desk.as_ref(), wanted.held, before, limit).await?
        }
        Source::Server(server) => {
            let (held, limit) = (wanted.held, wanted.limit);
            let before = before.map_or_else(String::new, |id| format!("&before={id}"));
            let path = format!("/api/v1/conversations?held={held}&limit={limit}{before}");
            operator::get::<Conversations>(&server, &path)
                .await?
                .ok_or_else(|| Failure::new(Code::Failed, "the server knows no conversations"))?
        }
    };
    if wanted.output.json {
        versioned(&found)?;
        return Ok(Code::Ok);
    }
    for conversation in &found.conversations {
        let (id, channel) = (conversation.id, &conversation.channel);
        let (alias, standing) = (&conversation.alias, standing(conversation));
        let pending = conversation.pending;
        print::line(format_args!(
            "{id}  {channel}  {alias}  {standing}  {pending} pending"
        ));
    }
    match found.conversations.last() {
        None if wanted.held => eprintln!("no human has a conversation"),
        None => eprintln!("there are no conversations"),
        Some(last) if found.more => eprintln!("there are more: --before {}", last.id),
        Some(_) => {}
    }
    Ok(Code::Ok)
}

async fn show(config: &Config, wanted: &arguments::ConversationId) -> Result<Code, Failure> {
    let conversation = read(config, &wanted.id).await?;
    if wanted.output.json {
        versioned(&conversation)?;
        return Ok(Code::Ok);
    }
    print::line(format_args!("conversation {}", conversation.id));
    print::line(format_args!("tenant       {}", conversation.tenant));
    print::line(format_args!("channel      {}", conversation.channel));
    print::line(format_args!("alias        {}", conversation.alias));
    print::line(format_args!("state        {}", standing(&conversation)));
    let human_at = conversation.hold.as_ref();
    if let Some(at) = human_at.and_then(|hold| hold.human_at.as_ref()) {
        print::line(format_args!("human spoke  {at}"));
    }
    print::line(format_args!("pending      {}", conversation.pending));
    if let Some(turn) = &conversation.open_turn {
        print::line(format_args!("open turn    {turn}"));
    }
    if let Some(due_at) = &conversation.due_at {
        print::line(format_args!("due          {due_at}"));
    }
    if let Some(since) = &conversation.opted_out {
        print::line(format_args!("opted out    {since}"));
    }
    session(&conversation);
    Ok(Code::Ok)
}

async fn hold(config: &Config, wanted: &arguments::Act) -> Result<Code, Failure> {
    let done = Wish::Hold.make(config, wanted).await?;
    if wanted.conversation.output.json {
        versioned(&done)?;
        return Ok(Code::Ok);
    }
    let (id, by) = (done.conversation.id, holder(&done.conversation));
    match done.changed {
        true => print::line(format_args!("conversation {id}: taken by {by}")),
        false => print::line(format_args!("conversation {id} was taken by {by} before")),
    }
    Ok(Code::Ok)
}

async fn release(config: &Config, wanted: &Release) -> Result<Code, Failure> {
    let answered = match (&wanted.answered_until, wanted.answered) {
        (Some(time), _) => time.clone(),
        (None, true) => "all".to_owned(),
        (None, false) => "none".to_owned(),
    };
    let done = Wish::Release(answered).make(config, &wanted.act).await?;
    if wanted.act.conversation.output.json {
        versioned(&done)?;
        return Ok(Code::Ok);
    }
    let id = done.conversation.id;
    match (done.changed, done.answered) {
        (false, _) => print::line(format_args!("conversation {id} was with the agent before")),
        (true, 0) => print::line(format_args!("conversation {id}: handed back")),
        (true, 1) => print::line(format_args!(
            "conversation {id}: handed back, 1 message answered by you"
        )),
        (true, answered) => print::line(format_args!(
            "conversation {id}: handed back, {answered} messages answered by you"
        )),
    }
    Ok(Code::Ok)
}

/// What an operator wishes of a conversation.
#[derive(Debug)]
pub(super) enum Wish {
    Hold,
    /// And what the human has answered.
    Release(String),
    EndSession,
}

impl Wish {
    /// Does it in the store, or asks the server to.
    pub(super) async fn make(
        self,
        config: &Config,
        wanted: &arguments::Act,
    ) -> Result<Done, Failure> {
        let text = &wanted.conversation.id;
        let id = parse(text)?;
        let act = Act {
            by: wanted.by.clone(),
            at: SystemClock::default().wall(),
            config: Digest(config.hash()),
        };
        if let Some((name, _, detail)) = act.faults().into_iter().next() {
            return Err(unusable(name, &detail));
        }
        let answered = self.answered(act.at)?;
        let done = match Source::open(config).await? {
            Source::Store(opened) => {
                let desk = opened.desk.as_ref();
                match self {
                    Self::Hold => shared::hold(desk, id, &act).await?,
                    Self::Release(_) => shared::release(desk, id, answered, &act).await?,
                    Self::EndSession => shared::end_session(desk, id, &act).await?,
                }
            }
            Source::Server(server) => {
                let (what, body) = match self {
                    Self::Hold => ("hold", json!({ "by": act.by })),
                    Self::Release(answered) => {
                        ("release", json!({ "by": act.by, "answered": answered }))
                    }
                    Self::EndSession => ("session/end", json!({ "by": act.by })),
                };
                let path = format!("/api/v1/conversations/{id}/{what}");
                understood(operator::post(&server, &path, &body).await?)?
            }
        };
        done.ok_or_else(|| unknown(text))
    }

    fn answered(&self, now: Timestamp) -> Result<Answered, Failure> {
        match self {
            Self::Hold | Self::EndSession => Ok(Answered::default()),
            Self::Release(answered) => Answered::parse(answered, now)
                .map_err(|(_, _, detail)| unusable("answered-until", &detail)),
        }
    }
}

fn understood((status, answer): (StatusCode, Value)) -> Result<Option<Done>, Failure> {
    match status {
        StatusCode::OK => sense(answer).map(Some),
        StatusCode::NOT_FOUND => Ok(None),
        other => {
            let failure = Failure::new(Code::Failed, format!("the server answered {other}"));
            Err(match answer.get("detail").and_then(Value::as_str) {
                Some(detail) => failure.because(detail),
                None => failure,
            })
        }
    }
}

/// Reads a conversation, with what a person said.
pub(super) async fn read(config: &Config, text: &str) -> Result<Conversation, Failure> {
    let id = parse(text)?;
    let found = match Source::open(config).await? {
        Source::Store(opened) => shared::show(opened.desk.as_ref(), id).await?,
        Source::Server(server) => {
            operator::get(&server, &format!("/api/v1/conversations/{id}")).await?
        }
    };
    found.ok_or_else(|| unknown(text))
}

/// Prints what is known of a conversation's sessions.
pub(super) fn session(conversation: &Conversation) {
    match &conversation.session {
        None => print::line(format_args!("session      none")),
        Some(session) => {
            let number = session.number;
            let state = if session.over { "over" } else { "open" };
            let last_at = session.last_at.as_deref().unwrap_or("unknown");
            print::line(format_args!(
                "session      {number} {state}, last message {last_at}"
            ));
        }
    }
    if let Some(talk) = conversation.talk {
        print::line(format_args!("talk         {}", talk.as_str()));
    }
    for passage in &conversation.passages {
        let [from, to] = [passage.from.as_str(), passage.to.as_str()];
        let (event, at) = (passage.event.as_str(), passage.at.as_deref());
        let at = at.unwrap_or("unknown");
        print::line(format_args!("passage      {at}, {event}: {from} to {to}"));
    }
    if let Some(at) = &conversation.wake_at {
        print::line(format_args!("wakes        {at}"));
    }
    for Episode {
        session,
        reason,
        summary,
        ..
    } in &conversation.episodes
    {
        let summary = plain(&summary.as_str().into());
        let reason = plain(&reason.as_str().into());
        print::line(format_args!("episode      {session}, {reason}: {summary}"));
    }
}

fn standing(conversation: &Conversation) -> String {
    let state = conversation.state.as_str();
    match &conversation.hold {
        Some(hold) => format!("{state}: {} since {}", holder(conversation), hold.since),
        None => state.to_owned(),
    }
}

fn holder(conversation: &Conversation) -> String {
    let by = conversation.hold.as_ref().map(|hold| hold.by.as_str());
    plain(&by.unwrap_or("nobody").into())
}

fn unusable(name: &str, detail: &str) -> Failure {
    Failure::new(Code::Usage, format!("--{name} cannot be taken")).because(detail)
}

/// What was typed may be a phone number, so it is not repeated if it is no id.
fn parse(text: &str) -> Result<ConversationId, Failure> {
    ConversationId::parse(text).map_err(|_| {
        Failure::new(Code::NotFound, "no conversation has this id")
            .because("an id is 32 hexadecimal digits; an alias or a number is none")
            .try_this("`zupa conversations ls` lists them")
    })
}

fn unknown(id: &str) -> Failure {
    Failure::new(Code::NotFound, format!("no conversation has the id {id}"))
        .try_this("`zupa conversations ls` lists them")
}
