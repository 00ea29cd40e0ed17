//! The way of webhooks: what is due is gathered, signed and posted, and posted again with
//! growing pauses until it is answered 200.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Event;
use super::body::envelope;
use super::sign::{escaped, signature};
use crate::dice::{comes_up, dice, up_to};
use crate::shared::Shared;

pub(crate) type Client = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

/// A second copy comes up to this long after the first was answered.
const COPY_AFTER: Duration = Duration::from_millis(300);

pub(crate) fn client() -> Client {
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    // Each request is counted.
    builder.retry_canceled_requests(false);
    builder.build_http()
}

/// Posts what comes in, to the end of the simulator.
pub(crate) async fn keep_posting(
    shared: Arc<Shared>,
    number: usize,
    mut due: mpsc::UnboundedReceiver<Event>,
) {
    let posting = shared.posting;
    let permits = Arc::new(Semaphore::new(posting.at_once.max(1)));
    while let Some(first) = due.recv().await {
        let mut batch = vec![first];
        let until = Instant::now() + posting.gather;
        while batch.len() < posting.batch {
            let next = match posting.gather.is_zero() {
                true => due.try_recv().ok(),
                false => timeout_at(until, due.recv()).await.ok().flatten(),
            };
            let Some(next) = next else { break };
            batch.push(next);
        }
        let post = deliver(shared.clone(), number, batch, permits.clone());
        shared.spawn(post);
    }
}

/// One request until it is answered 200, and sometimes once more.
async fn deliver(shared: Arc<Shared>, number: usize, batch: Vec<Event>, permits: Arc<Semaphore>) {
    let request = {
        let world = shared.world();
        let number = &world.lines[number].number;
        let body = escaped(&envelope(number, &batch));
        Signed {
            signature: signature(&number.app_secret, &body),
            body: body.into(),
        }
    };
    let what: Vec<String> = batch.iter().map(Event::name).collect();
    let mut pause = shared.posting.back_off;
    loop {
        let to = shared.webhook(number).await;
        let Ok(permit) = permits.acquire().await else {
            return;
        };
        if post(&shared, &to, &request).await {
            break;
        }
        drop(permit);
        sleep(pause).await;
        pause = (pause * 2).min(shared.posting.longest_back_off);
    }
    shared.acknowledged(number, batch);
    let (duplicates, seed) = {
        let world = shared.world();
        (world.faults.duplicates, world.seed)
    };
    let events = what.len();
    let mut dice = dice(seed, ("copy", what));
    if comes_up(&mut dice, duplicates) {
        sleep(up_to(&mut dice, COPY_AFTER)).await;
        let to = shared.webhook(number).await;
        if let Ok(_permit) = permits.acquire().await
            && post(&shared, &to, &request).await
        {
            shared.world().record.posted.duplicates += 1;
        }
    }
    shared.done(events);
}

struct Signed {
    body: Bytes,
    signature: String,
}

/// One request. Whether it was answered 200, which is counted.
async fn post(shared: &Shared, to: &str, signed: &Signed) -> bool {
    let request = Request::builder()
        .method(Method::POST)
        .uri(to)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "facebookexternalua")
        .header("x-hub-signature-256", &signed.signature)
        .body(Full::new(signed.body.clone()));
    let began = Instant::now();
    let asked = async {
        let answer = shared.client.request(request.ok()?).await.ok()?;
        let status = answer.status().as_u16();
        // Read to its end, so that the connection can be used again.
        answer.into_body().collect().await.ok()?;
        Some(status)
    };
    let status = timeout(shared.posting.timeout, asked).await.ok().flatten();
    let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    {
        let posted = &mut shared.world().record.posted;
        match status {
            Some(200) => {
                posted.acknowledged += 1;
                posted.took.push(took);
            }
            status => *posted.refused.entry(status.unwrap_or(0)).or_default() += 1,
        }
    }
    shared.change();
    status == Some(200)
}

/// Asks a webhook whether it is the place. Whether it was, by Meta's rules: 200 and the bare
/// challenge.
pub(crate) async fn handshake(client: &Client, to: &str, token: &str) -> bool {
    const CHALLENGE: &str = "1158201444";
    let address = format!(
        "{to}?hub.mode=subscribe&hub.verify_token={}&hub.challenge={CHALLENGE}",
        in_query(token)
    );
    let Ok(request) = Request::get(address).body(Full::default()) else {
        return false;
    };
    let Ok(answer) = client.request(request).await else {
        return false;
    };
    let is_good = answer.status().as_u16() == 200;
    let body = answer.into_body().collect().await;
    is_good && body.is_ok_and(|body| body.to_bytes() == CHALLENGE)
}

/// Percent-encodes everything but letters and digits.
fn in_query(text: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
