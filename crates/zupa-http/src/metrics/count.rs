//! From events to figures.

use std::time::Duration;

use zupa_core::bus::{Event, Label, Name, names};

use super::families::Families;

/// Nodes that have figures of their own; those beyond share one. Names come out of a
/// graph, so their number is not ours to bound.
const NODES: usize = 40;
/// The word for those beyond, and for a word that an event lacks.
const OTHER: &str = "other";

impl Families {
    /// Counts an event, if it is one that counts.
    pub(super) fn take(&mut self, event: &Event) {
        let word = |key| event.payload.word(key).unwrap_or(OTHER);
        let number = |key| event.payload.number(key).unwrap_or_default();
        let took = || event.payload.time("took").unwrap_or_default().as_secs_f64();
        match event.name {
            names::INBOUND_REFUSED => {
                let refused = [("result", "refused")];
                self.inbound
                    .get_or_create(&refused)
                    .inc_by(number("inbounds"));
                // What is refused at the door is not looked up.
                if matches!(word("reason"), "timeout" | "unavailable") {
                    self.looked_up("message", "error", number("inbounds"));
                }
            }
            names::INBOUND_ACCEPTED
            | names::INBOUND_DUPLICATE
            | names::INBOUND_CONFLICT
            | names::INBOUND_REVOKED
            | names::INBOUND_EXPIRED => {
                let result = [("result", event.name.name())];
                self.inbound.get_or_create(&result).inc();
                let known = match event.name {
                    names::INBOUND_DUPLICATE => "hit",
                    names::INBOUND_CONFLICT => "conflict",
                    _ => "miss",
                };
                self.looked_up("message", known, 1);
            }
            names::NEWS_EXPIRED => {
                self.news_expired.inc_by(number("news"));
            }
            names::IDEMPOTENCY_HIT => self.looked_up("request", "hit", 1),
            names::IDEMPOTENCY_MISS => self.looked_up("request", "miss", 1),
            names::IDEMPOTENCY_ERROR => match word("reason") {
                "other_request" | "running" => self.looked_up("request", "conflict", 1),
                _ => self.looked_up("request", "error", 1),
            },
            names::QUEUE_MEASURED => {
                let depth = i64::try_from(number("depth")).unwrap_or(i64::MAX);
                self.queue_depth.set(depth);
            }
            names::QUEUE_WAITING => {
                let by = [("priority", word("priority"))];
                let gauge = |key| i64::try_from(number(key)).unwrap_or(i64::MAX);
                let oldest = event.payload.time("oldest").unwrap_or_default();
                self.queue_waiting.get_or_create(&by).set(gauge("waiting"));
                self.turns_in_flight
                    .get_or_create(&by)
                    .set(gauge("running"));
                self.queue_oldest
                    .get_or_create(&by)
                    .set(oldest.as_secs_f64());
            }
            names::ADMISSION_CLOSED | names::ADMISSION_OPENED => {
                let reason = [("reason", word("reason"))];
                let closed = event.name == names::ADMISSION_CLOSED;
                self.admission_closed
                    .get_or_create(&reason)
                    .set(closed.into());
            }
            names::ADMISSION_REFUSED => {
                let reason = [("reason", word("reason"))];
                let refused = self.admission_refused.get_or_create(&reason);
                refused.inc_by(number("inbounds"));
            }
            names::QUEUE_STUCK => {
                let stuck = i64::try_from(number("conversations")).unwrap_or(i64::MAX);
                self.queue_stuck.set(stuck);
            }
            names::ACCOUNTING_DRIFTED => {
                let inbounds = i64::try_from(number("inbounds")).unwrap_or(i64::MAX);
                self.accounting_drift.set(inbounds);
            }
            names::REQUEST_LIMITED => {
                self.requests_limited.inc();
            }
            names::WEBHOOK_REFUSED => {
                self.webhook_refused.inc();
            }
            names::WEBHOOK_SKIPPED => {
                let by = [("reason", word("reason"))];
                self.webhook_skipped
                    .get_or_create(&by)
                    .inc_by(number("items"));
            }
            names::TURN_CLAIMED => {
                let waited = event.payload.time("waited").unwrap_or_default();
                self.queue_wait.observe(Duration::as_secs_f64(&waited));
            }
            names::TURN_COMMITTED => {
                // Nothing of it was run.
                let outcome = match word("outcome") {
                    "refused" => "refused",
                    _ => "committed",
                };
                self.turn_ended(outcome);
                let outcome = [("outcome", outcome)];
                self.turn_duration.get_or_create(&outcome).observe(took());
            }
            names::TURN_FAILED => {
                let outcome = [("outcome", "failed")];
                self.turn_duration.get_or_create(&outcome).observe(took());
            }
            names::TURN_RETRIED => {
                self.turn_ended(event.name.name());
                self.retried(word("port"), event);
            }
            names::CALL_RETRIED => self.retried(word("port"), event),
            names::TURN_DEAD => {
                self.turn_ended(event.name.name());
                let class = [("class", word("class"))];
                let dead = self.dead_letters.get_or_create(&class);
                dead.inc_by(number("inbounds"));
            }
            names::TURN_SPLIT | names::TURN_LOST => self.turn_ended(event.name.name()),
            names::NODE_TRANSITION => {
                let node = event.payload.label("node").map_or(OTHER, Label::as_str);
                let node = [("node", self.node(node))];
                self.node_duration.get_or_create(&node).observe(took());
            }
            names::MODEL_CALLED => {
                self.effect("model", word("outcome"), took());
                for (key, direction) in [("input_tokens", "input"), ("output_tokens", "output")] {
                    let direction = [("direction", direction)];
                    let tokens = self.model_tokens.get_or_create(&direction);
                    tokens.inc_by(number(key));
                }
            }
            names::TOOL_CALLED => self.effect("tool", word("outcome"), took()),
            names::SPEECH_TRANSCRIBED => self.effect("transcriber", word("outcome"), took()),
            names::SPEECH_SYNTHESIZED => self.effect("synthesizer", word("outcome"), took()),
            names::DELIVERY_RETRIED => {
                self.retried("channel", event);
                self.delivery(event.name);
            }
            names::DELIVERY_SENT
            | names::DELIVERY_FAILED
            | names::DELIVERY_IN_DOUBT
            | names::DELIVERY_SENT_AGAIN
            | names::DELIVERY_DOUBLED
            | names::DELIVERY_UNKNOWN => self.delivery(event.name),
            names::WAIT_OPENED => {
                let kind = [("kind", word("kind"))];
                self.waits_opened.get_or_create(&kind).inc();
            }
            names::WAIT_SETTLED => {
                let state = [("state", word("state"))];
                self.waits_settled.get_or_create(&state).inc();
            }
            names::SESSION_ENDED => {
                let reason = [("reason", word("reason"))];
                self.sessions_ended.get_or_create(&reason).inc();
            }
            names::HOOK_FAILED => {
                let by = [("hook", word("hook")), ("class", word("class"))];
                self.hooks_failed.get_or_create(&by).inc();
            }
            names::RUNTIME_RECOVERED => {
                self.recovery_turns.inc_by(number("turns"));
                self.recovery.set(took());
            }
            names::STORE_BATCH => {
                let outcome = [("outcome", word("outcome"))];
                self.store_batches.get_or_create(&outcome).inc();
                self.store_batch_size.observe(number("size") as f64);
                self.store_commit.observe(took());
            }
            _ => {}
        }
    }

    fn looked_up(&self, layer: &'static str, result: &'static str, keys: u64) {
        let by = [("layer", layer), ("result", result)];
        self.idempotency.get_or_create(&by).inc_by(keys);
    }

    fn retried(&self, port: &'static str, event: &Event) {
        let class = event.payload.word("class").unwrap_or(OTHER);
        let by = [("port", port), ("class", class)];
        self.retries.get_or_create(&by).inc();
        let delay = event.payload.time("delay").unwrap_or_default();
        let port = [("port", port)];
        let delays = self.retry_delay.get_or_create(&port);
        delays.observe(delay.as_secs_f64());
    }

    fn turn_ended(&self, how: &'static str) {
        let outcome = [("outcome", how)];
        self.turns.get_or_create(&outcome).inc();
    }

    fn delivery(&self, how: Name) {
        let outcome = [("outcome", how.name())];
        self.deliveries.get_or_create(&outcome).inc();
    }

    fn effect(&self, kind: &'static str, outcome: &'static str, took: f64) {
        let ended = [("kind", kind), ("outcome", outcome)];
        self.effects.get_or_create(&ended).inc();
        let kind = [("kind", kind)];
        self.effect_duration.get_or_create(&kind).observe(took);
    }

    /// The name under which a node is counted.
    fn node(&mut self, name: &str) -> String {
        if !self.nodes.iter().any(|known| known == name) {
            if self.nodes.len() == NODES {
                return OTHER.to_owned();
            }
            self.nodes.push(name.to_owned());
        }
        name.to_owned()
    }
}
