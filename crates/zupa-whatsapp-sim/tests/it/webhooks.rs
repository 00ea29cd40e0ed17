//! What is posted, how it is signed, and how often.

use std::collections::BTreeSet;
use std::time::Duration;

use zupa_whatsapp_sim::{Faults, Number, Options, Posting, Simulator, signature};

use crate::business::{Business, soon, start};

const ANA: &str = "15550001111";

#[tokio::test]
async fn the_signature_is_of_the_bytes_as_meta_writes_them() {
    let (simulator, business) = start(Options::default()).await;
    simulator.phone(ANA).writes("ol\u{e1} \u{1F600}");
    let post = business.posted(1).await.remove(0);
    let text = String::from_utf8(post.bytes.clone()).unwrap();
    assert!(text.contains(r#""body":"ol\u00e1 \ud83d\ude00""#), "{text}");
    assert_eq!(post.items()[0]["text"]["body"], "ol\u{e1} \u{1F600}");
    let secret = Number::default().app_secret;
    assert_eq!(post.signature, signature(&secret, &post.bytes));
    assert_ne!(post.signature, signature("another", &post.bytes));
}

#[tokio::test]
async fn what_is_not_answered_200_is_posted_again_as_it_was() {
    let posting = Posting {
        back_off: Duration::from_millis(1),
        ..Posting::default()
    };
    let (simulator, business) = start(Options {
        posting,
        ..Options::default()
    })
    .await;
    business.answers(&[503, 401, 202]);
    let written = simulator.phone(ANA).writes("hello");
    assert!(soon(written.acknowledged()).await);
    let posts = business.posts();
    assert_eq!(posts.len(), 4);
    assert!(posts.iter().all(|post| post.bytes == posts[0].bytes));
    let posted = simulator.record().posted;
    assert_eq!(posted.acknowledged, 1);
    assert_eq!(
        posted.refused.into_iter().collect::<Vec<_>>(),
        [(202, 1), (401, 1), (503, 1)]
    );
    assert_eq!(simulator.phone(ANA).said()[0].acknowledged, 1);
}

#[tokio::test]
async fn what_was_written_before_there_was_a_webhook_waits_for_it() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let written = simulator.phone(ANA).writes("hello");
    let business = Business::start().await;
    simulator.post_to(&business.webhook);
    assert!(soon(written.acknowledged()).await);
    assert_eq!(business.posts().len(), 1);
}

#[tokio::test]
async fn a_batch_holds_what_came_meanwhile() {
    let posting = Posting {
        batch: 60,
        gather: Duration::from_millis(300),
        ..Posting::default()
    };
    let (simulator, business) = start(Options {
        posting,
        ..Options::default()
    })
    .await;
    let texts: BTreeSet<String> = (0..60).map(|n| format!("text {n}")).collect();
    for text in &texts {
        simulator.phone(ANA).writes(text);
    }
    let post = business.posted(1).await.remove(0);
    assert_eq!(post.json["entry"].as_array().unwrap().len(), 3);
    let found = post.items().into_iter();
    let found = found.map(|it| it["text"]["body"].as_str().unwrap().to_owned());
    assert_eq!(found.collect::<BTreeSet<_>>(), texts);
}

#[tokio::test]
async fn duplicates_are_the_same_bytes_and_are_counted() {
    let faults = Faults {
        duplicates: 1_000,
        ..Faults::default()
    };
    let (simulator, business) = start(Options {
        faults,
        ..Options::default()
    })
    .await;
    let written = simulator.phone(ANA).writes("hello");
    let posts = business.posted(2).await;
    assert_eq!(posts[0].bytes, posts[1].bytes);
    soon(simulator.until(|record| record.posted.duplicates == 1)).await;
    // On request, too.
    let again = simulator.phone(ANA).again(&written.wamid).unwrap();
    assert!(soon(again.acknowledged()).await);
    assert_eq!(business.posts()[2].items(), posts[0].items());
    assert!(simulator.phone(ANA).again("wamid.x").is_none());
}

#[tokio::test]
async fn shuffled_messages_overtake_each_other_and_none_is_lost() {
    let faults = Faults {
        shuffle: Duration::from_millis(200),
        ..Faults::default()
    };
    let (simulator, business) = start(Options {
        seed: 3,
        faults,
        ..Options::default()
    })
    .await;
    let texts: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    for text in &texts {
        simulator.phone(ANA).writes(text);
    }
    let told = business.told(20).await;
    let mut found: Vec<String> = told
        .iter()
        .map(|it| it["text"]["body"].as_str().unwrap().to_owned())
        .collect();
    assert_ne!(found, texts);
    found.sort();
    assert_eq!(found, texts);
}

#[tokio::test]
async fn the_handshake_knows_the_token() {
    let (simulator, _business) = start(Options::default()).await;
    let token = Number::default().verify_token;
    assert!(soon(simulator.handshake(&token)).await);
    assert!(!soon(simulator.handshake("guessed")).await);
}
