//! Load that waits for nobody: each message has its moment, whatever became of those
//! before, and its wait counts from then on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::follow::answered;

/// Connections that are kept: enough that no message waits for one here.
const CONNECTIONS: usize = 128;
/// After so long an answer is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Accepted,
    /// 429 or 503, with a time to come back.
    Refused,
    /// Anything else, for the report.
    Other(String),
}

/// One message that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub told: Told,
    /// Until it was told.
    pub took: Duration,
    /// Until the person had the answer, if that was followed; none for never.
    pub answer: Option<Option<Duration>>,
}

impl Sent {
    pub fn was_refused(&self) -> bool {
        self.told == Told::Refused
    }
}

/// A message to send.
struct Message {
    at: Instant,
    who: String,
    number: usize,
    follow: bool,
}

/// Load on one door, and what became of all of it.
#[derive(Debug)]
pub struct Load {
    door: SocketAddr,
    /// Everybody writes once, so nobody has two names.
    people: usize,
    accepted: u64,
    other: Vec<String>,
    unanswered: usize,
}

impl Load {
    pub fn new(door: SocketAddr) -> Self {
        Self {
            door,
            people: 0,
            accepted: 0,
            other: Vec::new(),
            unanswered: 0,
        }
    }

    /// Sends so many messages a second, a new person each, and follows every so many of
    /// the accepted to its answer.
    pub async fn put(&mut self, rate: f64, seconds: u64, follow: usize) -> Vec<Sent> {
        let first = self.people;
        let count = count(rate, seconds);
        self.people += count;
        let people = (first..first + count).map(|number| format!("p{number}"));
        let sent = put(self.door, rate, people.collect(), follow).await;
        self.note(&sent);
        sent
    }

    /// The same from one person, beside whatever else is put on meanwhile.
    pub fn beside(&self, who: &str, rate: f64, seconds: u64) -> JoinHandle<Vec<Sent>> {
        let people = vec![who.to_owned(); count(rate, seconds)];
        tokio::spawn(put(self.door, rate, people, usize::MAX))
    }

    /// Waits for what was put on beside.
    pub async fn join(&mut self, beside: JoinHandle<Vec<Sent>>) {
        match beside.await {
            Ok(sent) => self.note(&sent),
            Err(error) => self.other.push(error.to_string()),
        }
    }

    fn note(&mut self, sent: &[Sent]) {
        for one in sent {
            match &one.told {
                Told::Accepted => self.accepted += 1,
                Told::Refused => {}
                Told::Other(what) => self.other.push(what.clone()),
            }
            self.unanswered += usize::from(one.answer == Some(None));
        }
    }

    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// What may not have happened.
    pub fn violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        if let Some(first) = self.other.first() {
            let count = self.other.len();
            violations.push(format!("{count} messages had no word of refusal: {first}"));
        }
        if self.unanswered > 0 {
            let count = self.unanswered;
            violations.push(format!(
                "{count} followed messages were accepted and not answered"
            ));
        }
        violations
    }
}

fn count(rate: f64, seconds: u64) -> usize {
    (rate * seconds as f64).round() as usize
}

async fn put(door: SocketAddr, rate: f64, people: Vec<String>, follow: usize) -> Vec<Sent> {
    let (jobs, queue) = mpsc::unbounded_channel();
    let queue = Arc::new(Mutex::new(queue));
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        workers.spawn(work(door, queue.clone()));
    }
    let start = Instant::now();
    for (number, who) in people.into_iter().enumerate() {
        let at = start + Duration::from_secs_f64(number as f64 / rate);
        sleep_until(at).await;
        let follow = number % follow == 0;
        let _ = jobs.send(Message {
            at,
            who,
            number,
            follow,
        });
    }
    drop(jobs);
    workers.join_all().await.into_iter().flatten().collect()
}

/// One connection, until there is nothing more to send; then the answers are waited for.
async fn work(door: SocketAddr, queue: Arc<Mutex<mpsc::UnboundedReceiver<Message>>>) -> Vec<Sent> {
    let (mut connection, mut sent, mut following) = (None, Vec::new(), JoinSet::new());
    loop {
        let Some(message) = queue.lock().await.recv().await else {
            break;
        };
        let told = match timeout(PATIENCE, post(door, &mut connection, &message)).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => Told::Other(format!("{error:#}")),
            Err(_elapsed) => Told::Other("no answer".to_owned()),
        };
        if matches!(told, Told::Other(_)) {
            connection = None;
        }
        let one = Sent {
            took: message.at.elapsed(),
            answer: None,
            told,
        };
        if message.follow && one.told == Told::Accepted {
            following.spawn(async move {
                let answer = answered(door, &message.who, message.at).await;
                Sent {
                    answer: Some(answer),
                    ..one
                }
            });
        } else {
            sent.push(one);
        }
    }
    sent.extend(following.join_all().await);
    sent
}

type Connection = Option<SendRequest<Full<Bytes>>>;

async fn post(
    door: SocketAddr,
    connection: &mut Connection,
    message: &Message,
) -> anyhow::Result<Told> {
    let sender = match connection {
        Some(sender) if !sender.is_closed() => sender,
        _ => connection.insert(connect(door).await?),
    };
    sender.ready().await?;
    // No two alike: a person who says the same again and again is a loop.
    let text = format!(r#"{{"text":"hello {}"}}"#, message.number);
    let request = Request::post(format!("/chat/{}/messages", message.who))
        .header(header::HOST, door.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(text))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let comes_back = response.headers().contains_key(header::RETRY_AFTER);
    let body = response.into_body().collect().await?.to_bytes();
    Ok(match status {
        StatusCode::ACCEPTED => Told::Accepted,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE if comes_back => {
            Told::Refused
        }
        _ => return Err(anyhow!("{status} {}", String::from_utf8_lossy(&body))),
    })
}

async fn connect(door: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(door).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with its sender.
    tokio::spawn(connection);
    Ok(sender)
}
