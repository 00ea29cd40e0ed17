//! Meta, as a number meets it: what it posts, signed, and a Graph API that takes sends and
//! remembers them.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::{self, Answer};
use super::{Server, Start, eventually};

const NUMBER: &str = "100000000000001";
const APP_SECRET: &str = "the-secret-of-the-app";
const TOKEN: &str = "the-token-that-sends";
pub const VERIFY: &str = "the-token-of-the-handshake";

/// What the Graph API does with a send.
#[derive(Debug, Clone, Copy)]
pub enum Line {
    /// Takes it and says so.
    Good,
    /// Takes it and hangs up.
    LosesAnswers,
}

/// Meta's side.
#[derive(Debug)]
pub struct Meta {
    graph_url: String,
    sent: Arc<Mutex<Vec<Value>>>,
    signs: Arc<Mutex<Vec<Value>>>,
}

impl Meta {
    pub fn start(line: Line) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let graph_url = format!("http://{}/v23.0", listener.local_addr().unwrap());
        let sent = Arc::<Mutex<Vec<Value>>>::default();
        let signs = Arc::<Mutex<Vec<Value>>>::default();
        let (taken, shown) = (sent.clone(), signs.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up is a client that hung up.
                drop(take(stream, line, &taken, &shown));
            }
        });
        Self {
            graph_url,
            sent,
            signs,
        }
    }

    /// The configuration of its number.
    pub fn channel(&self) -> String {
        format!(
            "[[channel]]\nid = \"wa\"\nkind = \"whatsapp-cloud\"\nphone_number_id = \"{NUMBER}\"\n\
             graph_url = \"{}\"\naccess_token = \"env:WA_TOKEN\"\n\
             app_secrets = [\"env:WA_SECRET\"]\nverify_token = \"env:WA_VERIFY\"\n",
            self.graph_url
        )
    }

    /// Gives a server the secrets.
    pub fn known_to(start: Start<'_>) -> Start<'_> {
        start
            .variable("WA_TOKEN", TOKEN)
            .variable("WA_SECRET", APP_SECRET)
            .variable("WA_VERIFY", VERIFY)
    }

    /// What was sent so far.
    pub fn sent(&self) -> Vec<Value> {
        self.sent.lock().unwrap().clone()
    }

    /// Messages of people that typing was shown for, and that were marked as read.
    pub fn signs(&self) -> Vec<Value> {
        self.signs.lock().unwrap().clone()
    }

    /// Waits for the first send.
    #[track_caller]
    pub fn first_sent(&self) -> Value {
        eventually("something is sent", || self.sent().into_iter().next())
    }

    /// What is posted when a person has written.
    pub fn said(id: &str, text: &str) -> Vec<u8> {
        posted(json!({ "messages": [{
            "id": id, "from": "15550001111", "timestamp": now(), "type": "text",
            "text": { "body": text },
        }] }))
    }

    /// What is posted of a message that carries this key.
    pub fn status(key: &Value, status: &str) -> Vec<u8> {
        posted(json!({ "statuses": [{
            "id": "wamid.ours", "status": status, "timestamp": now(),
            "recipient_id": "15550001111", "biz_opaque_callback_data": key,
        }] }))
    }

    /// Posts with a good signature.
    #[track_caller]
    pub fn post(server: &Server, body: &[u8]) -> Answer {
        let signature = format!("sha256={}", hmac(APP_SECRET.as_bytes(), body));
        Self::post_signed(server, body, &signature)
    }

    #[track_caller]
    pub fn post_signed(server: &Server, body: &[u8], signature: &str) -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("x-hub-signature-256", signature),
        ];
        let mut connection = server.connect();
        connection
            .request("POST", "/webhooks/wa", &headers, body)
            .unwrap()
    }
}

fn posted(mut value: Value) -> Vec<u8> {
    value["metadata"] = json!({ "phone_number_id": NUMBER });
    let change = json!({ "field": "messages", "value": value });
    let entry = json!({ "id": "1", "changes": [change] });
    json!({ "object": "whatsapp_business_account", "entry": [entry] })
        .to_string()
        .into_bytes()
}

fn now() -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().to_string()
}

/// RFC 2104 over SHA-256, for keys of up to 64 bytes, apart from what is tested.
fn hmac(key: &[u8], text: &[u8]) -> String {
    let pad = |with: u8| {
        let mut pad = [with; 64];
        pad.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
        pad
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text);
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner.finalize());
    hex::encode(outer.finalize())
}

fn take(
    stream: TcpStream,
    line: Line,
    sent: &Mutex<Vec<Value>>,
    signs: &Mutex<Vec<Value>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let asked = http::read_line(&mut stream)?;
    let headers = http::read_headers(&mut stream)?;
    let find = |name: &str| headers.iter().find(|(key, _)| key == name);
    let length = find("content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let is_ours = asked.starts_with(&format!("POST /v23.0/{NUMBER}/messages "))
        && find("authorization").is_some_and(|(_, value)| *value == format!("Bearer {TOKEN}"));
    let (status, answer) = match is_ours {
        true => ("200 OK", json!({ "messages": [{ "id": "wamid.ours" }] })),
        false => ("401 No", json!({ "error": { "code": 190 } })),
    };
    if is_ours {
        let asked: Value = serde_json::from_slice(&body)?;
        match asked.get("status") {
            Some(_) => signs.lock().unwrap().push(asked),
            None => sent.lock().unwrap().push(asked),
        }
    }
    if matches!(line, Line::LosesAnswers) {
        return Ok(());
    }
    let answer = answer.to_string();
    write!(
        stream.get_mut(),
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{answer}",
        answer.len()
    )
}
