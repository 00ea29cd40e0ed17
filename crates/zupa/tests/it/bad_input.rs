//! Bad input over the wire: a clear answer, and nothing counted or kept.

use serde_json::json;

use crate::support::home::{ECHO, Home};
use crate::support::{Connection, Server};

const MESSAGES: &str = "/chat/c/messages";

/// Posts each body to a path; all are refused in the same way, and the
/// accounting does not move.
#[track_caller]
fn refused(path: &str, bodies: &[&[u8]], expected: (u16, &str)) {
    let server = server();
    let before = server.accounting();
    for body in bodies {
        let answer = server.connect().post_json(path, body).unwrap();
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let (status, code) = answer.problem();
        assert_eq!((status, code.as_str()), expected, "{shown}");
    }
    assert_eq!(server.accounting(), before);
    still_works(&server);
}

/// A server and the folder it works in, which must outlive it.
struct Served {
    server: Server,
    _home: Home,
}

impl std::ops::Deref for Served {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

fn server() -> Served {
    let home = Home::scripted(ECHO);
    Served {
        server: home.serve().ready(),
        _home: home,
    }
}

/// Nothing of what was refused lies in the way of what is good.
#[track_caller]
fn still_works(server: &Server) {
    assert_eq!(server.say("c", "good", "hi").taken(), "accepted");
    server.feed("c").until_said("echo of hi");
    server.all_answered(1);
}

fn body(id: &str, text: &str) -> Vec<u8> {
    json!({ "id": id, "text": text }).to_string().into_bytes()
}

#[test]
fn malformed_json_is_refused() {
    refused(
        MESSAGES,
        &[
            b"",
            b"{",
            br#"{"text":"a""#,
            b"nonsense",
            br#"{"text":"a"} x"#,
        ],
        (400, "malformed_json"),
    );
}

#[test]
fn lone_surrogates_are_refused() {
    refused(
        MESSAGES,
        &[
            br#"{"text":"\ud800"}"#,
            br#"{"text":"a \udc00"}"#,
            br#"{"id":"\ud83d","text":"a"}"#,
        ],
        (400, "malformed_json"),
    );
}

#[test]
fn invalid_utf_8_is_refused() {
    refused(
        MESSAGES,
        &[b"{\"text\":\"\xff\xfe\"}", b"{\"text\":\"\xc3\"}"],
        (400, "invalid_encoding"),
    );
}

#[test]
fn unknown_fields_are_refused() {
    refused(
        MESSAGES,
        &[
            br#"{"text":"a","txt":"b"}"#,
            br#"{"text":"a","tenant":"other"}"#,
        ],
        (400, "invalid_body"),
    );
}

#[test]
fn empty_texts_are_refused() {
    refused(
        MESSAGES,
        &[&body("a", ""), &body("a", " \n "), &body("a", "\u{3000}")],
        (422, "invalid_message"),
    );
}

#[test]
fn empty_and_endless_ids_are_refused() {
    refused(
        MESSAGES,
        &[
            &body("", "a"),
            &body(" ", "a"),
            &body(&"x".repeat(300), "a"),
            &body("a\nb", "a"),
        ],
        (422, "invalid_message"),
    );
}

#[test]
fn empty_and_endless_conversations_are_refused() {
    for conversation in ["", "%20", &"x".repeat(300)] {
        let path = format!("/chat/{conversation}/messages");
        refused(&path, &[&body("a", "a")], (422, "invalid_conversation"));
    }
}

#[test]
fn a_body_of_5_mib_is_refused_and_its_sender_hears_why() {
    let text = "x".repeat(5 * 1024 * 1024);
    refused(MESSAGES, &[&body("a", &text)], (413, "too_large"));
}

#[test]
fn a_text_over_the_limit_is_refused() {
    refused(
        MESSAGES,
        &[&body("a", &"x".repeat(65_537))],
        (413, "too_large"),
    );
}

#[test]
fn other_content_types_are_refused() {
    let server = server();
    let before = server.accounting();
    for content_type in [
        None,
        Some("text/plain"),
        Some("multipart/form-data; boundary=x"),
    ] {
        let headers: Vec<_> = content_type
            .map(|value| ("content-type", value))
            .into_iter()
            .collect();
        let answer = server
            .connect()
            .request("POST", MESSAGES, &headers, &body("a", "a"))
            .unwrap();
        assert_eq!(
            answer.problem(),
            (415, "unsupported_media_type".to_owned()),
            "{content_type:?}"
        );
    }
    assert_eq!(server.accounting(), before);
    still_works(&server);
}

#[test]
fn a_foreign_host_and_origin_are_refused() {
    let server = server();
    for headers in [
        [("host", "evil.example"), ("accept", "*/*")],
        [("origin", "http://evil.example"), ("accept", "*/*")],
    ] {
        // The connection writes a good Host first, so a second one stands
        // beside it; an origin stands alone.
        let answer = server.connect().get("/readyz", &headers).unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "{headers:?}: {}",
            answer.text()
        );
    }
    still_works(&server);
}

#[test]
fn one_id_with_two_texts_is_refused_and_the_first_counts() {
    let server = server();
    assert_eq!(server.say("c", "m", "first").taken(), "accepted");
    assert_eq!(server.say("c", "m", "first").taken(), "duplicate");
    assert_eq!(
        server.say("c", "m", "second").problem(),
        (422, "id_reused".to_owned())
    );
    server.all_answered(1);
}

#[test]
fn a_sender_that_hangs_up_half_way_leaves_nothing() {
    use std::io::Write;
    let server = server();
    let before = server.accounting();
    for cut in ["POST /chat/c/messages HTTP/1.1\r\nho", "{\"text\":"] {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        if cut.starts_with('{') {
            let head = format!(
                "POST {MESSAGES} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
                 content-length: 100\r\n\r\n",
                server.address()
            );
            stream.write_all(head.as_bytes()).unwrap();
        }
        stream.write_all(cut.as_bytes()).unwrap();
    }
    assert_eq!(server.accounting(), before);
    still_works(&server);
}

#[test]
fn operator_reads_need_the_token() {
    let server = server();
    for headers in [&[][..], &[("authorization", "Bearer nonsense")][..]] {
        for path in ["/api/v1/accounting", "/api/v1/turns/x", "/api/v1/status"] {
            let answer = Connection::open(server.address())
                .unwrap()
                .get(path, headers);
            assert_eq!(answer.unwrap().problem().0, 401, "{path}");
        }
    }
}
