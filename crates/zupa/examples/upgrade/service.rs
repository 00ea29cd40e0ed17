//! What both versions are: a process on a shared store, spoken to through pipes.
//!
//! One line in, one line out: `say WHO TEXT` is answered with `ack` when the message is
//! stored, and `show WHO` with what WHO has been told, between ` | `.

use std::error::Error;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use zupa::core::desk::Speaker;
use zupa::core::{Address, Alias, ChannelId, Content, Desk, Inbound, Number, Outbound, TenantId};
use zupa::postgres::{PostgresConfig, PostgresStore};
use zupa::runtime::{
    Agent, Cx, Ending, Graph, Move, NullChannel, Question, Runtime, Script, ScriptedModel, State,
    Stop, ends, to, waits,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A state that counts, and says so.
pub trait Counts: State<Update = String> {
    /// The answer to what was said last.
    fn words(&self) -> String;
}

/// Serves until standard input ends.
pub async fn serve<S: Counts>() -> Outcome<()> {
    let url = std::env::args()
        .nth(1)
        .ok_or("usage: upgrade postgres://…")?;
    let store = Arc::new(PostgresStore::open(PostgresConfig::at(&url)?).await?);
    // This graph calls no model.
    let model = Arc::new(ScriptedModel::new(Script::default())?);
    let anybody = address("anybody")?;
    let door = NullChannel::new(anybody.channel, anybody.tenant);
    let runtime = Runtime::builder(store.clone(), model, Agent::new("upgrade", ""))
        .channel(Arc::new(door))
        .graph(graph::<S>()?)
        .wakeup(store.wakeup().await?)
        .start()
        .await?;
    println!("ready");
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("say"), Some(who), Some(text)) => {
                let inbound = Inbound::new(address(who)?, Content::text(text));
                for told in runtime.intake().deliver(inbound.into()).await? {
                    told?;
                }
                println!("ack");
            }
            (Some("show"), Some(who), None) => {
                let told = store.lines(&address(who)?, Number(0), 100).await?;
                let told = told.into_iter();
                let told = told.filter(|line| matches!(line.from, Speaker::Agent(_)));
                let told: Vec<String> = told.map(|line| line.text).collect();
                println!("{}", told.join(" | "));
            }
            _ => return Err(format!("not a command: {line}").into()),
        }
    }
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

fn graph<S: Counts>() -> zupa::core::Result<Graph<S>> {
    Graph::builder("upgrade")
        .node("look", look, [to("answer"), waits("hear")])
        .node("hear", hear, [to("answer")])
        .node("answer", answer, [ends()])
        .build()
}

/// Who says `order` is asked first.
async fn look<S: Counts>(_: &S, cx: &mut Cx) -> Result<Move<S>, Stop> {
    let said = cx.inbounds()[0].content.as_prompt_text();
    if said != "order" {
        return Ok(Move::to("answer").with(said));
    }
    let say = vec![Outbound::reply("sure?")];
    Ok(Move::wait("hear", vec![Question::reply("sure?")], say).with(said))
}

async fn hear<S: Counts>(_: &S, _: &mut Cx) -> Result<Move<S>, Stop> {
    Ok(Move::to("answer"))
}

async fn answer<S: Counts>(state: &S, _: &mut Cx) -> Result<Move<S>, Stop> {
    Ok(Move::end(Ending::Answer(vec![Outbound::reply(
        state.words(),
    )])))
}

fn address(who: &str) -> zupa::core::Result<Address> {
    Ok(Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("terminal")?,
        alias: Alias::parse(who)?,
    })
}

/// The lines of standard input.
fn lines() -> tokio::sync::mpsc::Receiver<String> {
    let (sender, lines) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
