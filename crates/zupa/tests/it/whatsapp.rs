//! A number of WhatsApp in `zupa serve`: from a signed webhook to a text that leaves by the
//! Graph API, with answers lost and the process killed in between.

use serde_json::Value;

use crate::support::home::{Home, Rule};
use crate::support::meta::{Line, Meta, VERIFY};
use crate::support::model::{FakeModel, Mood};
use crate::support::{Server, eventually, tools};

/// A folder whose agent says hello on the number.
fn home(meta: &Meta) -> Home {
    let home = Home::with(&format!(
        "[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n{}",
        meta.channel()
    ));
    home.script(&[Rule("hello", "Good day!", 0)]);
    home
}

/// State, receipt and platform id of everything that was to be sent, once nobody serves.
fn outbox(server: Server, home: &Home) -> String {
    server.stop();
    tools::sqlite(
        &home.store(),
        "SELECT state, receipt, platform_id FROM outbox ORDER BY number",
    )
}

fn key(sent: &Value) -> &Value {
    &sent["biz_opaque_callback_data"]
}

#[test]
fn a_message_that_is_posted_three_times_is_answered_by_one_send() {
    let meta = Meta::start(Line::Good);
    let home = home(&meta);
    // No web chat is open, so prod serves it.
    let server = Meta::known_to(home.serve()).set("profile", "prod").ready();
    let said = Meta::said("wamid.1", "hello");
    for _ in 0..3 {
        let answer = Meta::post(&server, &said);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let sent = meta.first_sent();
    assert_eq!(sent["to"], "15550001111");
    assert_eq!(sent["text"]["body"], "Good day!");
    let signs = eventually("typing is shown", || {
        Some(meta.signs()).filter(|signs| !signs.is_empty())
    });
    assert_eq!(signs.len(), 1);
    assert_eq!(signs[0]["message_id"], "wamid.1");
    server.all_answered(1);
    for word in ["delivered", "sent"] {
        let status = Meta::status(key(&sent), word);
        assert_eq!(Meta::post(&server, &status).status, 200);
    }
    let figures = server.figures();
    assert!(figures.contains("zupa_deliveries_total{outcome=\"sent\"} 1"));
    let log = server.log();
    for secret in ["15550001111", "hello", "wamid", "the-token", "the-secret"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert_eq!(outbox(server, &home), "sent|4|wamid.ours\n");
    assert_eq!(meta.sent().len(), 1);
}

#[test]
fn who_cannot_sign_is_turned_away_and_who_knows_the_token_is_answered() {
    let meta = Meta::start(Line::Good);
    let home = home(&meta);
    let server = Meta::known_to(home.serve()).ready();
    let said = Meta::said("wamid.1", "hello");
    let forged = format!("sha256={}", "0".repeat(64));
    let refused = Meta::post_signed(&server, &said, &forged).problem();
    assert_eq!(refused, (401, "invalid_signature".to_owned()));
    assert_eq!(server.accounting()["accepted"], 0);

    let ask = |token: &str| {
        server.get(&format!(
            "/webhooks/wa?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"
        ))
    };
    let (known, guessed) = (ask(VERIFY), ask("guessed"));
    assert_eq!((known.status, known.text().as_str()), (200, "1158201444"));
    assert_eq!(guessed.problem().0, 403);
    server.stop();
}

#[test]
fn a_send_whose_answer_was_lost_is_settled_by_its_status_and_not_sent_again() {
    let meta = Meta::start(Line::LosesAnswers);
    let home = home(&meta);
    let server = Meta::known_to(home.serve()).ready();
    assert_eq!(
        Meta::post(&server, &Meta::said("wamid.1", "hello")).status,
        200
    );
    let sent = meta.first_sent();
    eventually("the send is in doubt", || {
        let doubt = "zupa_deliveries_total{outcome=\"in_doubt\"} 1";
        server.figures().contains(doubt).then_some(())
    });
    let status = Meta::status(key(&sent), "sent");
    assert_eq!(Meta::post(&server, &status).status, 200);
    assert_eq!(outbox(server, &home), "sent|2|wamid.ours\n");
    assert_eq!(meta.sent().len(), 1);
}

#[test]
fn a_message_outlives_a_kill_between_its_acceptance_and_its_answer() {
    let meta = Meta::start(Line::Good);
    let home = Home::with(&meta.channel());
    let model = FakeModel::start(Mood::Silent);
    let start = || model.behind(Meta::known_to(home.serve()));
    let server = start().ready();
    let said = Meta::said("wamid.1", "hello");
    assert_eq!(Meta::post(&server, &said).status, 200);
    model.wait_asked(1);
    server.kill();
    assert!(meta.sent().is_empty());

    model.mood(Mood::Well);
    let server = start().ready();
    // Meta may well post it again.
    assert_eq!(Meta::post(&server, &said).status, 200);
    let sent = meta.first_sent();
    assert_eq!(sent["text"]["body"], "echo of hello");
    server.all_answered(1);
    assert_eq!(outbox(server, &home), "sent|0|wamid.ours\n");
    assert_eq!(meta.sent().len(), 1);
}

#[test]
fn a_number_that_cannot_work_does_not_start() {
    let meta = Meta::start(Line::Good);
    let home = home(&meta);
    let unresolved = home.run(&["serve"]);
    unresolved.refused(78, &["channel[0].access_token", "env:WA_TOKEN"]);
    home.write(
        "zupa.toml",
        "[[channel]]\nid = \"wa\"\nkind = \"whatsapp-cloud\"\nphone_number_id = \"1 555\"\n",
    );
    let refused = home.run(&["config", "check"]);
    refused.refused(
        78,
        &["zupa.toml:", "access_token", "channel[0].phone_number_id"],
    );
}
