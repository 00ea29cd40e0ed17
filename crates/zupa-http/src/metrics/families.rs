//! The figures and their names. `docs/metrics.md` lists them; a test compares the two.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// One label, of a word of the program.
pub(super) type By = [(&'static str, &'static str); 1];
/// Two of them.
pub(super) type ByTwo = [(&'static str, &'static str); 2];
/// One label, of a name out of a graph.
pub(super) type ByName = [(&'static str, String); 1];

pub(super) type Counters<L> = Family<L, Counter>;
pub(super) type Gauges<L> = Family<L, Gauge>;
/// A gauge of seconds.
pub(super) type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Every figure that events change.
pub(super) struct Families {
    pub inbound: Counters<By>,
    pub news_expired: Counter,
    pub idempotency: Counters<ByTwo>,
    pub queue_depth: Gauge,
    pub queue_stuck: Gauge,
    pub queue_wait: Histogram,
    pub queue_waiting: Gauges<By>,
    pub queue_oldest: Family<By, Seconds>,
    pub turns_in_flight: Gauges<By>,
    pub admission_closed: Gauges<By>,
    pub admission_refused: Counters<By>,
    pub requests_limited: Counter,
    pub webhook_refused: Counter,
    pub webhook_skipped: Counters<By>,
    pub accounting_drift: Gauge,
    pub turns: Counters<By>,
    pub turn_duration: Histograms<By>,
    pub node_duration: Histograms<ByName>,
    /// Nodes that have figures of their own.
    pub nodes: Vec<String>,
    pub effects: Counters<ByTwo>,
    pub effect_duration: Histograms<By>,
    pub model_tokens: Counters<By>,
    pub retries: Counters<ByTwo>,
    pub retry_delay: Histograms<By>,
    pub dead_letters: Counters<By>,
    pub deliveries: Counters<By>,
    pub waits_opened: Counters<By>,
    pub waits_settled: Counters<By>,
    pub sessions_ended: Counters<By>,
    pub hooks_failed: Counters<ByTwo>,
    pub recovery_turns: Counter,
    pub recovery: Seconds,
    pub store_batches: Counters<By>,
    pub store_batch_size: Histogram,
    pub store_commit: Histogram,
}

impl Families {
    #[rustfmt::skip]
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            inbound: Family::default(),
            news_expired: Counter::default(),
            idempotency: Family::default(),
            queue_depth: Gauge::default(),
            queue_stuck: Gauge::default(),
            queue_wait: seconds(),
            queue_waiting: Family::default(),
            queue_oldest: Family::default(),
            turns_in_flight: Family::default(),
            admission_closed: Family::default(),
            admission_refused: Family::default(),
            requests_limited: Counter::default(),
            webhook_refused: Counter::default(),
            webhook_skipped: Family::default(),
            accounting_drift: Gauge::default(),
            turns: Family::default(),
            turn_duration: Family::new_with_constructor(seconds),
            node_duration: Family::new_with_constructor(seconds),
            nodes: Vec::new(),
            effects: Family::default(),
            effect_duration: Family::new_with_constructor(seconds),
            model_tokens: Family::default(),
            retries: Family::default(),
            retry_delay: Family::new_with_constructor(seconds),
            dead_letters: Family::default(),
            deliveries: Family::default(),
            waits_opened: Family::default(),
            waits_settled: Family::default(),
            sessions_ended: Family::default(),
            hooks_failed: Family::default(),
            recovery_turns: Counter::default(),
            recovery: Gauge::default(),
            store_batches: Family::default(),
            store_batch_size: sizes(),
            store_commit: seconds(),
        };
        let all = &families;
        registry.register("inbound", "Messages that came in, by what became of them", all.inbound.clone());
        registry.register("news_expired", "Statuses, edits and revokes forgotten because their message has not come", all.news_expired.clone());
        registry.register("idempotency", "Keys that were looked up, by whether they were known", all.idempotency.clone());
        registry.register("queue_depth", "Messages that wait in the store, for all processes", all.queue_depth.clone());
        registry.register("queue_stuck", "Conversations that are due for too long with nobody at work on them, at most 100", all.queue_stuck.clone());
        registry.register_with_unit("queue_wait", "From the acceptance of a turn's oldest message to a start of the turn", Unit::Seconds, all.queue_wait.clone());
        registry.register("queue_waiting", "Conversations that wait for a turn in this process, by priority", all.queue_waiting.clone());
        registry.register_with_unit("queue_oldest", "How long the one that waits for longest does, by priority", Unit::Seconds, all.queue_oldest.clone());
        registry.register("turns_in_flight", "Turns that run in this process, by priority", all.turns_in_flight.clone());
        registry.register("admission_closed", "Whether doors are told to come back, by reason", all.admission_closed.clone());
        registry.register("admission_refused", "Messages turned away because of it, by reason", all.admission_refused.clone());
        registry.register("requests_limited", "Requests turned away because their client makes too many", all.requests_limited.clone());
        registry.register("webhook_refused", "Requests to webhooks that were not proved to be the platform's", all.webhook_refused.clone());
        registry.register("webhook_skipped", "Items posted to webhooks that are not for us, by reason", all.webhook_skipped.clone());
        registry.register("accounting_drift", "Messages by which the accounting does not balance", all.accounting_drift.clone());
        registry.register("turns", "Runs of turns that have ended, by how", all.turns.clone());
        registry.register_with_unit("turn_duration", "From a run's start to its written end", Unit::Seconds, all.turn_duration.clone());
        registry.register_with_unit("node_duration", "Runs of nodes of the graph", Unit::Seconds, all.node_duration.clone());
        registry.register("effects", "Calls of models, tools and speech services, by how they ended", all.effects.clone());
        registry.register_with_unit("effect_duration", "Calls of models, tools and speech services", Unit::Seconds, all.effect_duration.clone());
        registry.register("model_tokens", "Tokens that the provider has counted", all.model_tokens.clone());
        registry.register("retries", "Tries that failed and will be made again, by port and kind of error", all.retries.clone());
        registry.register_with_unit("retry_delay", "From a try that failed to the next, by port", Unit::Seconds, all.retry_delay.clone());
        registry.register("dead_letters", "Messages that gave up, by kind of error", all.dead_letters.clone());
        registry.register("deliveries", "Attempts to send, and doubts settled, by outcome", all.deliveries.clone());
        registry.register("waits_opened", "Questions that turns wait for, by kind", all.waits_opened.clone());
        registry.register("waits_settled", "Questions that turns have taken up or given up, by state", all.waits_settled.clone());
        registry.register("sessions_ended", "Sessions that have ended, by reason", all.sessions_ended.clone());
        registry.register("hooks_failed", "Hooks of the agent that have failed, by hook and kind of error", all.hooks_failed.clone());
        registry.register("recovery_turns", "Turns that were running at the last end and run again", all.recovery_turns.clone());
        registry.register_with_unit("recovery", "What mending the store took at the start", Unit::Seconds, all.recovery.clone());
        registry.register("store_batches", "Batches handed to the store, by how it went", all.store_batches.clone());
        registry.register("store_batch_size", "Writes in one batch", all.store_batch_size.clone());
        registry.register_with_unit("store_commit", "Commits of one batch", Unit::Seconds, all.store_commit.clone());
        families.begin();
        families
    }

    /// Figures that everybody watches are there before the first of their events.
    fn begin(&self) {
        let zero = |counters: &Counters<By>, label, words: &[&'static str]| {
            for word in words {
                drop(counters.get_or_create(&[(label, *word)]));
            }
        };
        let results = [
            "accepted",
            "duplicate",
            "conflict",
            "revoked",
            "expired",
            "refused",
        ];
        zero(&self.inbound, "result", &results);
        let outcomes = ["committed", "refused", "retried", "split", "dead", "lost"];
        zero(&self.turns, "outcome", &outcomes);
        let outcomes = [
            "sent",
            "retried",
            "failed",
            "in_doubt",
            "sent_again",
            "doubled",
            "unknown",
        ];
        zero(&self.deliveries, "outcome", &outcomes);
        for result in ["hit", "miss", "conflict", "error"] {
            for layer in ["message", "request"] {
                let by = [("layer", layer), ("result", result)];
                drop(self.idempotency.get_or_create(&by));
            }
        }
        zero(&self.model_tokens, "direction", &["input", "output"]);
        let reasons = ["backlog", "queue", "cpu", "memory"];
        zero(&self.admission_refused, "reason", &reasons);
        for reason in ["queue", "cpu", "memory"] {
            drop(self.admission_closed.get_or_create(&[("reason", reason)]));
        }
        for priority in ["person", "timer", "retry"] {
            let by = [("priority", priority)];
            drop(self.queue_waiting.get_or_create(&by));
            drop(self.queue_oldest.get_or_create(&by));
            drop(self.turns_in_flight.get_or_create(&by));
        }
    }
}

/// From a thousandth of a second to two minutes, the longest that a turn has.
fn seconds() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
    ])
}

/// Up to the most that a batch holds.
fn sizes() -> Histogram {
    Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0])
}
