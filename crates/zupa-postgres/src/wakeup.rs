//! The `Wakeup` port by LISTEN and NOTIFY: hints between the processes on one
//! database. Any may be lost, above all while a connection is made anew; the
//! poll finds what they spoke of.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tracing::{debug, warn};
use uuid::Uuid;
use zupa_core::{
    Address, Alias, ChannelId, ConversationId, Error, ErrorKind, Nudge, Result, TenantId, Wakeup,
};

use crate::config::PostgresConfig;
use crate::session::Sessions;
use crate::store::decode;
use crate::{error, open};

/// Where hints are called out.
const CHANNEL: &str = "zupa";
/// How many hints may wait, on the way in and out; what overflows is found by
/// the poll.
const ROOM: usize = 65_536;
/// Hints that one statement calls out.
const BATCH: usize = 256;
/// After so long without a hint the connection that hears them is made anew.
const QUIET: Duration = Duration::from_secs(30);
/// The pause before a lost connection is made anew.
const AGAIN: Duration = Duration::from_millis(500);

/// Hints between the processes on one database.
#[derive(Debug)]
pub struct PostgresWakeup {
    here: mpsc::Sender<Nudge>,
    queue: Mutex<mpsc::Receiver<Nudge>>,
    out: mpsc::Sender<Nudge>,
    tasks: Vec<JoinHandle<()>>,
}

/// Calls hints out. Every role of the server may listen, so they name our ids
/// alone, never an address.
const CALL_OUT: &str = "
    SELECT pg_notify($1, json_build_object('from', $2::uuid, 'due', due)::text)
    FROM unnest($3::uuid[]) AS due
    UNION ALL
    SELECT pg_notify($1, json_build_object('from', $2::uuid, 'news', k.conversation)::text)
    FROM unnest($4::text[], $5::text[], $6::text[]) AS n(alias, channel, tenant)
    JOIN zupa.aliases k USING (alias, channel, tenant)";

/// A hint on the wire, with who called it out.
#[derive(Deserialize)]
struct Call {
    from: Uuid,
    due: Option<ConversationId>,
    news: Option<ConversationId>,
}

impl PostgresWakeup {
    /// Starts listening and calling out; behind a pooler only this process
    /// hears its own hints.
    pub(crate) async fn start(config: &PostgresConfig) -> Result<Self> {
        let (here, queue) = mpsc::channel(ROOM);
        let (out, calls) = mpsc::channel(ROOM);
        let mut tasks = Vec::new();
        if !config.pooled {
            let me = me(config).await?;
            tasks.push(tokio::spawn(call_out(config.clone(), me, calls)));
            tasks.push(tokio::spawn(listen(config.clone(), me, here.clone())));
        }
        Ok(Self {
            here,
            queue: Mutex::new(queue),
            out,
            tasks,
        })
    }
}

impl Drop for PostgresWakeup {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl Wakeup for PostgresWakeup {
    fn wake(&self, nudge: Nudge) {
        // Full means that the poll will find it; closed, that nobody calls out.
        if let Nudge::Due(_) | Nudge::Held(_) = &nudge {
            let _ = self.here.try_send(nudge.clone());
        }
        let _ = self.out.try_send(nudge);
    }

    async fn woken(&self) -> Nudge {
        match self.queue.lock().await.recv().await {
            Some(nudge) => nudge,
            // The sender lives as long as this does.
            None => std::future::pending().await,
        }
    }
}

/// A name for this listener, so that it does not hear itself. The database makes
/// it: an adapter has no randomness of its own.
async fn me(config: &PostgresConfig) -> Result<Uuid> {
    let mut connection = open::connect(config).await?;
    sqlx::query_scalar("SELECT gen_random_uuid()")
        .fetch_one(&mut connection)
        .await
        .map_err(|source| error::of_read("name a listener", source))
}

async fn call_out(config: PostgresConfig, me: Uuid, mut calls: mpsc::Receiver<Nudge>) {
    let mut connection: Option<PgConnection> = None;
    let mut nudges = Vec::with_capacity(BATCH);
    while calls.recv_many(&mut nudges, BATCH).await > 0 {
        let (mut due, mut names) = (Vec::new(), Vec::new());
        for nudge in nudges.drain(..) {
            match nudge {
                // Elsewhere a hold is one more reason to look: the claim knows it.
                Nudge::Due(conversation) | Nudge::Held(conversation) => due.push(conversation.0),
                Nudge::News(address) => names.push(address),
            }
        }
        let column = |text: fn(&Address) -> &str| -> Vec<String> {
            names.iter().map(|name| text(name).to_owned()).collect()
        };
        let mut open = match connection.take() {
            Some(open) => open,
            None => match open::connect(&config).await {
                Ok(open) => open,
                Err(error) => {
                    debug!(%error, "hints are not called out now");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            },
        };
        let calling = sqlx::query(CALL_OUT)
            .bind(CHANNEL)
            .bind(me)
            .bind(due)
            .bind(column(|name| name.alias.as_str()))
            .bind(column(|name| name.channel.as_str()))
            .bind(column(|name| name.tenant.as_str()))
            .execute(&mut open);
        match tokio::time::timeout(config.timeout, calling).await {
            Ok(Ok(_)) => connection = Some(open),
            Ok(Err(source)) => {
                let error = error::of_write("call hints out", source);
                debug!(%error, "hints were lost; the poll finds what they spoke of");
            }
            Err(_elapsed) => debug!("hints were lost; the poll finds what they spoke of"),
        }
    }
    if let Some(open) = connection {
        let _ = open.close().await;
    }
}

async fn listen(config: PostgresConfig, me: Uuid, here: mpsc::Sender<Nudge>) {
    let sessions = Sessions::new(&config, 1);
    loop {
        if let Err(error) = hear(&config, &sessions, me, &here).await {
            warn!(%error, "hints from other processes are not heard now; the poll finds the work");
        }
        if here.is_closed() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Hears until the connection is lost.
async fn hear(
    config: &PostgresConfig,
    sessions: &Sessions,
    me: Uuid,
    here: &mpsc::Sender<Nudge>,
) -> Result<()> {
    let failed = |source| error::of_read("listen for hints", source);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(config.timeout)
        .connect_lazy_with(open::options(config));
    let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
    listener.listen(CHANNEL).await.map_err(failed)?;
    loop {
        let Ok(heard) = tokio::time::timeout(QUIET, listener.try_recv()).await else {
            // Nobody calls, or nobody can be heard any more: only a new connection
            // tells.
            return Ok(());
        };
        // None: the connection was lost, and hints with it.
        let Some(heard) = heard.map_err(failed)? else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the connection that hears hints was lost",
            ));
        };
        let Ok(call) = serde_json::from_str::<Call>(heard.payload()) else {
            continue;
        };
        if call.from == me {
            continue;
        }
        if let Some(conversation) = call.due {
            let _ = here.try_send(Nudge::Due(conversation));
        }
        if let Some(conversation) = call.news {
            let _ = here.try_send(Nudge::News(address(sessions, conversation).await?));
        }
    }
}

/// Where a conversation is reached.
async fn address(sessions: &Sessions, conversation: ConversationId) -> Result<Address> {
    let query = sqlx::query("SELECT tenant, channel, alias FROM zupa.conversations WHERE id = $1")
        .bind(conversation.0);
    let row = sessions.one("find an address", query).await?;
    Ok(Address {
        tenant: TenantId::parse(decode::text(&row, 0)?)?,
        channel: ChannelId::parse(decode::text(&row, 1)?)?,
        alias: Alias::parse(decode::text(&row, 2)?)?,
    })
}
