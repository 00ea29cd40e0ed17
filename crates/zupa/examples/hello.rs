//! Zupa as a library: one message in, its answer out, both of them on disk.
use std::{error::Error, sync::Arc, time::Duration};

use zupa::core::{Address, Alias, ChannelId, Content, Desk, Inbound, Number, TenantId};
use zupa::runtime::{Agent, NullChannel, Runtime, Script, ScriptedModel};
use zupa::sqlite::{SqliteConfig, SqliteStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(SqliteConfig::at(folder.path().join("hello.db"))).await?;
    let store = Arc::new(store);
    let model = ScriptedModel::new(Script::always("You said: {message}", Duration::ZERO))?;
    let address = Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("terminal")?,
        alias: Alias::parse("you")?,
    };
    let door = NullChannel::new(address.channel.clone(), address.tenant.clone());
    let builder = Runtime::builder(store.clone(), Arc::new(model), Agent::new("echo", ""));
    let runtime = builder.channel(Arc::new(door)).start().await?;
    let hello = Inbound::new(address.clone(), Content::text("hello"));
    runtime.intake().deliver(hello.into()).await?;
    while store.lines(&address, Number(1), 1).await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{}", store.lines(&address, Number(1), 1).await?[0].text);
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
