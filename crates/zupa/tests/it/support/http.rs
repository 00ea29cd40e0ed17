//! One connection, one request at a time, byte for byte what the test wrote: a
//! library would mend the very mistakes that are tested.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than the server's own limit on answers.
const ANSWER: Duration = Duration::from_secs(40);

/// A connection that is kept alive.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address,
            stream: BufReader::new(stream),
        })
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.request("GET", path, headers, b"")
    }

    pub fn post_json(&mut self, path: &str, body: &[u8]) -> Result<Answer> {
        self.request("POST", path, &[("content-type", "application/json")], body)
    }

    /// Says something in a conversation.
    pub fn say(&mut self, conversation: &str, id: &str, text: &str) -> Result<Answer> {
        let path = format!("/chat/{conversation}/messages");
        let body = json!({ "id": id, "text": text }).to_string();
        self.post_json(&path, body.as_bytes())
    }

    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        // A name that a server knows whatever it listens on.
        let host = format!("localhost:{}", self.address.port());
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let (status, headers) = read_head(&mut self.stream)?;
        let length = header(&headers, "content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The word of a 202: accepted or duplicate.
    #[track_caller]
    pub fn taken(&self) -> String {
        assert_eq!(self.status, 202, "{}", self.text());
        self.json()["status"].as_str().unwrap().to_owned()
    }

    /// Status and code of a refusal, which has to be a whole problem document.
    #[track_caller]
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}: {}",
            self.status,
            self.text()
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        for key in ["type", "title", "detail", "instance", "request_id"] {
            assert!(problem[key].is_string(), "no {key} in {problem}");
        }
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }
}

pub type Headers = Vec<(String, String)>;

/// Reads a status line and headers.
pub fn read_head(stream: &mut impl BufRead) -> Result<(u16, Headers)> {
    let line = read_line(stream)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| Error::other(format!("no status in {line:?}")))?;
    Ok((status, read_headers(stream)?))
}

/// Reads headers up to the empty line, names in lower case.
pub fn read_headers(stream: &mut impl BufRead) -> Result<Headers> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| Error::other(format!("no header: {line:?}")))?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
}

/// Reads a line, without its end.
pub fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}
