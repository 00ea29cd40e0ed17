//! Figures for Prometheus: their form, their names, and who may read them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use zupa_core::bus::{Draft, Label, names};
use zupa_core::standing::State;
use zupa_core::{DeadLetterState, ErrorKind, TurnId};
use zupa_http::Mode;

use crate::dead_letters::view as letter;
use crate::fakes::{App, NOW, accepted, as_operator, dev, get, post};

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
        Draft::of(names::INBOUND_REFUSED)
            .with("reason", "full")
            .with("inbounds", 3_u64),
        Draft::of(names::INBOUND_REFUSED)
            .with("reason", "unavailable")
            .with("inbounds", 2_u64),
        Draft::of(names::QUEUE_MEASURED).with("depth", 7_u64),
        Draft::of(names::QUEUE_WAITING)
            .with("priority", "timer")
            .with("waiting", 5_u64)
            .with("running", 2_u64)
            .with("oldest", second * 3),
        Draft::of(names::ADMISSION_CLOSED).with("reason", "queue"),
        Draft::of(names::ADMISSION_CLOSED).with("reason", "memory"),
        Draft::of(names::ADMISSION_OPENED).with("reason", "memory"),
        Draft::of(names::ADMISSION_REFUSED)
            .with("reason", "queue")
            .with("inbounds", 3_u64),
        Draft::of(names::TURN_CLAIMED).with("waited", second),
        Draft::of(names::TURN_COMMITTED)
            .with("outcome", "answered")
            .with("took", second),
        Draft::of(names::TURN_COMMITTED)
            .with("outcome", "refused")
            .with("took", second * 4),
        Draft::of(names::TURN_FAILED).with("took", second * 2),
        Draft::of(names::TURN_RETRIED)
            .with("port", "model")
            .with("class", "timeout")
            .with("delay", second * 20),
        Draft::of(names::TURN_DEAD)
            .with("class", "invalid")
            .with("inbounds", 2_u64),
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
        Draft::of(names::SPEECH_TRANSCRIBED)
            .with("outcome", "ok")
            .with("took", second),
        Draft::of(names::SPEECH_SYNTHESIZED)
            .with("outcome", "unavailable")
            .with("took", second * 3),
        Draft::of(names::ACCOUNTING_DRIFTED).with("inbounds", 2_u64),
        Draft::of(names::REQUEST_LIMITED),
        Draft::of(names::WEBHOOK_REFUSED),
        Draft::of(names::WEBHOOK_SKIPPED)
            .with("reason", "group")
            .with("items", 3_u64),
        Draft::of(names::DELIVERY_SENT),
        Draft::of(names::DELIVERY_RETRIED)
            .with("class", "unavailable")
            .with("delay", second * 5),
        Draft::of(names::CALL_RETRIED)
            .with("port", "tool")
            .with("class", "timeout")
            .with("delay", second / 4),
        Draft::of(names::IDEMPOTENCY_HIT),
        Draft::of(names::IDEMPOTENCY_MISS),
        Draft::of(names::IDEMPOTENCY_ERROR).with("reason", "running"),
        Draft::of(names::IDEMPOTENCY_ERROR).with("reason", "other_request"),
        Draft::of(names::IDEMPOTENCY_ERROR).with("reason", "store"),
        Draft::of(names::DELIVERY_IN_DOUBT),
        Draft::of(names::WAIT_OPENED).with("kind", "reply"),
        Draft::of(names::WAIT_SETTLED).with("state", "decided"),
        Draft::of(names::SESSION_ENDED).with("reason", "idle"),
        Draft::of(names::HOOK_FAILED)
            .with("hook", "before_reply")
            .with("class", "timeout"),
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
        ("zupa_inbound_total{result=\"refused\"}", 5.0),
        ("zupa_inbound_total{result=\"expired\"}", 0.0),
        ("zupa_queue_depth", 7.0),
        ("zupa_queue_waiting{priority=\"timer\"}", 5.0),
        ("zupa_queue_waiting{priority=\"person\"}", 0.0),
        ("zupa_queue_oldest_seconds{priority=\"timer\"}", 3.0),
        ("zupa_turns_in_flight{priority=\"timer\"}", 2.0),
        ("zupa_admission_closed{reason=\"queue\"}", 1.0),
        ("zupa_admission_closed{reason=\"memory\"}", 0.0),
        ("zupa_admission_refused_total{reason=\"queue\"}", 3.0),
        ("zupa_admission_refused_total{reason=\"cpu\"}", 0.0),
        ("zupa_queue_wait_seconds_count", 1.0),
        ("zupa_queue_wait_seconds_bucket{le=\"0.5\"}", 0.0),
        ("zupa_queue_wait_seconds_bucket{le=\"1.0\"}", 1.0),
        ("zupa_turns_total{outcome=\"committed\"}", 1.0),
        ("zupa_turns_total{outcome=\"refused\"}", 1.0),
        ("zupa_turns_total{outcome=\"retried\"}", 1.0),
        ("zupa_turns_total{outcome=\"dead\"}", 1.0),
        ("zupa_turn_duration_seconds_sum{outcome=\"committed\"}", 1.0),
        ("zupa_turn_duration_seconds_sum{outcome=\"failed\"}", 2.0),
        ("zupa_node_duration_seconds_count{node=\"recall\"}", 1.0),
        ("zupa_effects_total{kind=\"model\",outcome=\"ok\"}", 1.0),
        ("zupa_effects_total{kind=\"tool\",outcome=\"timeout\"}", 1.0),
        ("zupa_effect_duration_seconds_sum{kind=\"model\"}", 1.0),
        (
            "zupa_effects_total{kind=\"transcriber\",outcome=\"ok\"}",
            1.0,
        ),
        (
            "zupa_effects_total{kind=\"synthesizer\",outcome=\"unavailable\"}",
            1.0,
        ),
        (
            "zupa_effect_duration_seconds_sum{kind=\"synthesizer\"}",
            3.0,
        ),
        ("zupa_accounting_drift", 2.0),
        ("zupa_requests_limited_total", 1.0),
        ("zupa_webhook_refused_total", 1.0),
        ("zupa_webhook_skipped_total{reason=\"group\"}", 3.0),
        ("zupa_model_tokens_total{direction=\"input\"}", 120.0),
        ("zupa_model_tokens_total{direction=\"output\"}", 30.0),
        ("zupa_retries_total{port=\"model\",class=\"timeout\"}", 1.0),
        (
            "zupa_retries_total{port=\"channel\",class=\"unavailable\"}",
            1.0,
        ),
        ("zupa_retries_total{port=\"tool\",class=\"timeout\"}", 1.0),
        ("zupa_retry_delay_seconds_sum{port=\"model\"}", 20.0),
        ("zupa_retry_delay_seconds_sum{port=\"channel\"}", 5.0),
        (
            "zupa_retry_delay_seconds_bucket{le=\"0.25\",port=\"tool\"}",
            1.0,
        ),
        (
            "zupa_idempotency_total{layer=\"message\",result=\"hit\"}",
            1.0,
        ),
        (
            "zupa_idempotency_total{layer=\"message\",result=\"miss\"}",
            2.0,
        ),
        (
            "zupa_idempotency_total{layer=\"message\",result=\"error\"}",
            2.0,
        ),
        (
            "zupa_idempotency_total{layer=\"message\",result=\"conflict\"}",
            0.0,
        ),
        (
            "zupa_idempotency_total{layer=\"request\",result=\"hit\"}",
            1.0,
        ),
        (
            "zupa_idempotency_total{layer=\"request\",result=\"miss\"}",
            1.0,
        ),
        (
            "zupa_idempotency_total{layer=\"request\",result=\"conflict\"}",
            2.0,
        ),
        (
            "zupa_idempotency_total{layer=\"request\",result=\"error\"}",
            1.0,
        ),
        ("zupa_dead_letters_total{class=\"invalid\"}", 2.0),
        ("zupa_deliveries_total{outcome=\"sent\"}", 1.0),
        ("zupa_deliveries_total{outcome=\"retried\"}", 1.0),
        ("zupa_deliveries_total{outcome=\"in_doubt\"}", 1.0),
        ("zupa_waits_opened_total{kind=\"reply\"}", 1.0),
        ("zupa_waits_settled_total{state=\"decided\"}", 1.0),
        ("zupa_sessions_ended_total{reason=\"idle\"}", 1.0),
        (
            "zupa_hooks_failed_total{hook=\"before_reply\",class=\"timeout\"}",
            1.0,
        ),
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
async fn what_stands_is_read_at_the_scrape() {
    let app = App::new();
    let scraped = samples(&app.get("/metrics").await.text);
    let breaker = |name: &str| scraped.get(&format!("{name}{{breaker=\"model/scripted\"}}"));
    assert_eq!(breaker("zupa_breaker_state"), Some(&0.0));
    assert_eq!(breaker("zupa_breaker_failure_ratio"), Some(&0.5));
    assert_eq!(breaker("zupa_breaker_opened_total"), Some(&0.0));
    assert_eq!(breaker("zupa_breaker_next_probe_seconds"), None);
    for (result, count) in [("succeeded", 2.0), ("failed", 2.0), ("refused", 0.0)] {
        let series =
            format!("zupa_breaker_calls_total{{breaker=\"model/scripted\",result=\"{result}\"}}");
        assert_eq!(scraped.get(&series), Some(&count), "{series}");
    }
    assert!(!scraped.keys().any(|series| series.contains("pending")));
    let phone = "zupa_channel_state{channel=\"phone\",kind=\"wwebjs-bridge\"}";
    assert_eq!(scraped.get(phone), Some(&3.0));
    let main = "zupa_channel_state{channel=\"main\",kind=\"web-chat\"}";
    assert_eq!(scraped.get(main), Some(&0.0));
    app.phone.send_modify(|status| {
        status.state = State::Blocked("tos_block");
        status.starts = 2;
    });

    let letters = [
        (DeadLetterState::Pending, "timeout", 100),
        (DeadLetterState::Pending, "timeout", 60),
        (DeadLetterState::Pending, "invalid", 10),
        (DeadLetterState::Discarded, "crashed", 900),
    ];
    let letters = letters.map(|(state, class, seconds)| {
        let mut view = letter(1, class);
        view.letter.state = state;
        view.letter.first_failed_at = NOW.minus(Duration::from_secs(seconds));
        view
    });
    app.desk.dead_letters.lock().unwrap().extend(letters);
    let key = "key-of-sixteen-characters".parse().unwrap();
    let body = r#"{"name":"model/scripted"}"#;
    let mut open = as_operator(post("/api/v1/breakers/open", body));
    open.headers_mut().insert("idempotency-key", key);
    assert_eq!(app.send(open).await.status, 200);
    let scraped = samples(&app.get("/metrics").await.text);
    for (series, value) in [
        ("zupa_breaker_state{breaker=\"model/scripted\"}", 2.0),
        (phone, 4.0),
        ("zupa_channel_starts_total{channel=\"phone\"}", 2.0),
        ("zupa_dead_letters_pending{class=\"timeout\"}", 2.0),
        ("zupa_dead_letters_pending{class=\"invalid\"}", 1.0),
        ("zupa_dead_letters_oldest_seconds{class=\"timeout\"}", 100.0),
        ("zupa_dead_letters_oldest_seconds{class=\"invalid\"}", 10.0),
    ] {
        assert_eq!(scraped.get(series), Some(&value), "{series}");
    }
    assert!(!scraped.keys().any(|series| series.contains("crashed")));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_costs_its_own_figures_alone() {
    let app = App::new();
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    let failing = samples(&app.get("/metrics").await.text);
    *app.desk.fails.lock().unwrap() = None;
    app.desk.hangs.store(true, Ordering::SeqCst);
    let hanging = samples(&app.get("/metrics").await.text);
    for scraped in [failing, hanging] {
        assert!(scraped.contains_key("zupa_queue_depth"));
        let of_desk = |series: &String| series.contains("dead_letters");
        assert!(!scraped.keys().any(of_desk));
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
