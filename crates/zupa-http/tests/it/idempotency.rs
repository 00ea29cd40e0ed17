//! Acts of operators are done once for each key, and answered the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::routing::post as to;
use axum::{Extension, Router};
use futures_util::stream;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tower::ServiceExt;
use uuid::Uuid;
use zupa_core::desk::ConversationView;
use zupa_core::{Address, Alias, ChannelId, ConversationId, ErrorKind, TenantId};
use zupa_http::{Idempotency, Principal, idempotent};
use zupa_testkit::{SeqIds, TokioClock};

use crate::fakes::{App, FakeKeys, KEPT, NOW, as_operator, post};

const KEY: &str = "key-of-sixteen-characters";

fn path(number: u128, act: &str) -> String {
    format!("/api/v1/conversations/{}/{act}", Uuid::from_u128(number))
}

/// With two conversations that can be taken over.
fn app() -> App {
    let app = App::new();
    let view = |number| ConversationView {
        id: ConversationId(Uuid::from_u128(number)),
        address: Address {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("main").unwrap(),
            alias: Alias::parse("ana").unwrap(),
        },
        hold: None,
        pending: 0,
        open_turn: None,
        due_at: None,
        wake_at: None,
        opted_out: None,
        state: None,
    };
    let views = [1, 2].map(view);
    app.desk.conversations.lock().unwrap().extend(views);
    app
}

/// What the bus was told of keys so far; it stops.
async fn told(app: &App) -> Vec<String> {
    let mut feed = app.bus.feed("idempotency:*").unwrap();
    let driver = app.bus.driver(app.clock.clone()).unwrap();
    app.bus.stop();
    driver.run().await;
    let mut told = Vec::new();
    while let Some(event) = feed.next().await {
        let reason = event.payload.word("reason").map(|word| format!(" {word}"));
        told.push(format!("{}{}", event.name, reason.unwrap_or_default()));
    }
    told
}

fn acts(app: &App) -> usize {
    app.desk.acts.lock().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn an_act_that_is_sent_again_is_done_once_and_answered_byte_for_byte() {
    let app = app();
    let first = app
        .act_under(KEY, &path(1, "hold"), r#"{"by":"ana"}"#)
        .await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert_eq!(first.json["changed"], true);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    // Somebody hands it back meanwhile: acting anew would take it once more.
    app.act(&path(1, "release"), "{}").await;
    assert_eq!(acts(&app), 2);
    let again = app
        .act_under(KEY, &path(1, "hold"), r#"{"by":"ana"}"#)
        .await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.headers["content-type"], first.headers["content-type"]);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_ne!(again.headers["x-request-id"], first.headers["x-request-id"]);
    assert_eq!(acts(&app), 2);
    let told = told(&app).await;
    let expected = ["miss", "miss", "hit"].map(|name| format!("idempotency:{name}"));
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_request() {
    let app = app();
    let first = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(first.status, StatusCode::OK);
    for (number, body) in [(1, r#"{"by":"bob"}"#), (1, "{ }"), (2, "{}")] {
        let other = app.act_under(KEY, &path(number, "hold"), body).await;
        assert_eq!(other.problem(), (422, "idempotency_key_reused"), "{body}");
        assert_eq!(other.pointers(), ["/idempotency-key"]);
    }
    // Another operation has keys of its own.
    let other = app.act_under(KEY, &path(1, "release"), "{}").await;
    assert_eq!(other.status, StatusCode::OK, "{}", other.text);
    assert_eq!(acts(&app), 2);
    let reused = "idempotency:error other_request".to_owned();
    assert_eq!(
        told(&app).await[1..4],
        [reused.clone(), reused.clone(), reused]
    );
}

#[tokio::test(start_paused = true)]
async fn a_try_that_is_at_work_is_waited_for() {
    let app = app();
    app.desk.hangs.store(true, Ordering::SeqCst);
    let mut request = as_operator(post(&path(1, "hold"), "{}"));
    let key = KEY.parse().unwrap();
    request.headers_mut().insert("idempotency-key", key);
    let first = tokio::spawn(app.router.clone().oneshot(request));
    sleep(Duration::from_secs(1)).await;
    let early = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(early.problem(), (409, "idempotency_key_in_use"));
    assert_eq!(early.headers["retry-after"], "1");
    // The first is told to come again; its act is given up only later.
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE);
    let early = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(early.problem().0, 409);
    sleep(Duration::from_secs(31)).await;
    app.desk.hangs.store(false, Ordering::SeqCst);
    let late = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(late.json["changed"], true, "{}", late.text);
}

#[tokio::test(start_paused = true)]
async fn a_failure_leaves_the_key_free() {
    let app = app();
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    let failed = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(failed.problem(), (503, "unavailable"));
    *app.desk.fails.lock().unwrap() = None;
    app.desk.panics.store(true, Ordering::SeqCst);
    let failed = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(failed.problem(), (500, "internal"));
    app.desk.panics.store(false, Ordering::SeqCst);
    let refused = app.act_under(KEY, &path(1, "hold"), r#"{"x":1}"#).await;
    assert_eq!(refused.problem(), (400, "invalid_body"));
    let done = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(done.json["changed"], true, "{}", done.text);
    assert_eq!(acts(&app), 1);
}

#[tokio::test(start_paused = true)]
async fn without_its_keys_nothing_is_done_and_an_answer_that_is_not_kept_is_still_given() {
    let app = app();
    let unavailable = |call| Some((call, ErrorKind::Unavailable));
    *app.keys.fails.lock().unwrap() = unavailable("begin");
    let put_off = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(put_off.problem(), (503, "unavailable"));
    assert_eq!(acts(&app), 0);
    *app.keys.fails.lock().unwrap() = unavailable("keep");
    let done = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(done.json["changed"], true, "{}", done.text);
    let expected = ["error store", "miss", "error store"];
    let expected = expected.map(|name| format!("idempotency:{name}"));
    assert_eq!(told(&app).await, expected);
    *app.keys.fails.lock().unwrap() = None;
    let early = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(early.problem().0, 409, "until the lease is over");
    app.clock.advance_wall(Duration::from_secs(60));
    let late = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(late.json["changed"], false, "{}", late.text);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_time() {
    let app = app();
    app.act_under(KEY, &path(1, "hold"), "{}").await;
    app.clock.advance_wall(KEPT - Duration::from_secs(1));
    let again = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(again.json["changed"], true);
    app.clock.advance_wall(Duration::from_secs(1));
    let anew = app.act_under(KEY, &path(1, "hold"), "{}").await;
    assert_eq!(anew.json["changed"], false);
    assert!(!anew.headers.contains_key("idempotent-replayed"));
}

/// A route of somebody else's behind the layer, which waits for its permit.
struct Bank {
    router: Router,
    transfers: Arc<AtomicU64>,
    may: Arc<Semaphore>,
    keys: Arc<FakeKeys>,
    clerks: Clerks,
}

/// How many transfers are being made, and how many were at most.
#[derive(Debug, Clone, Default)]
struct Clerks(Arc<(AtomicU64, AtomicU64)>);

impl Clerks {
    fn most(&self) -> u64 {
        self.0.1.load(Ordering::SeqCst)
    }

    fn one_more(&self) -> Clerk {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Clerk(self.clone())
    }
}

struct Clerk(Clerks);

impl Drop for Clerk {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn transfer(
    State((transfers, may, clerks)): State<(Arc<AtomicU64>, Arc<Semaphore>, Clerks)>,
    Extension(who): Extension<Principal>,
    body: String,
) -> (StatusCode, Body) {
    let _clerk = clerks.one_more();
    may.acquire().await.unwrap().forget();
    let number = transfers.fetch_add(1, Ordering::SeqCst) + 1;
    let broken = || std::io::Error::other("the rest is lost");
    let answer = match &*body {
        "large" => Body::from(vec![b'x'; 5 * 1024 * 1024]),
        "broken" => Body::from_stream(stream::iter([Ok("a"), Err(broken())])),
        "endless" => Body::from_stream(stream::pending::<std::io::Result<&str>>()),
        _ => format!("{number}: {body} of {} for {}", who.name, who.tenant).into(),
    };
    (StatusCode::CREATED, answer)
}

/// Believes whoever says who they are.
async fn believe(mut request: Request, next: Next) -> axum::response::Response {
    let who = request.headers().get("who");
    if let Some((name, tenant)) = who.and_then(|who| who.to_str().ok()?.split_once('@')) {
        let (name, tenant) = (name.to_owned(), tenant.to_owned());
        request.extensions_mut().insert(Principal { name, tenant });
    }
    next.run(request).await
}

impl Bank {
    fn open(permits: usize) -> Self {
        let (transfers, may) = (Arc::default(), Arc::new(Semaphore::new(permits)));
        let (keys, clerks) = (Arc::new(FakeKeys::default()), Clerks::default());
        let layer = Idempotency::new(
            keys.clone(),
            Arc::new(TokioClock::at(NOW)),
            Arc::new(SeqIds::default()),
        );
        let router = Router::new()
            .route("/transfer", to(transfer).get(async || "safe"))
            .route_layer(from_fn_with_state(layer, idempotent))
            .route_layer(from_fn(believe))
            .with_state((Arc::clone(&transfers), may.clone(), clerks.clone()));
        Self {
            router,
            transfers,
            may,
            keys,
            clerks,
        }
    }

    async fn send(&self, who: &str, key: &str, body: &str) -> (StatusCode, String) {
        let mut request = post("/transfer", body.to_owned());
        for (name, value) in [("who", who), ("idempotency-key", key)] {
            if !value.is_empty() {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }
}

async fn read(response: axum::response::Response) -> (StatusCode, String) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_layer_stands_on_its_own() {
    let bank = Bank::open(10);
    let (status, first) = bank.send("ana@one", KEY, "ten").await;
    assert_eq!(
        (status, first.as_str()),
        (StatusCode::CREATED, "1: ten of ana for one")
    );
    let (status, again) = bank.send("ana@one", KEY, "ten").await;
    assert_eq!((status, again), (StatusCode::CREATED, first));
    let (_, other) = bank.send("bob@one", KEY, "ten").await;
    assert_eq!(other, "2: ten of bob for one");
    let (_, other) = bank.send("ana@two", KEY, "ten").await;
    assert_eq!(other, "3: ten of ana for two");
    for (who, key, body, expected) in [
        ("", KEY, "ten", (401, "unauthorized")),
        ("ana@one", "", "ten", (400, "missing_idempotency_key")),
        ("ana@one", "short", "ten", (400, "invalid_idempotency_key")),
        ("ana@one", KEY, "eleven", (422, "idempotency_key_reused")),
    ] {
        let (status, document) = bank.send(who, key, body).await;
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        let code = document["code"].as_str().unwrap();
        assert_eq!((status.as_u16(), code), expected);
        assert_eq!(document["instance"], "/transfer");
    }
    assert_eq!(bank.transfers.load(Ordering::SeqCst), 3);
    let safe = Request::get("/transfer").body(Body::empty()).unwrap();
    let (status, said) = read(bank.router.clone().oneshot(safe).await.unwrap()).await;
    assert_eq!((status, said.as_str()), (StatusCode::OK, "safe"));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_finds_the_answer_when_it_comes_back() {
    let bank = Bank::open(0);
    tokio::select! {
        answered = bank.send("ana@one", KEY, "ten") => panic!("was {answered:?}"),
        () = sleep(Duration::from_millis(1)) => {}
    }
    bank.may.add_permits(1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(bank.transfers.load(Ordering::SeqCst), 1);
    let (status, said) = bank.send("ana@one", KEY, "ten").await;
    assert_eq!(
        (status, said.as_str()),
        (StatusCode::CREATED, "1: ten of ana for one")
    );
}

#[tokio::test(start_paused = true)]
async fn an_act_that_went_well_is_done_whatever_becomes_of_its_body() {
    let bank = Bank::open(10);
    for (number, body) in ["large", "broken", "endless"].into_iter().enumerate() {
        let key = format!("{KEY}-{body}");
        for _ in 0..2 {
            let (status, said) = bank.send("ana@one", &key, body).await;
            assert_eq!(
                (status, said.as_str()),
                (StatusCode::CREATED, ""),
                "{body}: all that is left of it"
            );
        }
        assert_eq!(bank.transfers.load(Ordering::SeqCst), number as u64 + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_has_ended_before_its_lease_does() {
    let bank = Bank::open(0);
    *bank.keys.slow.lock().unwrap() = Duration::from_secs(4);
    let first = bank.send("ana@one", KEY, "ten");
    let others = async {
        let mut given_up = 0;
        for _ in 0..80 {
            sleep(Duration::from_secs(1)).await;
            let send = bank.send("ana@one", KEY, "ten");
            let tried = tokio::time::timeout(Duration::from_millis(1), send).await;
            given_up += u32::from(tried.is_err());
        }
        given_up
    };
    let ((status, _), given_up) = tokio::join!(first, others);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((bank.clerks.most(), given_up), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_nobody_has_heard_of_leaves_the_key_free() {
    let bank = Bank::open(10);
    *bank.keys.slow.lock().unwrap() = Duration::from_secs(10);
    let (status, _) = bank.send("ana@one", KEY, "ten").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    sleep(Duration::from_millis(1)).await;
    let (status, said) = bank.send("ana@one", KEY, "ten").await;
    assert_eq!(
        (status, said.as_str()),
        (StatusCode::CREATED, "1: ten of ana for one")
    );
}
