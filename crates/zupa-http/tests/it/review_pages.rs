//! Lists of reviews: by kind and state, a page at a time, and those that wait too long.

use serde_json::{Value, json};
use uuid::Uuid;
use zupa_core::{ConversationId, NewWait, Timestamp, TurnId, Wait, WaitId, WaitKind, WaitState};

use crate::fakes::{App, NOW, OVERDUE_AFTER};

fn id(number: u128) -> WaitId {
    WaitId(Uuid::from_u128(number))
}

/// A review that was opened so many seconds ago.
fn review(number: u128, subject: Value, seconds_ago: i64) -> Wait {
    Wait {
        opened: NewWait {
            id: id(number),
            kind: WaitKind::Decision,
            subject: subject.to_string(),
            payload: "{}".into(),
            resume: None,
            expires_at: Some(Timestamp(NOW.0 + 90_500_000)),
        },
        turn: TurnId(Uuid::from_u128(0xA)),
        conversation: ConversationId(Uuid::from_u128(0xC)),
        state: WaitState::Open,
        opened_at: Timestamp(NOW.0 - seconds_ago * 1_000_000),
        settled_at: None,
        decision: None,
        claim: None,
    }
}

fn approval() -> Value {
    json!({ "approve": "refund" })
}

fn unknown() -> Value {
    json!({ "review": "unknown_effect", "tool": "order" })
}

fn app(waits: impl IntoIterator<Item = Wait>) -> App {
    let app = App::new();
    app.desk.waits.lock().unwrap().extend(waits);
    app
}

async fn list(app: &App, query: &str) -> Value {
    let answer = app.operator(&format!("/api/v1/reviews?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

/// The numbers of the listed reviews.
fn listed(page: &Value) -> Vec<u128> {
    let reviews = page["reviews"].as_array().unwrap().iter();
    let number = |review: &Value| WaitId::parse(review["id"].as_str().unwrap()).unwrap().0;
    reviews.map(|review| number(review).as_u128()).collect()
}

#[tokio::test]
async fn reviews_are_listed_by_what_they_ask_and_how_they_stand() {
    let mut waits = vec![
        review(1, approval(), 4),
        review(2, unknown(), 3),
        review(3, json!({ "anything": 1 }), 2),
        review(4, unknown(), 1),
    ];
    waits[1].state = WaitState::Decided;
    waits[2].state = WaitState::Expired;
    let app = app(waits);
    for (query, numbers) in [
        ("", &[1, 4][..]),
        ("kind=approval", &[1]),
        ("kind=unknown_effect", &[4]),
        ("kind=unknown_effect&state=all", &[2, 4]),
        ("kind=other&state=all", &[3]),
        ("state=decided", &[2]),
        ("state=expired", &[3]),
        ("state=cancelled", &[]),
        ("state=all", &[1, 2, 3, 4]),
    ] {
        assert_eq!(listed(&list(&app, query).await), numbers, "{query}");
    }
}

#[tokio::test]
async fn pages_put_together_are_the_list() {
    let timer = |number| {
        let mut timer = review(number, json!({}), 0);
        timer.opened.kind = WaitKind::Timer;
        timer
    };
    let waits = (1..=60).flat_map(|number| {
        let subject = if number % 2 == 0 {
            unknown()
        } else {
            approval()
        };
        [review(number, subject, 0), timer(1_000 + number)]
    });
    let app = app(waits);
    for (limit, kind) in [(1, ""), (7, ""), (60, ""), (7, "&kind=approval")] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = list(&app, &format!("limit={limit}{kind}{after}")).await;
            seen.extend(listed(&page));
            assert_eq!(page["more"], json!(!page["next"].is_null()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let wanted = (1..=60).filter(|number| kind.is_empty() || number % 2 == 1);
        assert_eq!(seen, wanted.collect::<Vec<_>>(), "{limit}{kind}");
    }
}

#[tokio::test]
async fn a_page_goes_on_behind_a_review_that_was_settled_meanwhile() {
    let app = app((1..=4).map(|number| review(number, approval(), 0)));
    let first = list(&app, "limit=2").await;
    assert_eq!(listed(&first), [1, 2]);
    app.decide(id(2), r#"{"approved":true}"#).await;
    let next = first["next"].as_str().unwrap();
    let second = list(&app, &format!("limit=2&after={next}")).await;
    assert_eq!(listed(&second), [3, 4]);
    assert_eq!(
        (&second["more"], &second["next"]),
        (&json!(false), &json!(null))
    );
}

#[tokio::test]
async fn ages_and_ends_are_told_and_those_that_wait_too_long_are_marked() {
    let late = i64::try_from(OVERDUE_AFTER.as_secs()).unwrap();
    let mut settled = review(3, approval(), 2 * late);
    settled.state = WaitState::Decided;
    settled.settled_at = Some(NOW);
    let waits = [
        review(1, approval(), late + 1),
        review(2, approval(), late),
        settled,
    ];
    let page = list(&app(waits), "state=all").await;
    assert_eq!(page["overdue"], 1);
    let told: Vec<_> = page["reviews"]
        .as_array()
        .unwrap()
        .iter()
        .map(|review| {
            let fields = ["age_seconds", "expires_in_seconds", "overdue"];
            fields.map(|field| review[field].clone())
        })
        .collect();
    assert_eq!(
        told,
        [
            [json!(late + 1), json!(90), json!(true)],
            [json!(late), json!(90), json!(false)],
            [json!(2 * late), json!(null), json!(false)],
        ]
    );
}

#[tokio::test]
async fn a_cursor_or_a_word_that_nobody_knows_is_400() {
    let app = app([review(1, approval(), 0)]);
    for (query, pointer) in [
        ("after=x", "/after"),
        ("after=00000000-0000-0000-0000-000000000009", "/after"),
        ("kind=timer", "/kind"),
        ("state=closed", "/state"),
    ] {
        let answer = app.operator(&format!("/api/v1/reviews?{query}")).await;
        assert_eq!(answer.problem(), (400, "invalid_query"), "{query}");
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
}
