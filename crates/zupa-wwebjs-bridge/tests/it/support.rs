//! A phone that is a folder, a bridge to it, and an intake that remembers.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;
use zupa_core::{
    Address, Alias, Channel, ChannelId, Content, ConversationId, Delivered, DeliveryId, Error,
    ErrorKind, EventId, Inbound, Intake, Number, Outgoing, Receipt, ReceiptLevel, ReceiptNews,
    Result, SendReceipt, TenantId, Timestamp, TurnId,
};
use zupa_testkit::{SeqIds, TokioClock};
use zupa_wwebjs_bridge::{Pulse, State, Status, WwebjsBridge, WwebjsConfig};

pub const ANA: &str = "15550001111@c.us";
/// Longer than anything takes that works, on a machine that does other things beside.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// True if there is a Node; else says who is skipped, which is a failure under CI.
#[track_caller]
pub fn has_node(test: &str) -> bool {
    let found = Command::new(node())
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        assert!(
            variable("CI").as_deref() != Some("true"),
            "{test} may not be skipped in CI: no node"
        );
        eprintln!("SKIPPED {test}: node is not installed");
    }
    found
}

pub fn node() -> PathBuf {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|node| node.is_file())
        .unwrap_or_else(|| "/usr/bin/node".into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests start programs of this machine"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "the phone is another process")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(i64::try_from(since.unwrap().as_micros()).unwrap())
}

/// A phone, before and beside any bridge.
pub struct Phone {
    home: PathBuf,
    /// Deleted with this.
    _made: Option<TempDir>,
}

impl Phone {
    /// One whose library is the stand-in.
    pub fn new() -> Self {
        let made = tempfile::tempdir().unwrap();
        let phone = Self {
            home: made.path().to_owned(),
            _made: Some(made),
        };
        fs::create_dir(phone.path("phone")).unwrap();
        let library = phone.path("sidecar/node_modules/whatsapp-web.js");
        fs::create_dir_all(&library).unwrap();
        let fake = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/sidecar/test/fake/whatsapp-web.js"
        ));
        for file in ["package.json", "index.js"] {
            fs::copy(fake.join(file), library.join(file)).unwrap();
        }
        phone
    }

    /// One that another process has made.
    pub fn of(home: PathBuf) -> Self {
        Self { home, _made: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// How the client behaves from now on.
    pub fn mood(&self, mood: Value) {
        let beside = self.path("phone/mood.new");
        fs::write(&beside, mood.to_string()).unwrap();
        fs::rename(beside, self.path("phone/mood.json")).unwrap();
    }

    /// A person writes; the phone shows it.
    pub fn said(&self, id: &str, chat: &str, body: &str) {
        self.shows(json!({ "id": id, "chat": chat, "fromMe": false, "body": body }));
    }

    pub fn shows(&self, mut line: Value) {
        if line["t"].is_null() {
            line["t"] = (now().0 / 1_000_000).into();
        }
        let mut chats = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("phone/chats.ndjson"))
            .unwrap();
        chats.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// What really left, in order.
    pub fn sent(&self) -> Vec<(String, String)> {
        let ours =
            |line: &Value| line["fromMe"] == true && line["typed"] != true && line["ack"] != -1;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.lines("phone/chats.ndjson")
            .iter()
            .filter(|line| ours(line))
            .map(|line| (text(&line["chat"]), text(&line["body"])))
            .collect()
    }

    pub fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn config(&self) -> WwebjsConfig {
        let channel = ChannelId::parse("phone").unwrap();
        let session = self.path("session");
        WwebjsConfig {
            sidecar_dir: self.path("sidecar"),
            node: node(),
            send_gap: Duration::ZERO,
            sends_per_hour: 1_000_000,
            pulse: Pulse {
                beat: Duration::from_millis(100),
                dead: Duration::from_secs(2),
                probe: Duration::from_millis(200),
                restart_base: Duration::from_millis(20),
                restart_cap: Duration::from_millis(100),
                unready_pause: Duration::from_millis(50),
                blocked_pause: Duration::from_millis(500),
                ..Pulse::default()
            },
            ..WwebjsConfig::new(channel, TenantId::default_tenant(), session)
        }
    }

    pub fn bridge(&self) -> Bridge {
        self.bridge_with(self.config(), Taken::default())
    }

    pub fn bridge_with(&self, config: WwebjsConfig, taken: Taken) -> Bridge {
        let clock = Arc::new(TokioClock::at(now()));
        let bridge = WwebjsBridge::new(config, clock, Arc::new(SeqIds::seeded(7))).unwrap();
        let (intake, queue) = Intake::channel(64);
        let accepting = tokio::spawn(accept(queue, taken.clone()));
        let running = tokio::spawn({
            let bridge = bridge.clone();
            async move { bridge.run(intake).await }
        });
        Bridge {
            bridge,
            taken,
            running,
            accepting,
        }
    }
}

/// What accept has made durable: it outlives bridges.
#[derive(Clone, Default)]
pub struct Taken(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    ids: HashSet<String>,
    inbounds: Vec<Inbound>,
    /// Duplicates, too.
    handed_in: Vec<Inbound>,
    receipts: Vec<Receipt>,
    refusals: Vec<ErrorKind>,
}

impl Taken {
    /// Bodies of one chat's messages, in the order of their acceptance.
    pub fn texts(&self, chat: &str) -> Vec<String> {
        let ledger = self.0.lock().unwrap();
        let of = |inbound: &&Inbound| inbound.address.alias.as_str() == chat;
        ledger
            .inbounds
            .iter()
            .filter(of)
            .map(|inbound| inbound.content.as_prompt_text())
            .collect()
    }

    pub fn inbounds(&self) -> Vec<Inbound> {
        self.0.lock().unwrap().inbounds.clone()
    }

    /// Refuses so many batches, with these errors, which say nothing of a later try.
    pub fn refuse(&self, kinds: &[ErrorKind]) {
        self.0.lock().unwrap().refusals = kinds.to_vec();
    }

    pub fn duplicates(&self) -> usize {
        let ledger = self.0.lock().unwrap();
        ledger.handed_in.len() - ledger.inbounds.len()
    }

    /// All that came in under this id of the platform, duplicates too.
    pub fn handed_in(&self, id: &str) -> Vec<Inbound> {
        let ledger = self.0.lock().unwrap();
        let is_it = |one: &&Inbound| one.platform_id.as_ref().unwrap().as_str() == id;
        ledger.handed_in.iter().filter(is_it).cloned().collect()
    }

    pub fn receipts(&self) -> Vec<Receipt> {
        self.0.lock().unwrap().receipts.clone()
    }

    pub fn news(&self) -> Vec<ReceiptNews> {
        let ledger = self.0.lock().unwrap();
        ledger.receipts.iter().map(|one| one.news.clone()).collect()
    }

    /// Whether a receipt with this key says that it was sent.
    pub fn is_sent(&self, delivery: DeliveryId) -> bool {
        self.news().iter().any(|news| match news {
            ReceiptNews::Status { level, key } => {
                *level >= ReceiptLevel::Sent
                    && *level != ReceiptLevel::Failed
                    && key.as_deref() == Some(delivery.to_string().as_str())
            }
            _ => false,
        })
    }

    fn accept(&self, inbound: Inbound) -> Delivered {
        let mut ledger = self.0.lock().unwrap();
        let event = EventId(Uuid::nil());
        let id = inbound.platform_id.as_ref().unwrap().as_str().to_owned();
        ledger.handed_in.push(inbound.clone());
        if !ledger.ids.insert(id) {
            return Delivered::Duplicate { event };
        }
        ledger.inbounds.push(inbound);
        Delivered::Accepted {
            event,
            conversation: ConversationId(Uuid::nil()),
            number: Number(1),
        }
    }
}

async fn accept(mut queue: zupa_core::intake::IntakeQueue, taken: Taken) {
    while let Some((batch, answer)) = queue.recv().await {
        let refusal = taken.0.lock().unwrap().refusals.pop();
        if let Some(kind) = refusal {
            let _ = answer.send(Err(Error::new(kind, "a store that cannot")));
            continue;
        }
        let inbounds = batch.inbounds.into_iter();
        let delivered = inbounds.map(|inbound| Ok(taken.accept(inbound))).collect();
        taken.0.lock().unwrap().receipts.extend(batch.receipts);
        let _ = answer.send(Ok(delivered));
    }
}

/// A running bridge.
pub struct Bridge {
    pub bridge: WwebjsBridge,
    pub taken: Taken,
    running: JoinHandle<()>,
    accepting: JoinHandle<()>,
}

impl Bridge {
    /// Waits until the phone is so.
    #[track_caller]
    pub fn until<'a>(
        &'a self,
        what: &'a str,
        is: impl FnMut(&Status) -> bool + 'a,
    ) -> impl Future<Output = Status> + 'a {
        let mut status = self.bridge.status();
        async move {
            let found = tokio::time::timeout(PATIENCE, status.wait_for(is)).await;
            match found {
                Ok(found) => found.unwrap().clone(),
                Err(_) => panic!("not {what}, but {:?}", self.bridge.status().borrow()),
            }
        }
    }

    pub async fn ready(&self) -> Status {
        self.until("ready", |status| status.state == State::Ready)
            .await
    }

    pub async fn send(
        &self,
        delivery: DeliveryId,
        attempt: u32,
        text: &str,
    ) -> Result<SendReceipt> {
        self.send_to(ANA, delivery, attempt, text).await
    }

    pub async fn send_to(
        &self,
        chat: &str,
        delivery: DeliveryId,
        attempt: u32,
        text: &str,
    ) -> Result<SendReceipt> {
        let content = Content::text(text);
        self.carry(chat, delivery, attempt, content).await
    }

    pub async fn carry(
        &self,
        chat: &str,
        delivery: DeliveryId,
        attempt: u32,
        content: Content,
    ) -> Result<SendReceipt> {
        let message = Outgoing {
            delivery,
            to: Address {
                tenant: TenantId::default_tenant(),
                channel: ChannelId::parse("phone").unwrap(),
                alias: Alias::parse(chat).unwrap(),
            },
            content,
            as_template: false,
            attempt,
            timeout: Duration::from_secs(3),
        };
        self.bridge.send(message).await
    }

    /// Ends it in order.
    pub async fn close(self) {
        self.bridge.close();
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap()
            .unwrap();
        self.accepting.await.unwrap();
    }

    /// Ends it as a kill of the process would.
    pub async fn kill(self) {
        self.abort();
        let _ = self.running.await;
    }

    /// Begins such an end.
    pub fn abort(&self) {
        self.running.abort();
        self.accepting.abort();
    }
}

pub fn delivery(number: u128) -> DeliveryId {
    DeliveryId {
        turn: TurnId(Uuid::from_u128(number)),
        ordinal: 0,
    }
}

/// Asks until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    let what = what.to_owned();
    async move {
        let asking = async {
            loop {
                if let Some(answer) = ask() {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .unwrap_or_else(|_| panic!("not in time: {what}"))
    }
}
