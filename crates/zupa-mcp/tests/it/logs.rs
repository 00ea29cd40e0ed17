//! Everything that is logged while the tests run, by whomever.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::KEY;

/// rmcp writes whole messages at level debug and trace, so the binary must not
/// show these. From level info on even rmcp has to be discreet.
const TALKATIVE: &str = "rmcp";

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();

pub fn capture() {
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Capture).unwrap());
}

#[track_caller]
pub fn assert_discreet() {
    for line in LINES.lock().unwrap().iter() {
        assert!(!line.contains("canary") && !line.contains(KEY), "{line}");
    }
}

#[test]
fn the_capture_sees_what_is_logged() {
    capture();
    tracing::trace!(value = "a line of the test itself");
    let lines = LINES.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("of the test itself")));
}

struct Capture;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

fn keep(record: impl FnOnce(&mut Line)) {
    let mut line = Line(String::new());
    record(&mut line);
    LINES.lock().unwrap().push(line.0);
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_talkative = metadata.target().split("::").next() == Some(TALKATIVE);
        !is_talkative || *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        keep(|line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        keep(|line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        keep(|line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
