//! The other side: a webhook that answers as it is told, and sends by hand.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use zupa_whatsapp_sim::{Number, Options, Simulator};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("soon")
}

/// A webhook, and what was posted to it.
#[derive(Debug, Clone)]
pub struct Business {
    pub webhook: String,
    posts: Arc<watch::Sender<Vec<Post>>>,
    /// Statuses of the next answers; 200 after them.
    answers: Arc<Mutex<VecDeque<u16>>>,
}

#[derive(Debug, Clone)]
pub struct Post {
    pub bytes: Vec<u8>,
    pub signature: String,
    pub json: Value,
}

impl Post {
    /// All messages and statuses, in their order.
    pub fn items(&self) -> Vec<Value> {
        let list = |value: &Value, name: &str| {
            let items = value.get(name).and_then(Value::as_array);
            items.cloned().unwrap_or_default()
        };
        let entries = list(&self.json, "entry");
        let changes = entries.iter().flat_map(|entry| list(entry, "changes"));
        changes
            .flat_map(|change| {
                let value = &change["value"];
                [list(value, "messages"), list(value, "statuses")].concat()
            })
            .collect()
    }
}

impl Business {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let business = Self {
            webhook: format!("http://{address}/webhooks/wa"),
            posts: Arc::new(watch::channel(Vec::new()).0),
            answers: Arc::default(),
        };
        let serving = business.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let serving = serving.clone();
                let service = service_fn(move |request| take(serving.clone(), request));
                let io = TokioIo::new(stream);
                tokio::spawn(http1::Builder::new().serve_connection(io, service));
            }
        });
        business
    }

    pub fn answers(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    pub fn posts(&self) -> Vec<Post> {
        self.posts.borrow().clone()
    }

    /// Waits for so many requests.
    pub async fn posted(&self, count: usize) -> Vec<Post> {
        let mut posts = self.posts.subscribe();
        let enough = posts.wait_for(|posts| posts.len() >= count);
        soon(enough).await.unwrap().clone()
    }

    /// Waits for so many messages and statuses.
    pub async fn told(&self, count: usize) -> Vec<Value> {
        let all =
            |posts: &Vec<Post>| -> Vec<Value> { posts.iter().flat_map(Post::items).collect() };
        let mut posts = self.posts.subscribe();
        let enough = posts.wait_for(|posts| all(posts).len() >= count);
        all(&soon(enough).await.unwrap())
    }
}

async fn take(
    business: Business,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    if request.method() == "GET" {
        let is_right = query.contains("hub.verify_token=the%2Dtoken%2Dof%2Dthe%2Dhandshake&");
        let challenge = query.rsplit_once("hub.challenge=").unwrap().1.to_owned();
        let status = if is_right { 200 } else { 403 };
        return Ok(answer(status, challenge));
    }
    let signature = request.headers()["x-hub-signature-256"].to_str().unwrap();
    let signature = signature.to_owned();
    let bytes = request.into_body().collect().await.unwrap().to_bytes();
    let post = Post {
        json: serde_json::from_slice(&bytes).unwrap(),
        bytes: bytes.to_vec(),
        signature,
    };
    let status = business.answers.lock().unwrap().pop_front();
    business.posts.send_modify(|posts| posts.push(post));
    Ok(answer(status.unwrap_or(200), String::new()))
}

fn answer(status: u16, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    response.body(Full::from(body)).unwrap()
}

/// A simulator whose webhooks go to a business.
pub async fn start(options: Options) -> (Simulator, Business) {
    let business = Business::start().await;
    let simulator = Simulator::start(options).await.unwrap();
    simulator.post_to(&business.webhook);
    (simulator, business)
}

/// An answer of the Graph API, or nothing when it hung up.
pub type Heard = Option<(u16, Value)>;

pub async fn request(
    simulator: &Simulator,
    method: &str,
    path: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Option<(u16, Bytes)> {
    let address = match path.strip_prefix("http://") {
        Some(_) => path.to_owned(),
        None => format!("{}/{path}", simulator.graph_url()),
    };
    request_as(
        &Number::default().access_token,
        method,
        &address,
        content_type,
        body,
    )
    .await
}

pub async fn request_as(
    token: &str,
    method: &str,
    address: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Option<(u16, Bytes)> {
    let request = Request::builder()
        .method(method)
        .uri(address)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", content_type)
        .body(Full::<Bytes>::from(body))
        .unwrap();
    // A new connection each time: one that ends is told from one that ended before.
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = soon(client.request(request)).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some((status, body))
}

/// Sends a message; what is missing of it is added.
pub async fn send(simulator: &Simulator, mut message: Value) -> Heard {
    message["messaging_product"] = "whatsapp".into();
    let path = format!("{}/messages", Number::default().phone_number_id);
    let body = message.to_string().into_bytes();
    let (status, body) = request(simulator, "POST", &path, "application/json", body).await?;
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}

pub async fn send_text(simulator: &Simulator, to: &str, text: &str, key: &str) -> Heard {
    let message = json!({
        "to": to, "type": "text", "text": { "body": text },
        "biz_opaque_callback_data": key,
    });
    send(simulator, message).await
}

/// The code of a refusal.
pub fn code(heard: &Heard) -> i64 {
    let (_, body) = heard.as_ref().unwrap();
    body.pointer("/error/code")
        .and_then(Value::as_i64)
        .unwrap_or(0)
}
