//! Reads what strace saw, and checks that nothing is acknowledged before it is
//! on disk.
//!
//! The lines of a trace are in the order of cause and effect: a thread that is
//! stopped at a call goes on only after the line was written. So the number of
//! a line is its time.

use std::collections::{BTreeMap, HashMap};

/// What a traced server did with its log and its sockets, in order.
#[derive(Debug, Default)]
pub struct Trace {
    frames: Vec<Frame>,
    syncs: Vec<Sync>,
    acks: Vec<Ack>,
    failed_syncs: usize,
}

/// A page written to the log, with the header before it.
#[derive(Debug)]
struct Frame {
    written: usize,
    /// True on the last page of a transaction.
    commits: bool,
}

/// A flush of the log that went well.
#[derive(Debug)]
struct Sync {
    begun: usize,
    done: usize,
}

/// A 202 on its way out.
#[derive(Debug)]
struct Ack {
    begun: usize,
    id: String,
}

/// What the checker found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub acknowledged: usize,
    pub violations: Vec<String>,
}

/// Reads a trace. Ids are told by their prefix and five digits, as in
/// `<prefix>-00042`.
#[derive(Debug)]
pub struct Reader<'a> {
    prefix: &'a str,
    trace: Trace,
    /// The last frame header of the log, and whether it commits.
    header: Option<bool>,
    /// In which frame an id was first written.
    written: HashMap<String, usize>,
    /// Calls that have begun and not ended, by thread.
    open: HashMap<&'a str, (usize, &'a str)>,
}

impl<'a> Reader<'a> {
    pub fn new(prefix: &'a str) -> Self {
        Self {
            prefix,
            trace: Trace::default(),
            header: None,
            written: HashMap::new(),
            open: HashMap::new(),
        }
    }

    /// Judges a whole trace.
    pub fn judge(mut self, text: &'a str) -> Verdict {
        for (time, line) in text.lines().enumerate() {
            self.line(time, line);
        }
        self.verdict()
    }

    /// Judges the trace of a server that finds the messages in its log: what an
    /// earlier process wrote must be flushed once before anything is said of it.
    pub fn judge_found(mut self, text: &'a str) -> Verdict {
        for (time, line) in text.lines().enumerate() {
            self.line(time, line);
        }
        let first = self.trace.syncs.iter().map(|sync| sync.done).min();
        let mut verdict = Verdict::default();
        for Ack { begun, id } in self.trace.acks {
            verdict.acknowledged += 1;
            if first.is_none_or(|first| first > begun) {
                let why = "the log was not flushed yet";
                verdict
                    .violations
                    .push(format!("{id}, line {begun}: {why}"));
            }
        }
        verdict
    }

    /// How many flushes of the log failed, by injection or truly.
    pub fn failed_syncs(text: &str) -> usize {
        let mut reader = Reader::new("-");
        for (time, line) in text.lines().enumerate() {
            reader.line(time, line);
        }
        reader.trace.failed_syncs
    }

    /// `thread time call(arguments) = result`, or the two halves of it.
    fn line(&mut self, time: usize, line: &'a str) {
        let Some((thread, call)) = line
            .split_once(' ')
            .and_then(|(thread, rest)| Some((thread, rest.trim_start().split_once(' ')?.1)))
        else {
            return;
        };
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            self.begins(time, begun);
            self.open.insert(thread, (time, begun));
        } else if call.starts_with("<... ") {
            if let Some((begun, first)) = self.open.remove(thread) {
                self.ends(begun, time, first, call);
            }
        } else {
            self.begins(time, call);
            self.ends(time, time, call, call);
        }
    }

    /// A message counts as sent when its sending begins.
    fn begins(&mut self, time: usize, call: &str) {
        if call.contains("<TCP:") && call.contains("\"HTTP/1.1 202 ") {
            for id in ids(call, self.prefix) {
                self.trace.acks.push(Ack {
                    begun: time,
                    id: id.to_owned(),
                });
            }
        }
    }

    /// A page counts as written when its writing has ended.
    fn ends(&mut self, begun: usize, done: usize, call: &str, end: &str) {
        if !call.contains("-wal>") {
            return;
        }
        let good = end
            .rsplit_once(" = ")
            .is_some_and(|(_, result)| !result.starts_with('-') && !result.starts_with('?'));
        if call.starts_with("fdatasync(") || call.starts_with("fsync(") {
            if good {
                self.trace.syncs.push(Sync { begun, done });
            } else {
                self.trace.failed_syncs += 1;
            }
            return;
        }
        if !call.starts_with("pwrite64(") || !good {
            return;
        }
        match size(call) {
            Some(24) => self.header = Some(commits(call)),
            Some(size) if size >= 512 => {
                let number = self.trace.frames.len();
                self.trace.frames.push(Frame {
                    written: done,
                    commits: self.header.take().unwrap_or(false),
                });
                for id in ids(call, self.prefix) {
                    if !self.written.contains_key(id) {
                        self.written.insert(id.to_owned(), number);
                    }
                }
            }
            _ => {}
        }
    }

    fn verdict(self) -> Verdict {
        let Self { trace, written, .. } = self;
        let mut verdict = Verdict::default();
        // Flushes by their end: the first that ended after a page was written
        // is a candidate, and it must have begun after it, too.
        let syncs: BTreeMap<usize, usize> = trace
            .syncs
            .iter()
            .map(|sync| (sync.begun, sync.done))
            .collect();
        for ack in &trace.acks {
            verdict.acknowledged += 1;
            let commit = written
                .get(&ack.id)
                .and_then(|frame| trace.frames[*frame..].iter().find(|frame| frame.commits));
            let flushed = commit.and_then(|commit| {
                let after = syncs.range(commit.written + 1..);
                after.map(|(_, done)| *done).min_by_key(|done| *done)
            });
            let why = match (commit, flushed) {
                (None, _) => "its transaction was never in the log",
                (Some(_), None) => "its transaction was never flushed",
                (Some(_), Some(flushed)) if flushed > ack.begun => "it was flushed only later",
                (Some(_), Some(_)) => continue,
            };
            let Ack { begun, id } = ack;
            verdict
                .violations
                .push(format!("{id}, line {begun}: {why}"));
        }
        verdict
    }
}

/// The third argument from the end of the text: how many bytes were written.
fn size(call: &str) -> Option<usize> {
    let arguments = call.rsplit_once(") = ").map_or(call, |(before, _)| before);
    arguments.rsplit(", ").nth(1)?.parse().ok()
}

/// The second word of a frame's header: the size of the database after a
/// commit, 0 on all other frames.
fn commits(call: &str) -> bool {
    let Some((_, text)) = call.split_once(", \"") else {
        return false;
    };
    bytes(text).skip(4).take(4).any(|byte| byte != 0)
}

/// The bytes of a C string, up to its closing quote.
fn bytes(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.bytes().peekable();
    std::iter::from_fn(move || match rest.next()? {
        b'"' => None,
        b'\\' => Some(match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 11,
            b'f' => 12,
            digit @ b'0'..=b'7' => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    match rest.peek() {
                        Some(digit @ b'0'..=b'7') => value = value * 8 + u32::from(digit - b'0'),
                        _ => break,
                    }
                    rest.next();
                }
                u8::try_from(value).unwrap_or(255)
            }
            other => other,
        }),
        byte => Some(byte),
    })
}

/// Every id in a line.
fn ids<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(prefix).filter_map(move |(at, _)| {
        let id = text.get(at..at + prefix.len() + 6)?;
        let number = &id[prefix.len()..];
        let whole = number.starts_with('-') && number[1..].bytes().all(|b| b.is_ascii_digit());
        whole.then_some(id)
    })
}
