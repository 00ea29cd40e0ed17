//! Sends: who sees them, what is answered, and what goes wrong.

use std::time::Duration;

use serde_json::{Value, json};
use zupa_whatsapp_sim::{End, Fate, Faults, Identity, Level, Number, Options, Simulator};

use crate::business::{Heard, code, request_as, send, send_text, soon, start};

const ANA: &str = "15550001111";

/// A simulator to which Ana has written.
async fn with_ana(options: Options) -> (Simulator, crate::business::Business) {
    let (simulator, business) = start(options).await;
    assert!(soon(simulator.phone(ANA).writes("hello").acknowledged()).await);
    (simulator, business)
}

fn wamid(heard: &Heard) -> String {
    let (status, body) = heard.as_ref().unwrap();
    assert_eq!(*status, 200, "{body}");
    body["messages"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_text_is_seen_and_its_statuses_carry_the_key() {
    let (simulator, business) = with_ana(Options::default()).await;
    let id = wamid(&send_text(&simulator, ANA, "Good day!", "k.0").await);
    let seen = simulator.phone(ANA).sees(1).await;
    assert_eq!((seen[0].text.as_str(), &seen[0].wamid), ("Good day!", &id));
    assert_eq!(seen[0].key.as_deref(), Some("k.0"));
    let told = business.told(4).await;
    let words: Vec<&str> = told[1..]
        .iter()
        .map(|it| it["status"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["sent", "delivered", "read"]);
    for status in &told[1..] {
        assert_eq!(status["id"], *id);
        assert_eq!(status["recipient_id"], ANA);
        assert_eq!(status["biz_opaque_callback_data"], "k.0");
    }
    let told = |record: &zupa_whatsapp_sim::Record| record.posted.acknowledged >= 4;
    soon(simulator.until(told)).await;
    assert_eq!(simulator.phone(ANA).seen()[0].level, Level::Read);
}

#[tokio::test]
async fn each_fate_takes_or_drops_and_answers_or_not() {
    let (simulator, _business) = with_ana(Options::default()).await;
    let late = Fate::TakeLate(Duration::from_millis(30));
    let fates = [
        (Fate::Take, true, Some(200)),
        (late, true, Some(200)),
        (Fate::LoseAnswer, true, None),
        (Fate::HangUp, false, None),
        (Fate::TakeAndFail(502), true, Some(502)),
        (Fate::Fail(503), false, Some(503)),
        (Fate::Refuse(131_016), false, Some(500)),
    ];
    simulator.next_sends(fates.map(|(fate, ..)| fate));
    for (n, (fate, is_taken, status)) in fates.into_iter().enumerate() {
        let key = format!("k.{n}");
        let heard = send_text(&simulator, ANA, "hi", &key).await;
        assert_eq!(
            heard.as_ref().map(|(status, _)| *status),
            status,
            "{fate:?}"
        );
        let seen = simulator.phone(ANA).seen();
        let saw = seen.iter().any(|seen| seen.key.as_ref() == Some(&key));
        assert_eq!(saw, is_taken, "{fate:?}");
    }
    let record = simulator.record();
    let ends: Vec<&End> = record.attempts.iter().map(|it| &it.end).collect();
    assert!(matches!(ends[2], End::Taken { .. }));
    assert_eq!(*ends[3], End::Dropped);
    assert_eq!(*ends[6], End::Refused { code: 131_016 });
    let answered: Vec<bool> = record.attempts.iter().map(|it| it.answered).collect();
    assert_eq!(answered, [true, true, false, false, false, false, true]);
}

#[tokio::test]
async fn statuses_may_come_before_the_answer() {
    let (simulator, business) = with_ana(Options::default()).await;
    simulator.next_sends([Fate::TakeLate(Duration::from_secs(3_600))]);
    let waiting = tokio::spawn(async move {
        let heard = send_text(&simulator, ANA, "hi", "k.0").await;
        (simulator, heard)
    });
    let told = business.told(4).await;
    assert_eq!(told[3]["status"], "read");
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn faults_are_the_same_for_one_seed() {
    let ends = |seed| async move {
        let faults = Faults {
            lost_answers: 250,
            errors: 250,
            error_codes: vec![131_016, 131_000],
            withheld_statuses: 300,
            ..Faults::default()
        };
        let options = Options {
            seed,
            faults,
            ..Options::default()
        };
        let (simulator, _business) = with_ana(options).await;
        for n in 0..20 {
            send_text(&simulator, ANA, "hi", &format!("k.{n}")).await;
        }
        let attempts = simulator.record().attempts.into_iter();
        let ends = attempts.map(|it| (it.end, it.answered, it.tells));
        ends.collect::<Vec<_>>()
    };
    let first = ends(5).await;
    assert_eq!(first, ends(5).await);
    assert_ne!(first, ends(6).await);
    let withheld = first
        .iter()
        .filter(|(end, _, tells)| matches!(end, End::Taken { .. }) && !tells);
    assert!(withheld.count() > 0);
}

#[tokio::test]
async fn who_has_no_token_is_turned_away_and_counted() {
    let (simulator, _business) = with_ana(Options::default()).await;
    let address = format!("{}/100000000000001/messages", simulator.graph_url());
    let json = "application/json";
    let (status, body) = request_as("guessed", "POST", &address, json, b"{}".to_vec())
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["error"]["code"]), (401, &json!(190)));
    assert_eq!(simulator.record().unauthorized, 1);

    // A token of one number does not send by another.
    let address = format!("{}/100000000000002/messages", simulator.graph_url());
    let token = Number::default().access_token;
    let (status, _) = request_as(&token, "POST", &address, json, b"{}".to_vec())
        .await
        .unwrap();
    assert_eq!(status, 400);
    assert!(simulator.record().attempts.is_empty());
}

#[tokio::test]
async fn two_numbers_of_one_app_are_told_apart() {
    let other = Number {
        phone_number_id: "100000000000002".to_owned(),
        display_phone_number: "15550000009".to_owned(),
        ..Number::default()
    };
    let options = Options {
        numbers: vec![Number::default(), other],
        ..Options::default()
    };
    let (simulator, business) = with_ana(options).await;
    let ana = simulator.phone_to("100000000000002", ANA);
    simulator.phone(ANA).writes_as("wamid.same", "hello");
    assert!(
        ana.again("wamid.same").is_none(),
        "it was never written to this one"
    );
    ana.writes_as("wamid.same", "hello");
    let posts = business.posted(3).await;
    let told = posts[2].json.pointer("/entry/0/changes/0/value/metadata");
    assert_eq!(told.unwrap()["phone_number_id"], "100000000000002");
    let address = format!("{}/100000000000002/messages", simulator.graph_url());
    let text = json!({
        "messaging_product": "whatsapp", "to": ANA, "type": "text", "text": { "body": "hi" },
    });
    let (json, token) = ("application/json", Number::default().access_token);
    let answer = request_as(&token, "POST", &address, json, text.to_string().into());
    assert_eq!(answer.await.unwrap().0, 200);
    assert_eq!(
        (ana.seen().len(), simulator.phone(ANA).seen().len()),
        (1, 0)
    );
    soon(simulator.until(|_| simulator.unposted() == 0)).await;
}

#[tokio::test]
async fn buttons_are_pressed_and_rows_are_chosen() {
    let (simulator, business) = with_ana(Options::default()).await;
    let button = |id: &str| json!({ "type": "reply", "reply": { "id": id, "title": id } });
    let menu = json!({ "to": ANA, "type": "interactive", "interactive": {
        "type": "button", "body": { "text": "Which?" },
        "action": { "buttons": [button("yes"), button("no")] },
    } });
    let id = wamid(&send(&simulator, menu).await);
    let ana = simulator.phone(ANA);
    assert_eq!(ana.sees(1).await[0].text, "Which?");
    assert!(ana.chooses(&id, "maybe").is_none());
    let written = ana.chooses(&id, "no").unwrap();
    assert!(soon(written.acknowledged()).await);
    let told = business.told(5).await;
    let reply = told.iter().find(|it| it["type"] == "interactive").unwrap();
    assert_eq!(reply["interactive"]["button_reply"]["title"], "no");
    assert_eq!(reply["context"]["id"], *id);

    let row = json!({ "id": "r1", "title": "Row", "description": "the first" });
    let list = json!({ "to": ANA, "type": "interactive", "interactive": {
        "type": "list", "body": { "text": "Which?" },
        "action": { "button": "Choose", "sections": [{ "rows": [row] }] },
    } });
    let id = wamid(&send(&simulator, list).await);
    let written = ana.chooses(&id, "r1").unwrap();
    assert!(soon(written.acknowledged()).await);
    let chosen = ana.said().pop().unwrap().message;
    assert_eq!(chosen["interactive"]["list_reply"], row);
}

#[tokio::test]
async fn messages_are_marked_as_read_and_typing_is_shown() {
    let (simulator, _business) = with_ana(Options::default()).await;
    let ana = simulator.phone(ANA);
    let last = ana.writes("are you there?").wamid;
    let mark = |id: &str| json!({ "status": "read", "message_id": id, "typing_indicator": { "type": "text" } });
    assert_eq!(
        code(&send(&simulator, mark("wamid.guessed")).await),
        131_009
    );
    assert!(!ana.said()[0].read);
    let (status, body) = send(&simulator, mark(&last)).await.unwrap();
    assert_eq!((status, body), (200, json!({ "success": true })));
    assert!(ana.said().iter().all(|said| said.read));
    let record = simulator.record();
    assert_eq!(
        (&record.marked_read, &record.typing),
        (&vec![last.clone()], &vec![last])
    );
}

#[tokio::test]
async fn a_reaction_needs_its_message_and_media_their_id() {
    let (simulator, _business) = with_ana(Options::default()).await;
    let wrote = simulator.phone(ANA).said()[0].wamid.clone();
    let reaction = |id: &str| {
        let reaction = json!({ "message_id": id, "emoji": "\u{1F44D}" });
        json!({ "to": ANA, "type": "reaction", "reaction": reaction })
    };
    assert_eq!(code(&send(&simulator, reaction("wamid.x")).await), 131_009);
    assert_eq!(code(&send(&simulator, reaction(&wrote)).await), 0);
    assert_eq!(simulator.phone(ANA).sees(1).await[0].text, "\u{1F44D}");
    let image = json!({ "to": ANA, "type": "image", "image": { "id": "12" } });
    assert_eq!(code(&send(&simulator, image).await), 131_009);
}

#[tokio::test]
async fn somebody_with_a_username_is_known_by_the_id_within_the_business() {
    let (simulator, business) = start(Options::default()).await;
    simulator.person(Identity {
        user_id: Some("US.1a2B".to_owned()),
        hides_phone: true,
        ..Identity::by_phone(ANA)
    });
    simulator.phone(ANA).writes("hello");
    let posts = business.posted(1).await;
    let message = &posts[0].items()[0];
    assert_eq!(message["from_user_id"], "US.1a2B");
    assert!(!String::from_utf8_lossy(&posts[0].bytes).contains(ANA));

    let text = json!({ "body": "hi" });
    let by_id = |id: &str| json!({ "recipient": id, "type": "text", "text": text });
    assert_eq!(code(&send(&simulator, by_id("US.9")).await), 131_026);
    assert_eq!(code(&send(&simulator, by_id("US.1a2B")).await), 0);
    assert_eq!(simulator.phone(ANA).seen().len(), 1);
    let status = &business.told(2).await[1];
    assert_eq!(status["recipient_user_id"], "US.1a2B");
    assert!(status.get("recipient_id").is_none());
}

#[tokio::test]
async fn what_has_failed_was_seen_by_nobody() {
    let mut options = Options::default();
    options.faults.failed_statuses = 1_000;
    let (simulator, business) = with_ana(options).await;
    send_text(&simulator, ANA, "hello", "key-1").await;
    let told = business.told(3).await;
    let words: Vec<_> = told[1..].iter().map(|status| &status["status"]).collect();
    assert_eq!(words, ["sent", "failed"]);
    assert!(simulator.phone(ANA).seen().is_empty());
}
