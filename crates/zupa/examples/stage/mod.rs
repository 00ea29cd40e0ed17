//! What both examples are played on: the agent in a process of its own, people who
//! write to it through pipes, and somebody who kills it with SIGKILL again and again.
//!
//! The people know nothing of the kills: what was not acknowledged they write again,
//! under the same id.

#![allow(
    clippy::disallowed_methods,
    reason = "who kills does it by the clock; the agent itself reads none"
)]

mod meter;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use zupa::core::{Address, Alias, ChannelId, Content, Desk, Inbound, Number, PlatformId, TenantId};
use zupa::runtime::{Agent, NullChannel, Runtime, Script, ScriptedModel};
use zupa::sqlite::{SqliteConfig, SqliteStore};

pub use meter::paid;
use meter::{Meter, Metered};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What somebody writes, and what the answer has to hold before the next line.
pub type Line = (&'static str, &'static str);

fn address(who: &str) -> Outcome<Address> {
    Ok(Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("counter")?,
        alias: Alias::parse(who)?,
    })
}

/// The agent's process: messages come in on standard input, one a line (`who`, id and
/// text, between tabs); acknowledgements and committed lines go out on standard output.
pub async fn serve(folder: &Path, people: usize, agent: Agent, script: &str) -> Outcome<()> {
    let store = SqliteStore::open(SqliteConfig::at(folder.join("store.db"))).await?;
    let store = Arc::new(store);
    let model = ScriptedModel::new(Script::parse(script)?)?;
    let model = Meter::begin(folder, model, store.as_ref()).await?;
    let counter = address("anybody")?;
    let door = NullChannel::new(counter.channel, counter.tenant);
    let runtime = Runtime::builder(store.clone(), Arc::new(model), agent)
        .channel(Arc::new(door))
        .edit(|graph| graph.wrap("call_model", |inner| Arc::new(Metered(inner))))
        .start()
        .await?;
    println!("ready");
    tokio::spawn(show(store, people));
    let mut messages = messages();
    while let Some(message) = messages.recv().await {
        let mut parts = message.splitn(3, '\t');
        let (Some(who), Some(id), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let mut inbound = Inbound::new(address(who)?, Content::text(text));
        inbound.platform_id = Some(PlatformId::parse(id)?);
        let told = runtime.intake().deliver(inbound.into()).await;
        if told.is_ok_and(|told| told.iter().all(Result::is_ok)) {
            println!("ack\t{id}");
        }
    }
    runtime.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

fn messages() -> tokio::sync::mpsc::Receiver<String> {
    let (sender, messages) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    messages
}

/// Shows what is committed. A restart shows it again, under the same number.
async fn show(store: Arc<SqliteStore>, people: usize) -> Outcome<()> {
    let mut seen = vec![Number(0); people];
    loop {
        for (person, seen) in seen.iter_mut().enumerate() {
            let who = format!("person{person}");
            for line in store.lines(&address(&who)?, *seen, 100).await? {
                *seen = line.number;
                println!(
                    "line\t{who}\t{}\t{}",
                    line.number,
                    line.text.replace('\n', " ")
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How an evening is played.
pub struct Play<'a> {
    pub folder: &'a Path,
    pub people: usize,
    pub lines: &'a [Line],
    /// How often the process is killed.
    pub kills: u32,
    pub seed: u64,
}

/// How long nobody may read anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many people are there at a time.
const AT_ONCE: usize = 3;

/// What everybody read in the end, in order, by person.
pub type Read = BTreeMap<String, Vec<String>>;

impl Play<'_> {
    /// Plays it to the end; a few people at a time.
    pub fn run(&self) -> Outcome<Read> {
        let mut read: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
        let mut said = vec![0_usize; self.people];
        let mut dice = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut kills = 0;
        while self.is_on(&said) {
            let mut process = Process::start(self)?;
            // From its start on; longer than the longest thing that is done in one piece, so
            // that nobody is taken for the cause of the deaths.
            let life = Duration::from_millis(150 + random(&mut dice, 300));
            let death = (kills < self.kills).then(|| Instant::now() + life);
            let mut patience = Instant::now() + PATIENCE;
            let mut told = vec![usize::MAX; self.people];
            while self.is_on(&said) && death.is_none_or(|death| Instant::now() < death) {
                let here = (0..self.people).filter(|person| said[*person] < self.lines.len());
                for person in here.take(AT_ONCE) {
                    if told[person] != said[person] {
                        told[person] = said[person];
                        process.say(person, said[person], self.lines[said[person]].0);
                    }
                }
                if Instant::now() > patience {
                    let person = said.iter().position(|said| *said < self.lines.len());
                    let who = format!("person{}", person.unwrap_or_default());
                    return Err(format!("nothing goes on: {who} read {:#?}", read.get(&who)).into());
                }
                if let Some((who, number, text)) = process.line()? {
                    read.entry(who).or_default().insert(number, text);
                    patience = Instant::now() + PATIENCE;
                    self.go_on(&mut said, &read);
                }
            }
            kills += u32::from(death.is_some());
            process.kill();
        }
        if kills < self.kills {
            return Err(format!("all was over after {kills} kills: take more people").into());
        }
        let texts =
            |(who, lines): (String, BTreeMap<u64, String>)| (who, lines.into_values().collect());
        Ok(read.into_iter().map(texts).collect())
    }

    fn is_on(&self, said: &[usize]) -> bool {
        said.iter().any(|said| *said < self.lines.len())
    }

    /// Whoever has read what was waited for says the next line.
    fn go_on(&self, said: &mut [usize], read: &BTreeMap<String, BTreeMap<u64, String>>) {
        for (person, said) in said.iter_mut().enumerate() {
            let Some(lines) = read.get(&format!("person{person}")) else {
                continue;
            };
            while let Some((own, wanted)) = self.lines.get(*said) {
                let own = lines
                    .iter()
                    .find(|(_, text)| text == own)
                    .map(|(number, _)| *number);
                let answered = own.is_some_and(|own| {
                    lines
                        .range(own + 1..)
                        .any(|(_, text)| text.contains(wanted))
                });
                if !answered {
                    break;
                }
                *said += 1;
            }
        }
    }
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Process {
    fn start(play: &Play<'_>) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(play.folder)
            .arg(play.people.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no standard input")?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        if lines.recv_timeout(Duration::from_secs(60))? != "ready" {
            return Err("the process did not start".into());
        }
        Ok(Self {
            child,
            stdin,
            lines,
        })
    }

    /// A process that is gone hears nothing, and is told again by the next.
    fn say(&mut self, person: usize, line: usize, text: &str) {
        let _ = writeln!(self.stdin, "person{person}\tperson{person}-{line}\t{text}");
    }

    fn line(&mut self) -> Outcome<Option<(String, u64, String)>> {
        let line = match self.lines.recv_timeout(Duration::from_millis(10)) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err("the process ended by itself".into()),
        };
        let parts: Vec<_> = line.splitn(4, '\t').collect();
        let ["line", who, number, text] = parts[..] else {
            return Ok(None);
        };
        Ok(Some((who.to_owned(), number.parse()?, text.to_owned())))
    }

    fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From 1 to `most`.
fn random(dice: &mut u64, most: u64) -> u64 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice % most + 1
}

/// The number behind a flag, or this.
pub fn flag(name: &str, default: u64) -> u64 {
    let mut arguments = std::env::args();
    let given = arguments
        .find(|argument| argument == name)
        .and_then(|_| arguments.next());
    given
        .and_then(|given| given.parse().ok())
        .unwrap_or(default)
}
