//! Dead letters as a library: what gave up, why, and another try with other words.
use std::{error::Error, sync::Arc, time::Duration};

use zupa::core::{
    Address, Alias, AuditEntry, ChannelId, Clock, Content, DeadLetter, DeadLetterAct,
    DeadLetterActed, DeadLetterFilter, DeadLetterState, Desk, Digest, Inbound, TenantId,
};
use zupa::runtime::{Agent, NullChannel, Runtime, Script, ScriptedModel, SystemClock};
use zupa::sqlite::{SqliteConfig, SqliteStore};

/// A model that knows one word. Whatever else it is asked is an error about the input,
/// which no repetition mends: such a message gives up at once.
const SCRIPT: &str = r#"
[[rule]]
pattern = "^hello$"
answer = "Good morning"
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(SqliteConfig::at(folder.path().join("letters.db"))).await?;
    let store = Arc::new(store);
    let model = ScriptedModel::new(Script::parse(SCRIPT)?)?;
    let address = Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("terminal")?,
        alias: Alias::parse("you")?,
    };
    let door = NullChannel::new(address.channel.clone(), address.tenant.clone());
    let builder = Runtime::builder(store.clone(), Arc::new(model), Agent::new("shy", ""));
    let runtime = builder.channel(Arc::new(door)).start().await?;
    let typo = Inbound::new(address, Content::text("helo"));
    runtime.intake().deliver(typo.into()).await?;

    let letter = one(&*store, DeadLetterState::Pending).await?;
    println!("gave up: {}, {}", letter.class, letter.message);
    let view = store.dead_letter(letter.id).await?.ok_or("it is there")?;
    println!("failures: {}", view.attempts.len());

    let act = DeadLetterAct::Edit {
        text: "hello".to_owned(),
        confirmed: false,
    };
    let entry = AuditEntry {
        at: SystemClock::default().wall(),
        actor: "ana".to_owned(),
        action: "dead_letter.edited".to_owned(),
        reason: "a typing error".to_owned(),
        turn: Some(letter.turn),
        config: Digest::of(b""),
        commitment: None,
    };
    let acted = store.act_on_dead_letter(letter.id, act, entry).await?;
    if !matches!(acted, DeadLetterActed::Done { .. }) {
        return Err(format!("it cannot be tried again: {acted:?}").into());
    }
    // It leaves when its new try has ended well, not before.
    let done = one(&*store, DeadLetterState::Done).await?;
    println!("{}: {}", done.state.as_str(), done.id == letter.id);
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

/// Waits for the only dead letter to stand so.
async fn one(desk: &dyn Desk, state: DeadLetterState) -> zupa::core::Result<DeadLetter> {
    let filter = DeadLetterFilter {
        state: Some(state),
        ..DeadLetterFilter::default()
    };
    loop {
        if let Some(letter) = desk.dead_letters(&filter, None, 1).await?.pop() {
            return Ok(letter);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
