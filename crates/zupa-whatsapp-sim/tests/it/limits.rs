//! The limits are enforced and counted, and what is taken is refused later again.

use std::time::Duration;

use serde_json::json;
use zupa_whatsapp_sim::{Limit, Limits, Options};

use crate::business::{code, send, send_text, soon, start};

const ANA: &str = "15550001111";

async fn codes(simulator: &zupa_whatsapp_sim::Simulator, count: usize) -> Vec<i64> {
    let mut codes = Vec::new();
    for n in 0..count {
        codes.push(code(&send_text(simulator, ANA, "hi", &n.to_string()).await));
    }
    codes
}

#[tokio::test]
async fn the_forty_sixth_message_to_one_person_is_refused_and_counted() {
    let (simulator, _business) = start(Options::default()).await;
    simulator.phone(ANA).writes("hello");
    let found = codes(&simulator, 46).await;
    assert!(found[..45].iter().all(|code| *code == 0), "{found:?}");
    assert_eq!(found[45], 131_056);
    let record = simulator.record();
    assert_eq!(
        (record.broken(Limit::Pair), record.violations.len()),
        (1, 1)
    );
    assert_eq!(record.violations[0].to, ANA);
    assert_eq!(simulator.phone(ANA).seen().len(), 45);
    // Another person is another pair.
    let bea = "15550002222";
    simulator.phone(bea).writes("hello");
    assert_eq!(code(&send_text(&simulator, bea, "hi", "k").await), 0);
}

#[tokio::test]
async fn what_a_number_may_not_send_in_a_second_is_refused_and_counted() {
    let limits = Limits {
        per_second: 3,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let (simulator, _business) = start(options).await;
    simulator.phone(ANA).writes("hello");
    // Four that begin at once are within any second.
    let all = tokio::join!(
        send_text(&simulator, ANA, "hi", "0"),
        send_text(&simulator, ANA, "hi", "1"),
        send_text(&simulator, ANA, "hi", "2"),
        send_text(&simulator, ANA, "hi", "3"),
    );
    let all = [&all.0, &all.1, &all.2, &all.3];
    let refused = all.iter().filter(|heard| code(heard) == 130_429);
    assert_eq!(refused.count(), 1);
    assert_eq!(simulator.record().broken(Limit::PerSecond), 1);
}

#[tokio::test]
async fn a_closed_window_takes_templates_alone() {
    let (simulator, _business) = start(Options::default()).await;
    assert_eq!(codes(&simulator, 1).await, [131_047]);
    assert_eq!(simulator.record().broken(Limit::Window), 1);
    let template = json!({ "to": ANA, "type": "template",
        "template": { "name": "hello_world", "language": { "code": "en" } } });
    assert_eq!(code(&send(&simulator, template).await), 0);
    simulator.phone(ANA).writes("hello");
    assert_eq!(codes(&simulator, 1).await, [0]);

    let limits = Limits {
        window: Duration::ZERO,
        ..Limits::default()
    };
    let (simulator, _business) = start(Options {
        limits,
        ..Options::default()
    })
    .await;
    let written = simulator.phone(ANA).writes("hello");
    assert!(soon(written.acknowledged()).await);
    assert_eq!(codes(&simulator, 1).await, [131_047]);
}
