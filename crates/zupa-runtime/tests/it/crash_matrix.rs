//! The process dies before and after every call of the store, one at a time, in
//! a fixed scenario; then it starts again, the platform redelivers what it likes,
//! and every message has exactly one reply.
//!
//! `cargo nextest run -p zupa-runtime crash_matrix --no-capture` prints the
//! matrix.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zupa_core::{Deduplicates, Delivered, Desk, IntakeBatch};
use zupa_testkit::{Call, Fault, FaultyStore, MemoryStore, Planted};

use crate::support::{Act, Setup, World, inbound, life, pass, secs};

const CALLS: [Call; 8] = [
    Call::Recover,
    Call::Backlog,
    Call::Heartbeat,
    Call::Write,
    Call::Due,
    Call::DueDeliveries,
    Call::Purge,
    Call::Close,
];

/// What the two people write. The first two of Ana's come as one batch, the
/// third while they are being answered.
const MESSAGES: [&str; 4] = ["ana: 1", "ana: 2", "bob: 1", "ana: 3"];
const BATCHES: [&[usize]; 3] = [&[0, 1], &[2], &[3]];

/// What was seen of one crash.
struct Row {
    call: Call,
    nth: u64,
    fault: &'static str,
    crashed: bool,
    acknowledged: usize,
    recorded: usize,
    paid_again: usize,
    sent_again: usize,
    unknown: usize,
    violations: Vec<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>16} {:<6} acknowledged {}/4, recorded {}/4, paid again {}, sent again {}, unknown {}{}",
            format!("{:?} {}", self.call, self.nth),
            self.fault,
            self.acknowledged,
            self.recorded,
            self.paid_again,
            self.sent_again,
            self.unknown,
            if self.violations.is_empty() {
                ""
            } else {
                "  BROKEN"
            }
        )
    }
}

/// What the platform knows: which messages were acknowledged.
#[derive(Default)]
struct Platform {
    acknowledged: BTreeMap<&'static str, bool>,
    violations: Vec<String>,
}

impl Platform {
    /// Delivers a batch until it is taken.
    async fn deliver(&mut self, world: &World, batch: &[usize]) {
        let texts: Vec<_> = batch.iter().map(|place| MESSAGES[*place]).collect();
        loop {
            let inbounds = texts.iter().map(|text| inbound(&text[..3], text, text));
            let batch = IntakeBatch {
                inbounds: inbounds.collect(),
                receipts: Vec::new(),
            };
            let Ok(told) = world.runtime().intake().deliver(batch).await else {
                pass(secs(1)).await;
                continue;
            };
            for (text, told) in texts.iter().zip(told) {
                self.hear(text, told.unwrap());
            }
            return;
        }
    }

    fn hear(&mut self, text: &'static str, told: Delivered) {
        let known = self.acknowledged.insert(text, true).is_some();
        if known && !matches!(told, Delivered::Duplicate { .. }) {
            let lost = format!("{text} was acknowledged, and is new again: {told:?}");
            self.violations.push(lost);
        }
    }
}

/// The scenario: every message once, then all of them again, then a clean end.
async fn live(world: &mut World, platform: &mut Platform) {
    for batch in BATCHES {
        platform.deliver(world, batch).await;
        pass(Duration::from_millis(2)).await;
    }
    for batch in BATCHES {
        platform.deliver(world, batch).await;
    }
    world.quiet().await;
    world.shutdown(secs(30)).await.unwrap();
}

/// Crashes one life at one call, lives another, and looks at what is left.
fn crash_at(setup: &Setup, call: Call, nth: u64, fault: Fault) -> Row {
    for person in ["ana", "bob"] {
        setup
            .model
            .always(person, Act::Take(Duration::from_millis(5)));
    }
    let mut platform = Platform::default();
    let name = if matches!(fault, Fault::CrashBefore) {
        "before"
    } else {
        "after"
    };
    let crashed = life(async {
        let store = Arc::new(FaultyStore::new(Arc::new(setup.memory.clone())));
        store.at_call_of(call, nth, fault);
        let process = async {
            let mut world = setup.try_start(store.clone()).await.unwrap();
            live(&mut world, &mut platform).await;
        };
        tokio::select! {
            biased;
            () = store.crashed() => true,
            () = process => false,
        }
    });
    let acknowledged = platform.acknowledged.len();
    let (recorded, paid) = life(async { (recorded(setup).await, setup.model.calls()) });
    let sent = setup.door().calls().len();
    life(async {
        let mut world = setup.start().await;
        live(&mut world, &mut platform).await;
    });
    let mut violations = platform.violations;
    let unknown = life(judge(setup, &recorded, paid, &mut violations));
    let replies = setup.visible().len();
    Row {
        call,
        nth,
        fault: name,
        crashed,
        acknowledged,
        recorded: recorded.len(),
        paid_again: setup.model.calls() - distinct_calls(setup),
        sent_again: setup.door().calls().len().saturating_sub(replies.max(sent)),
        unknown,
        violations,
    }
}

/// The messages whose answer is in the journal or in the outbox.
async fn recorded(setup: &Setup) -> Vec<&'static str> {
    let mut recorded = Vec::new();
    for text in MESSAGES {
        let view = setup.memory.turn(text).await.unwrap();
        if view.is_some_and(|view| !view.steps.is_empty()) {
            recorded.push(text);
        }
    }
    recorded
}

fn distinct_calls(setup: &Setup) -> usize {
    let mut asked: Vec<_> = setup
        .model
        .asked()
        .iter()
        .map(|call| call.lines())
        .collect();
    asked.sort();
    asked.dedup();
    asked.len()
}

/// Looks for broken promises; answers how many deliveries are unknown.
async fn judge(
    setup: &Setup,
    recorded: &[&str],
    paid: usize,
    violations: &mut Vec<String>,
) -> usize {
    let mut expect = |holds: bool, what: String| {
        if !holds {
            violations.push(what);
        }
    };
    let counts = setup.memory.accounting().await.unwrap();
    let whole = counts.is_balanced() && counts.accepted == 4 && counts.open.is_empty();
    expect(
        whole && counts.ended.get("answered") == Some(&4),
        format!("{counts:?}"),
    );

    let mut replies = Vec::new();
    for (person, written) in [
        ("ana", &["ana: 1", "ana: 2", "ana: 3"][..]),
        ("bob", &["bob: 1"]),
    ] {
        let said = setup.replies(person).await;
        let covered: Vec<_> = said
            .iter()
            .flat_map(|reply| reply.trim_start_matches("re: ").split(" + "))
            .collect();
        expect(
            covered == written,
            format!("{person} was answered {said:?}"),
        );
        let conversation = setup.view(written[0]).await.conversation;
        let links = setup.memory.audit(conversation).await.unwrap();
        let stream = conversation.to_string();
        let chain = zupa_core::audit::verify(&stream, Default::default(), &links);
        expect(
            chain.is_ok(),
            format!("the audit chain of {person} breaks at {chain:?}"),
        );
        let mut visible = setup.visible();
        visible.retain(|reply| reply.contains(person));
        let in_order = is_subsequence(&visible, &said);
        expect(in_order, format!("{person} saw {visible:?} of {said:?}"));
        replies.extend(said);
    }

    let asked: Vec<_> = setup
        .model
        .asked()
        .iter()
        .map(|call| call.lines())
        .collect();
    for lines in &asked[paid..] {
        let again = lines.iter().find(|line| recorded.contains(&line.as_str()));
        expect(again.is_none(), format!("paid twice for {again:?}"));
    }
    for (place, one) in asked.iter().enumerate() {
        for other in &asked[place..] {
            let overlap = one.iter().any(|line| other.contains(line));
            expect(
                !overlap || one == other,
                format!("a range changed: {one:?}, {other:?}"),
            );
        }
    }

    let count = |state: &str| *counts.deliveries.get(state).unwrap_or(&0) as usize;
    let (sent, unknown) = (count("sent"), count("unknown"));
    expect(
        sent + unknown == replies.len(),
        format!("{:?}", counts.deliveries),
    );
    wire(setup, sent, unknown, &mut expect);
    unknown
}

/// What the wire saw beside what the store believes.
fn wire(setup: &Setup, sent: usize, unknown: usize, expect: &mut impl FnMut(bool, String)) {
    use zupa_core::{Acknowledges, Channel};
    let (calls, visible) = (setup.door().calls().len(), setup.visible().len());
    let wire = format!("{sent} sent, {unknown} unknown, {calls} calls, {visible} visible");
    let capabilities = setup.door().capabilities();
    let holds = match (capabilities.acknowledges, capabilities.deduplicates) {
        (Acknowledges::AtCommit, _) => calls == 0 && unknown == 0,
        (Acknowledges::OnSend, Deduplicates::ByKey) => visible == sent && unknown == 0,
        // Never sent twice; what may have left and may not is listed.
        (Acknowledges::OnSend, Deduplicates::Never) => {
            calls == visible && (sent..=sent + unknown).contains(&visible)
        }
    };
    expect(holds, wire);
}

fn is_subsequence(part: &[String], whole: &[String]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|wanted| rest.any(|line| line == wanted))
}

/// Every call, cut before and after, until the scenario has no more of them.
fn matrix(setup: impl Fn() -> Setup) -> Vec<Row> {
    let mut rows = Vec::new();
    for call in CALLS {
        for nth in 1.. {
            let pair = [Fault::CrashBefore, Fault::CrashAfter]
                .map(|fault| crash_at(&setup(), call, nth, fault));
            let over = pair.iter().all(|row| !row.crashed);
            rows.extend(pair);
            if over {
                break;
            }
        }
    }
    rows
}

fn report(title: &str, rows: &[Row]) {
    println!("{title}");
    for row in rows.iter().filter(|row| row.crashed) {
        println!("{row}");
        row.violations
            .iter()
            .for_each(|what| println!("{:>24} {what}", "!"));
    }
}

/// Crash after crash, nothing is lost or doubled, and the matrix was a matrix:
/// it has seen every kind of call and every stage of a turn.
fn holds(title: &str, setup: impl Fn() -> Setup) -> Vec<Row> {
    let mut rows = matrix(setup);
    report(title, &rows);
    rows.iter()
        .for_each(|row| assert!(row.violations.is_empty(), "{row}: {:?}", row.violations));
    rows.retain(|row| row.crashed);
    let seen: std::collections::BTreeSet<_> = rows.iter().map(|row| row.call).collect();
    assert_eq!(seen.len(), CALLS.len(), "{seen:?}");
    assert!(
        rows.iter().any(|row| row.paid_again > 0),
        "some died with the model at work"
    );
    assert!(
        rows.iter()
            .any(|row| row.recorded > 0 && row.paid_again == 0)
    );
    assert!((0..=4).all(|known| rows.iter().any(|row| row.acknowledged >= known)));
    rows
}

#[test]
fn where_the_commit_delivers_nothing_is_lost_or_doubled() {
    holds("at commit", Setup::web);
}

#[test]
fn where_the_channel_deduplicates_nothing_is_lost_or_doubled() {
    let rows = holds("on send, by key", || Setup::phone(Deduplicates::ByKey));
    assert!(
        rows.iter().any(|row| row.sent_again > 0),
        "some sends were in doubt"
    );
}

#[test]
fn where_nobody_deduplicates_nothing_is_sent_twice_and_doubt_is_shown() {
    let rows = holds("on send, never", || Setup::phone(Deduplicates::Never));
    assert!(
        rows.iter().any(|row| row.unknown > 0),
        "some sends stay unknown"
    );
}

#[test]
fn the_matrix_finds_what_is_planted() {
    for defect in [
        Planted::DuplicateAsNew,
        Planted::OrderBroken,
        Planted::RangeGrows,
    ] {
        let rows = matrix(|| {
            let mut setup = Setup::web();
            setup.memory = MemoryStore::planted(defect);
            setup
        });
        let found = rows.iter().filter(|row| !row.violations.is_empty()).count();
        assert!(found > 0, "{defect:?} was not found");
    }
}
