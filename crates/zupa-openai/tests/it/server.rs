//! A server that plays a script: it can split, stall, cut and misbehave in ways
//! that no HTTP library would let it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One step of a script. The connection closes after the last.
#[derive(Debug, Clone)]
pub enum Step {
    /// These bytes, in one write.
    Send(Vec<u8>),
    /// The server takes its time.
    Pause(Duration),
    /// Nothing more, until the client hangs up.
    Stall,
    /// The script anew, for the next request on this connection.
    Again,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The same, if it is JSON.
    pub body: Value,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

#[derive(Debug, Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    arrived: Notify,
    hung_up: Notify,
}

/// Plays its script to everyone who connects, and remembers who came.
#[derive(Debug)]
pub struct Server {
    pub base_url: String,
    state: Arc<State>,
}

impl Server {
    pub async fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(play(socket, script.clone(), shared.clone()));
            }
        });
        Self { base_url, state }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Resolves when a request has arrived.
    pub async fn arrival(&self) {
        within_seconds(self.state.arrived.notified()).await;
    }

    /// Resolves when a client has left a stalled connection.
    pub async fn hang_up(&self) {
        within_seconds(self.state.hung_up.notified()).await;
    }
}

async fn within_seconds(what: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(5), what)
        .await
        .expect("it should have happened by now");
}

async fn play(mut socket: TcpStream, script: Vec<Step>, state: Arc<State>) {
    while let Some(seen) = read_request(&mut socket).await {
        state.seen.lock().unwrap().push(seen);
        state.arrived.notify_one();
        if act(&mut socket, &script, &state).await.is_none() {
            return;
        }
    }
}

/// `Some` if the connection is to be kept.
async fn act(socket: &mut TcpStream, script: &[Step], state: &State) -> Option<()> {
    for step in script {
        match step {
            Step::Send(bytes) => socket.write_all(bytes).await.ok()?,
            Step::Pause(time) => tokio::time::sleep(*time).await,
            Step::Stall => {
                // Nothing more is expected: the end, or a reset, is the client's.
                let _ = socket.read(&mut [0; 64]).await;
                state.hung_up.notify_one();
                return None;
            }
            Step::Again => return Some(()),
        }
    }
    None
}

async fn read_request(socket: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let seen = Seen {
                head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
                bytes: Vec::new(),
                body: Value::Null,
            };
            let length: usize = seen.header("content-length")?.parse().unwrap();
            let mut body = bytes[end + 4..].to_vec();
            while body.len() < length {
                socket.read_buf(&mut body).await.ok()?;
            }
            return Some(Seen {
                body: serde_json::from_slice(&body).unwrap_or_default(),
                bytes: body,
                ..seen
            });
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
