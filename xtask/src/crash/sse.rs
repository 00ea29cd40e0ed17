//! A reader of server-sent events: bytes in, whole events out, however the
//! stream was cut into pieces.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Absent on hints, which are lossy and prove nothing.
    pub id: Option<String>,
    pub name: String,
    pub data: String,
}

#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    id: Option<String>,
    name: Option<String>,
    data: Vec<String>,
}

impl Parser {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            events.extend(self.line(line.trim_end_matches('\r')));
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "id" => self.id = Some(value),
            "event" => self.name = Some(value),
            "data" => self.data.push(value),
            // An empty field is a comment; `retry` is for browsers.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let id = self.id.take();
        let name = self.name.take().unwrap_or_else(|| "message".to_owned());
        let data = std::mem::take(&mut self.data);
        (!data.is_empty()).then(|| Event {
            id,
            name,
            data: data.join("\n"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nevent: message\nid: 4\ndata: {\"a\":1}\n\nevent: typing\r\ndata: {}\r\n\r\nid: 5\ndata: one\ndata:two\n\n";

    fn expected() -> Vec<Event> {
        let event = |id: Option<&str>, name: &str, data: &str| Event {
            id: id.map(str::to_owned),
            name: name.to_owned(),
            data: data.to_owned(),
        };
        vec![
            event(Some("4"), "message", "{\"a\":1}"),
            event(None, "typing", "{}"),
            event(Some("5"), "message", "one\ntwo"),
        ]
    }

    #[test]
    fn a_stream_is_read_whole() {
        assert_eq!(Parser::default().push(STREAM.as_bytes()), expected());
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        for cut in 0..STREAM.len() {
            let mut parser = Parser::default();
            let mut events = parser.push(&STREAM.as_bytes()[..cut]);
            events.extend(parser.push(&STREAM.as_bytes()[cut..]));
            assert_eq!(events, expected(), "cut at {cut}");
        }
    }

    #[test]
    fn an_unfinished_event_is_not_an_event() {
        assert!(Parser::default().push(b"id: 4\ndata: half").is_empty());
    }
}
