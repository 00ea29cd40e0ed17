//! Too many requests from one address, or with one token, are told when to come back.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use zupa_http::{LocalTokens, Rates};

use crate::fakes::{Answer, App, TOKEN, get, post};

const AWAY: &str = "203.0.113.7:5000";
const HOME: &str = "127.0.0.1:5000";

fn limited(per_ip: u32, per_token: u32, local_tokens: LocalTokens) -> App {
    App::limited(Rates {
        per_minute_per_ip: per_ip,
        per_minute_per_token: per_token,
        local_tokens,
    })
}

async fn send(app: &App, mut request: Request<Body>, from: &str) -> Answer {
    let peer: SocketAddr = from.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    app.send(request).await
}

fn says(id: u32) -> Request<Body> {
    post(
        "/chat/c/messages",
        format!("{{\"id\":\"m{id}\",\"text\":\"hi\"}}"),
    )
}

fn with_token(path: &str, token: &str) -> Request<Body> {
    let mut request = get(path);
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}

#[track_caller]
fn header(answer: &Answer, name: &str) -> String {
    let value = answer.headers.get(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {:?}", answer.headers));
    value.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_address_is_told_how_it_stands_and_when_to_come_back() {
    let app = limited(6, 0, LocalTokens::Limited);
    for left in (0..6).rev() {
        let answer = send(&app, says(left), AWAY).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        assert_eq!(header(&answer, "ratelimit-limit"), "6");
        assert_eq!(header(&answer, "ratelimit-remaining"), left.to_string());
        assert_eq!(
            header(&answer, "ratelimit-reset"),
            (10 * (6 - left)).to_string()
        );
    }
    let refused = send(&app, says(9), AWAY).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json["code"], "rate_limited");
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    assert_eq!(header(&refused, RETRY_AFTER.as_str()), "10");
    assert_eq!(header(&refused, "ratelimit-remaining"), "0");
    assert_eq!(header(&refused, "ratelimit-reset"), "60");
    assert_eq!(
        app.seen.lock().unwrap().len(),
        6,
        "nothing of it came through"
    );

    let other = send(&app, says(10), "203.0.113.8:5000").await;
    assert_eq!(other.status, StatusCode::ACCEPTED);
    app.clock.advance(Duration::from_secs(10));
    let later = send(&app, says(11), AWAY).await;
    assert_eq!(later.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn all_addresses_of_an_ipv6_network_are_one() {
    let app = limited(1, 0, LocalTokens::Limited);
    for (from, status) in [
        ("[2001:db8:0:1::1]:1", StatusCode::ACCEPTED),
        ("[2001:db8:0:1:ffff::2]:2", StatusCode::TOO_MANY_REQUESTS),
        ("[2001:db8:0:2::1]:1", StatusCode::ACCEPTED),
        ("203.0.113.7:1", StatusCode::ACCEPTED),
        ("[::ffff:203.0.113.7]:2", StatusCode::TOO_MANY_REQUESTS),
    ] {
        assert_eq!(send(&app, says(1), from).await.status, status, "{from}");
    }
}

#[tokio::test]
async fn a_token_is_limited_wherever_it_comes_from() {
    let app = limited(0, 2, LocalTokens::Limited);
    let path = "/api/v1/accounting";
    for (from, status) in [
        (AWAY, StatusCode::OK),
        (HOME, StatusCode::OK),
        (AWAY, StatusCode::TOO_MANY_REQUESTS),
        (HOME, StatusCode::TOO_MANY_REQUESTS),
    ] {
        let answer = send(&app, with_token(path, TOKEN), from).await;
        assert_eq!(answer.status, status, "{from}");
    }
    let other = send(&app, with_token(path, "another"), AWAY).await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
    assert_eq!(header(&other, "ratelimit-remaining"), "1");
}

#[tokio::test]
async fn of_two_limits_the_nearer_is_told() {
    let app = limited(3, 100, LocalTokens::Limited);
    let path = "/api/v1/accounting";
    let answer = send(&app, with_token(path, TOKEN), AWAY).await;
    assert_eq!(header(&answer, "ratelimit-limit"), "3");
    let app = limited(100, 3, LocalTokens::Limited);
    let answer = send(&app, with_token(path, TOKEN), AWAY).await;
    assert_eq!(header(&answer, "ratelimit-limit"), "3");
}

#[tokio::test]
async fn this_machine_is_not_limited_by_address_nor_in_dev_by_token() {
    let app = limited(1, 1, LocalTokens::Free);
    for id in 0..50 {
        assert_eq!(
            send(&app, says(id), HOME).await.status,
            StatusCode::ACCEPTED
        );
        let asked = with_token("/api/v1/accounting", TOKEN);
        let answer = send(&app, asked, "[::1]:9").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.headers.contains_key("ratelimit-limit"));
    }
}

#[tokio::test]
async fn health_and_pages_are_not_limited() {
    let app = limited(1, 1, LocalTokens::Limited);
    for path in ["/livez", "/readyz", "/health", "/"] {
        for _ in 0..3 {
            let answer = send(&app, get(path), AWAY).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test]
async fn a_stream_counts_once() {
    let app = limited(2, 0, LocalTokens::Limited);
    let mut request = get("/chat/c/events");
    let peer: SocketAddr = AWAY.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let _open = app.events(request).await;
    assert_eq!(send(&app, says(1), AWAY).await.status, StatusCode::ACCEPTED);
    let refused = send(&app, says(2), AWAY).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn each_request_that_is_turned_away_is_told() {
    let app = limited(1, 0, LocalTokens::Limited);
    let mut told = app.bus.feed("request:limited").unwrap();
    let driver = app.bus.driver(app.clock.clone()).unwrap();
    for id in 0..3 {
        send(&app, says(id), AWAY).await;
    }
    app.bus.stop();
    driver.run().await;
    for _ in 0..2 {
        assert!(told.next().await.is_some());
    }
    assert!(told.next().await.is_none());
}
