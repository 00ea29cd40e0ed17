//! Small fakes of what lies behind the routes, and one fixture that ties them
//! together.

mod desk;
mod keys;
mod webhook;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;
use zupa_core::bus::Subscription;
use zupa_core::standing::{State, Status};
use zupa_core::{
    Address, Alias, ChannelId, Clock, ConversationId, Delivered, Digest, EventBus, EventId, Hints,
    Ids, Inbound, Intake, Nudge, Number, Result, Standing, TenantId, Timestamp, TurnId, WaitId,
    Wakeup,
};
use zupa_http::{
    Breaker, Breakers, DEFAULT_PAYLOAD_BYTES, DevInfo, Idempotency, Metrics, Mode, Parts, Position,
    Rates, Readiness, WebChat, router,
};

pub use desk::FakeDesk;
pub use keys::FakeKeys;
pub use webhook::FakeWebhook;

pub const TOKEN: &str = "the-admin-token";

/// How long answers of acts are kept.
pub const KEPT: Duration = Duration::from_secs(3_600);

/// What the clock shows: a thousand seconds.
pub const NOW: Timestamp = Timestamp(1_000_000_000);

/// How long a review may be open.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(60);

/// An event id that every accepted message gets.
pub const EVENT: EventId = EventId(Uuid::from_u128(0xE));

pub fn turn(number: u128) -> TurnId {
    TurnId(Uuid::from_u128(number))
}

/// Remembers what it was told.
#[derive(Debug, Default)]
pub struct FakeWakeup(pub Mutex<Vec<Nudge>>);

#[async_trait]
impl Wakeup for FakeWakeup {
    fn wake(&self, nudge: Nudge) {
        self.0.lock().unwrap().push(nudge);
    }
    async fn woken(&self) -> Nudge {
        std::future::pending().await
    }
}

/// Its wall stands still, unless a test moves it; so does the rest.
#[derive(Debug, Default)]
pub struct FakeClock(Mutex<Duration>, Mutex<Duration>);

impl FakeClock {
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub fn advance_wall(&self, by: Duration) {
        *self.1.lock().unwrap() += by;
    }
}

impl Clock for FakeClock {
    fn wall(&self) -> Timestamp {
        NOW.plus(*self.1.lock().unwrap())
    }
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    fn boot(&self) -> Duration {
        self.monotonic()
    }
}

#[derive(Debug, Default)]
struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn fresh(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.random()))
    }
    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// The whole thing: two chats of two tenants, `main` first.
pub struct App {
    pub router: Router,
    pub bus: EventBus,
    /// What counts for `/metrics`.
    pub counting: Option<Subscription>,
    pub desk: Arc<FakeDesk>,
    pub clock: Arc<FakeClock>,
    pub wakeup: Arc<FakeWakeup>,
    pub hints: Hints,
    pub readiness: Readiness,
    /// How the channel `phone` stands.
    pub phone: watch::Sender<Status>,
    pub stop: CancellationToken,
    /// What reached the intake.
    pub seen: Arc<Mutex<Vec<Inbound>>>,
    /// Keys of acts; they fail when they are told to.
    pub keys: Arc<FakeKeys>,
    /// Acts so far.
    acts: AtomicU64,
}

pub fn dev() -> Mode {
    Mode::Dev(DevInfo {
        agent: "assistant".into(),
        model: "the built-in script".into(),
        scripted: true,
        hint: "set OPENAI_API_KEY".into(),
        store: ".zupa/zupa.db".into(),
    })
}

pub fn accepted(_: &Inbound) -> Result<Delivered> {
    Ok(Delivered::Accepted {
        event: EVENT,
        conversation: ConversationId(Uuid::from_u128(0xC)),
        number: Number(1),
    })
}

/// One breaker, which is turned as it is wished.
fn switches() -> Breakers {
    let open = Arc::new(Mutex::new(false));
    let is_open = open.clone();
    let list = move || {
        let state = if *is_open.lock().unwrap() {
            "open"
        } else {
            "closed"
        };
        vec![Breaker {
            name: "model/scripted".to_owned(),
            state: state.to_owned(),
            failure_percent: Some(50.0),
            recent_calls: 4,
            succeeded: 2,
            failed: 2,
            refused: 0,
            opened: 0,
            next_probe_in_seconds: None,
        }]
    };
    Breakers::new(list, move |name, position| {
        let known = name == "model/scripted";
        if known {
            *open.lock().unwrap() = position == Position::Open;
        }
        known
    })
}

impl App {
    /// In `dev`; every message is accepted.
    pub fn new() -> Self {
        Self::with(dev(), accepted)
    }

    pub fn with(mode: Mode, answer: fn(&Inbound) -> Result<Delivered>) -> Self {
        Self::within(mode, answer, Rates::default())
    }

    /// In `dev`, with limits of requests.
    pub fn limited(rates: Rates) -> Self {
        Self::within(dev(), accepted, rates)
    }

    fn within(mode: Mode, answer: fn(&Inbound) -> Result<Delivered>, rates: Rates) -> Self {
        let (intake, mut queue) = Intake::channel(8);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = seen.clone();
        tokio::spawn(async move {
            while let Some((batch, sender)) = queue.recv().await {
                let answers = batch.inbounds.iter().map(answer).collect();
                recorded.lock().unwrap().extend(batch.inbounds);
                let _ = sender.send(Ok(answers));
            }
        });
        Self::assembled(mode, intake, seen, rates)
    }

    /// With an intake whose queue the test holds.
    pub fn around(mode: Mode, intake: Intake, seen: Arc<Mutex<Vec<Inbound>>>) -> Self {
        Self::assembled(mode, intake, seen, Rates::default())
    }

    fn assembled(mode: Mode, intake: Intake, seen: Arc<Mutex<Vec<Inbound>>>, rates: Rates) -> Self {
        let desk = Arc::new(FakeDesk::default());
        let clock = Arc::new(FakeClock::default());
        let wakeup = Arc::new(FakeWakeup::default());
        let hints = Hints::default();
        let readiness = Readiness::default();
        readiness.ready();
        let stop = CancellationToken::new();
        let chat = |id: &str, tenant: &str| {
            WebChat::new(
                ChannelId::parse(id).unwrap(),
                TenantId::parse(tenant).unwrap(),
                hints.clone(),
            )
        };
        let tenant = TenantId::default_tenant();
        let phone = watch::Sender::new(Status {
            state: State::Degraded("not_started"),
            since: NOW,
            pairing: None,
            starts: 0,
        });
        let standings = vec![
            Standing::ready(
                ChannelId::parse("main").unwrap(),
                tenant.clone(),
                "web-chat",
                NOW,
            ),
            Standing {
                channel: ChannelId::parse("phone").unwrap(),
                tenant,
                kind: "wwebjs-bridge",
                status: phone.subscribe(),
            },
        ];
        let bus = EventBus::default();
        let keys = Arc::new(FakeKeys::default());
        let ids = Arc::new(CountingIds::default());
        let idempotency = Idempotency::new(keys.clone(), clock.clone(), ids.clone())
            .keep(KEPT)
            .bus(bus.clone());
        let (metrics, counting) = Metrics::of(&bus).unwrap();
        let router = router(Parts {
            intake,
            desk: desk.clone(),
            ids,
            clock: clock.clone(),
            wakeup: wakeup.clone(),
            config: Digest::of(b"the configuration"),
            chats: vec![chat("main", "default"), chat("second", "other")],
            webhooks: vec![Arc::new(FakeWebhook(ChannelId::parse("wa").unwrap()))],
            standings,
            mode,
            allowed_hosts: vec!["chat.example".into()],
            rates,
            payload_bytes: DEFAULT_PAYLOAD_BYTES,
            admin_token: TOKEN.to_owned().into(),
            idempotency,
            overdue_after: OVERDUE_AFTER,
            bus: bus.clone(),
            metrics,
            breakers: switches(),
            readiness: readiness.clone(),
            stop: stop.clone(),
        });
        Self {
            router,
            bus,
            counting: Some(counting),
            desk,
            clock,
            wakeup,
            hints,
            readiness,
            phone,
            stop,
            seen,
            keys,
            acts: AtomicU64::new(0),
        }
    }

    pub fn address(&self, conversation: &str) -> Address {
        Address {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("main").unwrap(),
            alias: Alias::parse(conversation).unwrap(),
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// Posts a body to the conversation `c`.
    pub async fn post(&self, body: impl Into<Body>) -> Answer {
        self.send(post("/chat/c/messages", body)).await
    }

    pub async fn operator(&self, path: &str) -> Answer {
        self.send(as_operator(get(path))).await
    }

    /// Decides as an operator.
    pub async fn decide(&self, id: WaitId, body: impl Into<Body>) -> Answer {
        let path = format!("/api/v1/reviews/{id}/decision");
        self.act(&path, body).await
    }

    /// Posts as an operator, under a key of its own.
    pub async fn act(&self, path: &str, body: impl Into<Body>) -> Answer {
        let number = self.acts.fetch_add(1, Ordering::SeqCst);
        let key = format!("key-of-characters-{number}");
        self.act_under(&key, path, body).await
    }

    pub async fn act_under(&self, key: &str, path: &str, body: impl Into<Body>) -> Answer {
        let mut request = as_operator(post(path, body));
        let key = key.parse().unwrap();
        request.headers_mut().insert("idempotency-key", key);
        self.send(request).await
    }

    pub async fn events(&self, request: Request<Body>) -> Events {
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            body: response.into_body(),
            buffer: String::new(),
        }
    }
}

pub fn as_operator(mut request: Request<Body>) -> Request<Body> {
    let token = format!("Bearer {TOKEN}").parse().unwrap();
    request.headers_mut().insert("authorization", token);
    request
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "localhost:7700")
        .body(Body::empty())
        .unwrap()
}

pub fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("host", "127.0.0.1:7700")
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
    pub text: String,
}

impl Answer {
    /// Checks that this is a problem document with every field, and returns
    /// its status and code.
    #[track_caller]
    pub fn problem(&self) -> (u16, &str) {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        let field = |name: &str| self.json[name].as_str().unwrap_or_default();
        for name in ["type", "title", "detail", "instance", "code", "request_id"] {
            assert!(!field(name).is_empty(), "{name} is missing: {}", self.text);
        }
        assert_eq!(field("error"), field("code"));
        assert_eq!(field("message"), field("detail"));
        assert_eq!(self.json["status"], self.status.as_u16());
        assert_eq!(self.headers["x-request-id"], field("request_id"));
        (self.status.as_u16(), self.json["code"].as_str().unwrap())
    }

    pub fn pointers(&self) -> Vec<&str> {
        self.json["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|fault| fault["pointer"].as_str().unwrap())
            .collect()
    }
}

/// One event of a stream.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

/// An open event stream.
pub struct Events {
    body: Body,
    buffer: String,
}

impl Events {
    /// The next event that carries data; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let event = parse(event);
                self.buffer = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let frame = self.body.frame().await?.unwrap();
            let data = frame.into_data().unwrap();
            self.buffer.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next event as a line: `3 message {"text":…}`.
    pub async fn line(&mut self) -> String {
        match self.next().await {
            Some(event) => format!(
                "{} {} {}",
                event.id.as_deref().unwrap_or("-"),
                event.name,
                event.data
            ),
            None => "end of stream".to_owned(),
        }
    }
}

fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim_start().to_owned())
    };
    Some(Event {
        data: serde_json::from_str(&field("data")?).unwrap(),
        name: field("event")?,
        id: field("id"),
    })
}
