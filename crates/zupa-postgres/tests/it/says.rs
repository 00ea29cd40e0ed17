//! Side messages: written with steps, before the rows of the commit, and not in one
//! piece with them.

use zupa_core::store::{Batch, ClaimedTurn, OutboxRow, Record, Recorded};
use zupa_core::{
    ChannelId, DeliveryId, Desk, Digest, EffectClass, Number, Outbound, PlatformId, Receipt,
    ReceiptLevel, ReceiptNews, Step, Store, TenantId,
};

use crate::path::{Process, sent};
use crate::waits::Pair;

fn aside(text: &str) -> OutboxRow {
    OutboxRow {
        outbound: Outbound::aside(text),
        ..sent(text)
    }
}

fn record(turn: &ClaimedTurn, key: &str, result: Option<&str>, words: &[&str]) -> Record {
    Record {
        turn: turn.turn,
        conversation: turn.conversation,
        epoch: turn.epoch,
        run: 1,
        step: Step {
            key: key.into(),
            ordinal: 0,
            input: Digest::default(),
            class: EffectClass::AtMostOnce,
            result: result.map(str::to_owned),
        },
        say: words.iter().map(|text| aside(text)).collect(),
    }
}

/// An intent, its result, and both once more in one batch: said once.
#[tokio::test]
async fn a_step_handed_in_again_beside_itself_is_said_once() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let conversation = pair.one.hear("ana").await;
    let turn = pair.one.claim(conversation).await;
    let all = || Batch {
        record: vec![
            record(&turn, "a", None, &["I look"]),
            record(&turn, "a", Some("1"), &["found it", "see"]),
            record(&turn, "a", None, &["I look"]),
            record(&turn, "a", Some("1"), &["found it", "see"]),
        ],
        ..pair.one.batch()
    };
    for _ in 0..2 {
        let applied = pair.one.store.write(all()).await.unwrap();
        let written = |answer: &zupa_core::Result<_>| matches!(answer, Ok(Recorded::Written));
        assert!(applied.record.iter().all(written), "{applied:?}");
    }
    let view = pair.one.store.turn(&turn.turn.to_string()).await;
    let view = view.unwrap().unwrap();
    let ids: Vec<_> = view.deliveries.iter().map(|row| row.id.ordinal).collect();
    assert_eq!(ids, [0, 1, 2]);
    assert_eq!((view.steps.len(), view.steps[0].has_result), (1, true));
}

/// Numbers of inbounds that come meanwhile lie between what a turn says; news finds
/// each row by its key all the same.
#[tokio::test]
async fn news_finds_what_was_said_by_its_key() {
    let Some(pair) = Pair::open().await else {
        return;
    };
    let process = &pair.one;
    let conversation = process.hear("ana").await;
    let turn = process.claim(conversation).await;
    for (key, words) in [("a", &["one", "two"][..]), ("b", &["three"])] {
        let batch = Batch {
            record: vec![record(&turn, key, Some("1"), words)],
            ..process.batch()
        };
        process.store.write(batch).await.unwrap();
        process.hear("ana").await;
    }
    let mut end = process.answer(&turn);
    if let zupa_core::store::TurnEnd::Commit(commit) = &mut end.end {
        commit.outbound.push(sent("there"));
    }
    process.finish(end).await.unwrap();
    let levels = [
        ReceiptLevel::Read,
        ReceiptLevel::Delivered,
        ReceiptLevel::Sent,
        ReceiptLevel::Accepted,
        ReceiptLevel::Read,
    ];
    for (ordinal, level) in (0..).zip(levels) {
        let key = DeliveryId {
            turn: turn.turn,
            ordinal,
        };
        tell(process, key, level).await;
    }
    // No such row; nor is it another turn's.
    let key = DeliveryId {
        turn: turn.turn,
        ordinal: 5,
    };
    tell(process, key, ReceiptLevel::Read).await;
    let view = process.store.turn(&turn.turn.to_string()).await;
    let rows: Vec<_> = view
        .unwrap()
        .unwrap()
        .deliveries
        .iter()
        .map(|row| (row.id.ordinal, row.number, row.receipt))
        .collect();
    let numbers = [2, 3, 5, 7, 8].map(Number);
    let expected: Vec<_> = (0..)
        .zip(numbers)
        .zip(levels)
        .map(|((ordinal, number), level)| (ordinal, number, level))
        .collect();
    assert_eq!(rows, expected);
}

async fn tell(process: &Process, key: DeliveryId, level: ReceiptLevel) {
    let batch = Batch {
        receipts: vec![Receipt {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("door").unwrap(),
            about: PlatformId::parse(format!("wamid.{key}")).unwrap(),
            news: ReceiptNews::Status {
                level,
                key: Some(key.to_string()),
            },
            at: None,
        }],
        ..process.batch()
    };
    process.store.write(batch).await.unwrap();
}
