//! Hosts, origins, headers and request ids.

use axum::body::Body;
use axum::http::Request;

use crate::fakes::{App, get, post};

#[tokio::test]
async fn foreign_hosts_are_421_on_every_route() {
    let app = App::new();
    for path in [
        "/",
        "/livez",
        "/readyz",
        "/chat/c/events",
        "/api/v1/status",
        "/nothing",
    ] {
        for host in [
            "evil.test",
            "",
            "127.0.0.1.nip.io",
            "localhost.evil.test:7700",
        ] {
            let request = Request::get(path).header("host", host);
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.problem(), (421, "misdirected"), "{host} {path}");
        }
    }
}

#[tokio::test]
async fn missing_doubled_and_contradicted_hosts_are_421() {
    let app = App::new();
    for request in [
        Request::get("/livez"),
        Request::get("/livez")
            .header("host", "localhost")
            .header("host", "localhost"),
        Request::get("http://evil.test/livez").header("host", "localhost"),
        Request::get("http://localhost/livez").header("host", "evil.test"),
    ] {
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.problem(), (421, "misdirected"));
    }
}

#[tokio::test]
async fn local_and_configured_hosts_pass() {
    let app = App::new();
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:7700",
        "[::1]:7700",
        "chat.example",
    ] {
        let request = Request::get("/livez").header("host", host);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[tokio::test]
async fn foreign_origins_are_403() {
    let app = App::new();
    for origin in [
        "null",
        "http://evil.test",
        "https://localhost.evil.test",
        "file://",
        "localhost",
        "",
    ] {
        for mut request in [
            post("/chat/c/messages", r#"{"text":"a"}"#),
            get("/chat/c/events"),
        ] {
            request
                .headers_mut()
                .insert("origin", origin.parse().unwrap());
            let answer = app.send(request).await;
            assert_eq!(answer.problem(), (403, "foreign_origin"), "{origin}");
        }
    }
    assert!(app.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn our_own_origin_passes() {
    let app = App::new();
    for origin in [
        "http://localhost:7700",
        "https://chat.example",
        "http://[::1]:7700",
    ] {
        let mut request = post("/chat/c/messages", r#"{"text":"a"}"#);
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        assert_eq!(app.send(request).await.status, 202, "{origin}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let app = App::new();
    for path in [
        "/",
        "/phone/phone.js",
        "/livez",
        "/nothing",
        "/api/v1/status",
        "/dev/info",
    ] {
        let headers = app.get(path).await.headers;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers.get("access-control-allow-origin").is_none());
        let cached = if path == "/" || path.starts_with("/phone") {
            "no-cache"
        } else {
            "no-store"
        };
        assert_eq!(headers["cache-control"], cached, "{path}");
    }
}

#[tokio::test]
async fn request_ids_are_taken_when_they_are_tokens_and_made_when_not() {
    let app = App::new();
    let ask = async |id: &str| {
        let mut request = get("/nothing");
        request
            .headers_mut()
            .insert("x-request-id", id.parse().unwrap());
        let answer = app.send(request).await;
        answer.problem();
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask("req-1.a:b_c").await, "req-1.a:b_c");
    for bad in ["", "two words", "a\"b", &"x".repeat(65)] {
        let made = ask(bad).await;
        assert_eq!(made.len(), 36, "{bad} became {made}");
    }
}
