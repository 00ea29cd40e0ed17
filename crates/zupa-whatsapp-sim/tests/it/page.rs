//! The page: who may see it, and what can be done on it.

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use zupa_whatsapp_sim::{Options, Simulator};

use crate::business::{send_text, soon, start};

const ANA: &str = "15550001111";
const NUMBER: &str = "100000000000001";

fn shown() -> Options {
    Options {
        page: true,
        ..Options::default()
    }
}

/// One request with these headers: the status and the body.
async fn ask(
    simulator: &Simulator,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> (u16, Bytes) {
    let mut request = Request::builder().uri(format!("{}{path}", simulator.address()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.method("POST");
    }
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = request.body(Full::<Bytes>::from(body)).unwrap();
    let answer = soon(client.request(request)).await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        answer.into_body().collect().await.unwrap().to_bytes(),
    )
}

async fn act(simulator: &Simulator, act: Value) -> u16 {
    let json = [("content-type", "application/json")];
    ask(simulator, "/page/acts", &json, Some(act)).await.0
}

async fn state(simulator: &Simulator) -> Value {
    let (status, body) = ask(simulator, "/page/state", &[], None).await;
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn somebody_writes_and_sees_the_answer_with_its_ticks() {
    let (simulator, _business) = start(shown()).await;
    let write = json!({ "act": "write", "number": NUMBER, "phone": ANA, "text": "hello" });
    assert_eq!(act(&simulator, write).await, 200);
    soon(simulator.until(|record| record.posted.acknowledged == 1)).await;
    send_text(&simulator, ANA, "<b>Good day!</b>", "k.0").await;
    soon(simulator.until(|record| record.posted.acknowledged == 4)).await;
    let state = state(&simulator).await;
    let lines = state["chats"][0]["lines"].as_array().unwrap();
    assert_eq!(lines[0]["from"], "person");
    assert_eq!(lines[0]["ticks"], "delivered");
    assert_eq!(lines[1]["text"], "<b>Good day!</b>");
    assert_eq!(lines[1]["ticks"], "read");
    assert_eq!(state["counts"]["sends"], 1);
    // What is known is not told again before there is news.
    let after = format!("/page/state?after={}", state["revision"]);
    let news = ask(&simulator, &after, &[], None);
    let meet = json!({ "act": "meet", "phone": "15550002222", "name": "Bruno" });
    let (news, met) = tokio::join!(news, act(&simulator, meet));
    assert_eq!(met, 200);
    let news: Value = serde_json::from_slice(&news.1).unwrap();
    assert_eq!(news["chats"][1]["name"], "Bruno");
}

#[tokio::test]
async fn somebody_writes_in_a_group_and_is_named() {
    let (simulator, _business) = start(shown()).await;
    let meet = json!({ "act": "meet", "phone": ANA, "name": "Ana" });
    assert_eq!(act(&simulator, meet).await, 200);
    let found = json!({ "act": "found", "name": "Lunch", "members": [ANA, "15550002222"] });
    assert_eq!(act(&simulator, found).await, 200);
    let chats = state(&simulator).await["chats"].clone();
    let chats = chats.as_array().unwrap();
    let group = chats.iter().find(|chat| chat["name"] == "Lunch").unwrap();
    assert_eq!(group["members"][0], json!({ "phone": ANA, "name": "Ana" }));
    let write = json!({
        "act": "write", "number": NUMBER, "phone": group["phone"], "speaker": ANA, "text": "soup?",
    });
    assert_eq!(act(&simulator, write).await, 200);
    let chats = state(&simulator).await["chats"].clone();
    let chats = chats.as_array().unwrap();
    let group = chats.iter().find(|chat| chat["name"] == "Lunch").unwrap();
    let line = (&group["lines"][0]["text"], &group["lines"][0]["speaker"]);
    assert_eq!(line, (&json!("soup?"), &json!(ANA)));
}

#[tokio::test]
async fn switches_make_things_go_wrong_and_right_again() {
    let (simulator, _business) = start(shown()).await;
    let switches =
        |on: bool| json!({ "lose_answers": on, "duplicate": on, "shuffle": on, "delay": on });
    for on in [true, false] {
        let mut wanted = switches(on);
        wanted["act"] = "break".into();
        assert_eq!(act(&simulator, wanted).await, 200);
        assert_eq!(state(&simulator).await["switches"], switches(on));
        assert_eq!(simulator.faults().duplicates > 0, on);
    }
}

#[tokio::test]
async fn other_names_other_pages_and_odd_acts_are_turned_away() {
    let (simulator, _business) = start(shown()).await;
    let write = json!({ "act": "write", "number": NUMBER, "phone": ANA, "text": "hello" });
    let json = ("content-type", "application/json");
    for (headers, status) in [
        (vec![json, ("host", "evil.test")], 421),
        (vec![json, ("host", "127.0.0.1.evil.test:80")], 421),
        (vec![json, ("origin", "http://evil.test")], 421),
        (vec![json, ("origin", "null")], 421),
        (vec![json, ("origin", "http://localhost:1")], 421),
        (vec![("content-type", "text/plain")], 415),
        (vec![], 415),
    ] {
        let answer = ask(&simulator, "/page/acts", &headers, Some(write.clone())).await;
        assert_eq!(answer.0, status, "{headers:?}");
    }
    for odd in [
        json!({ "act": "write", "number": NUMBER, "phone": "me", "text": "hello" }),
        json!({ "act": "write", "number": "1", "phone": ANA, "text": "hello" }),
        json!({ "act": "write", "number": NUMBER, "phone": ANA, "text": " " }),
        json!({ "act": "choose", "number": NUMBER, "phone": ANA, "wamid": "w", "id": "i" }),
        json!({ "act": "meet", "phone": "<script>", "name": "x" }),
        json!({ "act": "found", "name": "Lunch", "members": [] }),
        json!({ "act": "found", "name": "Lunch", "members": ["me"] }),
        json!({ "act": "write", "number": NUMBER, "phone": ANA, "speaker": ANA, "text": "hello" }),
        json!({ "act": "dance" }),
    ] {
        assert_eq!(act(&simulator, odd.clone()).await, 400, "{odd}");
    }
    assert!(simulator.phone(ANA).said().is_empty());
}

#[tokio::test]
async fn without_the_option_there_is_no_page() {
    let (simulator, _business) = start(Options::default()).await;
    for path in ["/", "/page/state"] {
        assert_eq!(ask(&simulator, path, &[], None).await.0, 400);
    }
}
