//! Servers, contexts and checks that the tests share.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use zupa_core::{
    Address, ChannelId, ConversationId, Digest, Error, Result, TenantId, Timestamp, Tool,
    ToolContext, ToolOutput, TurnId,
};
use zupa_mcp::{McpConfig, McpServer, Reach};

use crate::fake;

/// Stands for what people write and for what servers say in prose.
pub const CANARY: &str = "canary of a customer";
/// Stands for secrets.
pub const KEY: &str = "key-that-nobody-may-see";
/// Longer than any test waits on purpose, shorter than anybody's patience.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The fake server of this very binary, with a file for what it remembers.
pub fn config(memory: &Path) -> McpConfig {
    let program = std::env::current_exe().unwrap();
    let env = [
        (fake::SWITCH, memory.to_str().unwrap()),
        ("SERVER_KEY", KEY),
    ];
    McpConfig {
        name: "fake".into(),
        reach: Reach::Stdio {
            command: program.to_str().unwrap().into(),
            args: fake::ARGUMENTS.map(String::from).into(),
            env: env.map(|(name, value)| (name.into(), value.into())).into(),
            directory: None,
        },
        start_timeout: PATIENCE,
        restart_pause: Duration::from_millis(50),
        ..McpConfig::default()
    }
}

/// A running fake server, and the folder that it remembers in.
pub struct Fake {
    pub server: Arc<McpServer>,
    pub folder: tempfile::TempDir,
}

pub async fn fake() -> Fake {
    fake_with(|config| config).await
}

pub async fn fake_with(change: impl FnOnce(McpConfig) -> McpConfig) -> Fake {
    logs::capture();
    let folder = tempfile::tempdir().unwrap();
    let config = change(config(&folder.path().join("memory")));
    let server = McpServer::start(config).await.unwrap();
    Fake { server, folder }
}

impl Fake {
    pub fn tool(&self, name: &str) -> Arc<dyn Tool> {
        tool(&self.server, &format!("fake_{name}"))
    }

    pub async fn call(&self, name: &str, arguments: Value) -> Result<ToolOutput> {
        self.tool(name).call(arguments, context(PATIENCE)).await
    }

    /// What the model is told.
    pub async fn result(&self, name: &str, arguments: Value) -> Value {
        self.call(name, arguments).await.unwrap().result
    }
}

use crate::logs;

#[track_caller]
pub fn tool(server: &Arc<McpServer>, name: &str) -> Arc<dyn Tool> {
    let tools = server.tools();
    let found = tools.iter().find(|tool| tool.spec().name == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {tools:?}"))
        .clone()
}

pub fn context(timeout: Duration) -> ToolContext {
    ToolContext {
        key: key(),
        turn: TurnId(Uuid::nil()),
        conversation: ConversationId(Uuid::nil()),
        address: Address {
            tenant: "t".parse_id::<TenantId>(),
            channel: "c".parse_id::<ChannelId>(),
            alias: "a".parse_id(),
        },
        at: Timestamp::default(),
        timeout,
        state: Value::Null,
        decision: None,
    }
}

/// The idempotency key of every call in these tests.
pub fn key() -> Digest {
    Digest::of(b"the key of a call")
}

trait ParseId {
    fn parse_id<T: TryFrom<String>>(&self) -> T;
}

impl ParseId for str {
    fn parse_id<T: TryFrom<String>>(&self) -> T {
        T::try_from(self.to_owned()).ok().unwrap()
    }
}

/// Neither form of the error, nor of anything beneath it, quotes texts or keys.
#[track_caller]
pub fn assert_discreet(error: &Error) {
    let mut forms = vec![format!("{error} {error:?}")];
    let mut beneath = error.source();
    while let Some(source) = beneath {
        forms.push(format!("{source} {source:?}"));
        beneath = source.source();
    }
    for form in forms {
        assert!(!form.contains("canary") && !form.contains(KEY), "{form}");
    }
}

/// Waits for something that happens elsewhere: in another process, mostly.
pub async fn until(what: &str, mut happens: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !happens().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("{what} did not happen"));
}

/// True while the process runs; a zombie does not.
pub fn is_running(pid: &Value) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The environment that programs need to be found.
#[expect(
    clippy::disallowed_methods,
    reason = "tests start programs of this machine"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub fn no_arguments() -> Value {
    json!({})
}

pub fn effects<const N: usize>(
    given: [(&str, zupa_core::Effect); N],
) -> BTreeMap<String, zupa_core::Effect> {
    given.map(|(tool, effect)| (tool.to_owned(), effect)).into()
}
