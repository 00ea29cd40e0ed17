//! Figures for Prometheus: their form, their names, and who may read them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use zupa_core::TurnId;
use zupa_core::bus::{Draft, Label, names};
use zupa_http::Mode;

use crate::fakes::{App, accepted, as_operator, dev, get};

/// The text of the figures after these events.
async fn after(drafts: impl IntoIterator<Item = Draft>) -> String {
    let mut app = App::with(Mode::Serve, accepted);
    let driver = app.bus.driver(app.clock.clone()).unwrap();
    for draft in drafts {
        app.bus.emit(draft);
    }
    app.bus.stop();
    driver.run().await;
    app.counting.take().unwrap().await;
    let answer = app.send(as_operator(get("/metrics"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.headers["content-type"], form);
    answer.text
}

/// Checks the form of a text and answers its samples by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.pop(), Some("# EOF"), "{text}");
    let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let mut family = String::new();
    for line in lines {
        if let Some(described) = line.strip_prefix("# ") {
            let (what, rest) = described.split_once(' ').unwrap();
            let (name, said) = rest.split_once(' ').unwrap();
            match what {
                "HELP" => assert!(!said.is_empty(), "{line}"),
                "UNIT" => assert!(name.ends_with(&format!("_{said}")), "{line}"),
                "TYPE" => {
                    let twice = types.insert(name.to_owned(), said.to_owned());
                    assert_eq!(twice, None, "{line}");
                    family = name.to_owned();
                }
                _ => panic!("{line}"),
            }
            assert!(name.starts_with("zupa_"), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let suffix = name.strip_prefix(&family).unwrap();
        let wanted: &[&str] = match types[&family].as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_sum", "_count", "_bucket"],
            _ => panic!("{line}"),
        };
        assert!(wanted.contains(&suffix), "{line}");
        let twice = samples.insert(series.to_owned(), value.parse().unwrap());
        assert_eq!(twice, None, "{line}");
    }
    samples
}

/// One event of each kind that counts, and a few more.
fn everything() -> Vec<Draft> {
    let second = Duration::from_secs(1);
    vec![
        Draft::of(names::INBOUND_ACCEPTED),
        Draft::of(names::INBOUND_ACCEPTED),
        Draft::of(names::INBOUND_DUPLICATE),
        Draft::of(names::INBOUND_REFUSED).with("inbounds", 3_u64),
        Draft::of(names::QUEUE_MEASURED).with("depth", 7_u64),
        Draft::of(names::TURN_CLAIMED).with("waited", second),
        Draft::of(names::TURN_COMMITTED).with("took", second),
        Draft::of(names::TURN_FAILED).with("took", second * 2),
        Draft::of(names::TURN_RETRIED)
            .with("port", "model")
            .with("class", "timeout"),
        Draft::of(names::TURN_DEAD)
            .with("class", "invalid")
            .with("inbounds", 2_u64),
        Draft::of(names::DEAD_LETTERS_COUNTED)
            .with("pending", 3_u64)
            .with("oldest", second * 90),
        Draft::of(names::NODE_TRANSITION)
            .with("node", Label::new("recall"))
            .with("took", second),
        Draft::of(names::MODEL_CALLED)
            .with("outcome", "ok")
            .with("took", second)
            .with("input_tokens", 120_u64)
            .with("output_tokens", 30_u64),
        Draft::of(names::TOOL_CALLED)
            .with("outcome", "timeout")
            .with("took", second),
        Draft::of(names::DELIVERY_SENT),
        Draft::of(names::DELIVERY_RETRIED).with("class", "unavailable"),
        Draft::of(names::DELIVERY_IN_DOUBT),
        Draft::of(names::WAIT_OPENED).with("kind", "reply"),
        Draft::of(names::WAIT_SETTLED).with("state", "decided"),
        Draft::of(names::SESSION_ENDED).with("reason", "idle"),
        Draft::of(names::RUNTIME_RECOVERED)
            .with("turns", 4_u64)
            .with("took", second),
        Draft::of(names::STORE_BATCH)
            .with("size", 3_u64)
            .with("took", second)
            .with("outcome", "ok"),
    ]
}

#[tokio::test]
async fn events_become_figures() {
    let text = after(everything()).await;
    let samples = samples(&text);
    for (series, value) in [
        ("zupa_inbound_total{result=\"accepted\"}", 2.0),
        ("zupa_inbound_total{result=\"duplicate\"}", 1.0),
        ("zupa_inbound_total{result=\"refused\"}", 3.0),
        ("zupa_inbound_total{result=\"expired\"}", 0.0),
        ("zupa_queue_depth", 7.0),
        ("zupa_queue_wait_seconds_count", 1.0),
        ("zupa_queue_wait_seconds_bucket{le=\"0.5\"}", 0.0),
        ("zupa_queue_wait_seconds_bucket{le=\"1.0\"}", 1.0),
        ("zupa_turns_total{outcome=\"committed\"}", 1.0),
        ("zupa_turns_total{outcome=\"retried\"}", 1.0),
        ("zupa_turns_total{outcome=\"dead\"}", 1.0),
        ("zupa_turn_duration_seconds_sum{outcome=\"committed\"}", 1.0),
        ("zupa_turn_duration_seconds_sum{outcome=\"failed\"}", 2.0),
        ("zupa_node_duration_seconds_count{node=\"recall\"}", 1.0),
        ("zupa_effects_total{kind=\"model\",outcome=\"ok\"}", 1.0),
        ("zupa_effects_total{kind=\"tool\",outcome=\"timeout\"}", 1.0),
        ("zupa_effect_duration_seconds_sum{kind=\"model\"}", 1.0),
        ("zupa_model_tokens_total{direction=\"input\"}", 120.0),
        ("zupa_model_tokens_total{direction=\"output\"}", 30.0),
        ("zupa_retries_total{port=\"model\",class=\"timeout\"}", 1.0),
        (
            "zupa_retries_total{port=\"channel\",class=\"unavailable\"}",
            1.0,
        ),
        ("zupa_dead_letters_total{class=\"invalid\"}", 2.0),
        ("zupa_dead_letters_pending", 3.0),
        ("zupa_dead_letters_oldest_seconds", 90.0),
        ("zupa_deliveries_total{outcome=\"sent\"}", 1.0),
        ("zupa_deliveries_total{outcome=\"retried\"}", 1.0),
        ("zupa_deliveries_total{outcome=\"in_doubt\"}", 1.0),
        ("zupa_waits_opened_total{kind=\"reply\"}", 1.0),
        ("zupa_waits_settled_total{state=\"decided\"}", 1.0),
        ("zupa_sessions_ended_total{reason=\"idle\"}", 1.0),
        ("zupa_recovery_turns_total", 4.0),
        ("zupa_recovery_seconds", 1.0),
        ("zupa_store_batches_total{outcome=\"ok\"}", 1.0),
        ("zupa_store_batch_size_sum", 3.0),
        ("zupa_store_commit_seconds_count", 1.0),
        ("zupa_bus_missed_total", 0.0),
        ("zupa_bus_panics_total", 0.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series} in\n{text}");
    }
}

#[tokio::test]
async fn a_loss_on_the_bus_is_a_figure() {
    let many = (0..8_200).map(|_| Draft::of(names::INBOUND_ACCEPTED));
    let samples = samples(&after(many).await);
    let dropped = samples["zupa_bus_dropped_total{namespace=\"inbound\"}"];
    let missed = samples["zupa_bus_missed_total"];
    let counted = samples["zupa_inbound_total{result=\"accepted\"}"];
    assert_eq!(dropped, 8.0);
    // The marker of the loss is one event more.
    assert_eq!(counted + missed, 8_192.0 + 1.0);
}

#[tokio::test]
async fn the_number_of_series_is_bounded_and_no_id_is_one() {
    let about = TurnId(uuid::Uuid::from_u128(0x1234_5678_9ABC));
    let nodes = (0..500).map(|node| {
        Draft::of(names::NODE_TRANSITION)
            .turn(about)
            .with("node", Label::new(&format!("node_{node}")))
    });
    let text = after(nodes).await;
    let samples = samples(&text);
    assert!(samples.len() < 2_000, "{}", samples.len());
    let beyond = samples["zupa_node_duration_seconds_count{node=\"other\"}"];
    assert_eq!(beyond, 460.0);
    assert!(!text.contains(&about.to_string()));
}

#[tokio::test]
async fn every_family_is_in_the_docs_and_nothing_else() {
    let text = after(everything()).await;
    let families = text.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let suffix = if kind == "counter" { "_total" } else { "" };
        Some(format!("{name}{suffix}"))
    });
    let families: BTreeSet<_> = families.collect();
    let told = include_str!("../../../../docs/metrics.md");
    let rows = told.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
        Some(name.split('{').next()?.to_owned())
    });
    assert_eq!(families, rows.collect());
}

#[tokio::test]
async fn figures_are_for_operators_and_for_whoever_develops() {
    let serving = App::with(Mode::Serve, accepted);
    let refused = serving.get("/metrics").await;
    assert_eq!(refused.problem(), (401, "unauthorized"));
    let mut wrong = get("/metrics");
    let token = "Bearer guessed".parse().unwrap();
    wrong.headers_mut().insert("authorization", token);
    assert_eq!(serving.send(wrong).await.status, 401);
    assert_eq!(serving.send(as_operator(get("/metrics"))).await.status, 200);
    let developing = App::with(dev(), accepted);
    assert_eq!(developing.get("/metrics").await.status, 200);
}
