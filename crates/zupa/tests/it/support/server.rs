//! A serving process: started, watched, signalled, killed. It never outlives
//! its value.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::home::{Home, ZUPA};
use super::http::{Answer, Connection};
use super::process::{family, kill, signal};
use super::{Feed, eventually, within};

/// A server to be started.
#[derive(Debug)]
pub struct Start<'a> {
    home: &'a Home,
    command: &'static str,
    listen: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    around: Vec<String>,
    store: PathBuf,
    apart: bool,
}

/// A started server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: Option<SocketAddr>,
    log: PathBuf,
    store: PathBuf,
    apart: bool,
    started: Instant,
}

impl<'a> Start<'a> {
    pub fn new(home: &'a Home, command: &'static str) -> Self {
        Self {
            home,
            command,
            listen: "127.0.0.1:0".to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            around: Vec::new(),
            store: home.store(),
            apart: false,
        }
    }

    /// Sets a key of the configuration.
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.arguments.push("--set".to_owned());
        self.arguments.push(format!("{key}={value}"));
        self
    }

    /// Keeps the store elsewhere.
    pub fn store(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = path.into();
        let url = format!("sqlite://{}", self.store.display());
        self.set("store.url", url)
    }

    /// Keeps the store where no file of its own is; the server leaves its marks
    /// in `.zupa` under this name.
    pub fn elsewhere(mut self, url: &str, marks: &str) -> Self {
        self.store = self.home.path().join(".zupa").join(marks);
        self.set("store.url", url)
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a turn whose end could not be written up again soon.
    pub fn impatient(self) -> Self {
        self.set("store.heartbeat_ms", 200)
            .set("store.claim_expiry_ms", 1_000)
    }

    /// Listens where another server was.
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.listen = address.to_string();
        self
    }

    /// Runs the server under another program.
    pub fn under(mut self, program: &[&str]) -> Self {
        self.around = program.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    /// Says that the server has its store on a disk of its own, which only it
    /// sees.
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Starts it, and waits for nothing.
    pub fn spawn(self) -> Server {
        let log = self.home.path().join("server.log");
        let written = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        // What a server before this one left would be believed.
        let _ = std::fs::remove_file(beside(&self.store, "address"));
        let mut command = match self.around.split_first() {
            None => self.home.command(ZUPA),
            Some((program, arguments)) => {
                let mut command = self.home.command(program);
                command.args(arguments).arg(ZUPA);
                command
            }
        };
        command
            .arg(self.command)
            .args(["--listen", &self.listen])
            .args(&self.arguments)
            .envs(self.variables)
            .stdout(written.try_clone().unwrap())
            .stderr(written)
            .stdin(Stdio::null());
        Server {
            started: Instant::now(),
            child: command.spawn().unwrap(),
            address: None,
            log,
            store: self.store,
            apart: self.apart,
        }
    }

    /// Starts it and waits until it says that it is ready.
    #[track_caller]
    pub fn ready(self) -> Server {
        let mut server = self.spawn();
        let ready = server.wait_ready();
        assert!(ready.is_some(), "did not start: {}", server.log());
        server
    }
}

impl Server {
    /// Waits until `/readyz` says 200; how long that took since the start, or
    /// `None` when the process ended before it.
    #[track_caller]
    pub fn wait_ready(&mut self) -> Option<Duration> {
        eventually("the server is ready", || {
            if self.child.try_wait().unwrap().is_some() {
                return Some(None);
            }
            if self.address.is_none() {
                self.address = std::fs::read_to_string(self.kept("address")?)
                    .ok()?
                    .trim()
                    .parse()
                    .ok();
            }
            let answer = Connection::open(self.address?).ok()?.get("/readyz", &[]);
            (answer.ok()?.status == 200).then(|| Some(self.started.elapsed()))
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address()).unwrap()
    }

    /// Says something, on a connection of its own.
    #[track_caller]
    pub fn say(&self, conversation: &str, id: &str, text: &str) -> Answer {
        self.connect().say(conversation, id, text).unwrap()
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.connect().get(path, &[]).unwrap()
    }

    /// The conversation's stream from its beginning.
    #[track_caller]
    pub fn feed(&self, conversation: &str) -> Feed {
        Feed::open(self.address(), conversation, 0)
    }

    /// Asks as an operator.
    #[track_caller]
    pub fn operator(&self, path: &str) -> Value {
        self.as_operator(path).json()
    }

    /// What Prometheus scrapes.
    #[track_caller]
    pub fn figures(&self) -> String {
        self.as_operator("/metrics").text()
    }

    #[track_caller]
    fn as_operator(&self, path: &str) -> Answer {
        let token = std::fs::read_to_string(self.kept("token").unwrap()).unwrap();
        let answer = self
            .connect()
            .get(path, &[("authorization", &format!("Bearer {token}"))])
            .unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }

    #[track_caller]
    pub fn accounting(&self) -> Value {
        self.operator("/api/v1/accounting")
    }

    /// Waits until so many were accepted and all of them answered, and the sum
    /// holds.
    #[track_caller]
    pub fn all_answered(&self, accepted: usize) {
        let last = std::cell::RefCell::new(Value::Null);
        let done = within(super::PATIENCE, || {
            let now = self.accounting();
            let done = now["accepted"] == accepted
                && now["ended"]["answered"] == accepted
                && now["balanced"] == true;
            last.replace(now);
            done.then_some(())
        });
        assert!(
            done.is_some(),
            "not {accepted} answered, but {}",
            last.borrow()
        );
    }

    /// Everything that was printed and logged in this home.
    pub fn log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// A file that the server keeps beside its store.
    pub fn kept(&self, what: &str) -> Option<PathBuf> {
        let path = beside(&self.store, what);
        if self.apart {
            self.inside(&path)
        } else {
            Some(path)
        }
    }

    /// A path as the server sees it.
    pub fn inside(&self, path: &Path) -> Option<PathBuf> {
        Some(format!("/proc/{}/root{}", self.find()?, path.display()).into())
    }

    /// The process id of the server itself, also when it runs under another
    /// program.
    #[track_caller]
    pub fn process(&self) -> u32 {
        eventually("the server runs", || self.find())
    }

    fn find(&self) -> Option<u32> {
        let binary = std::fs::canonicalize(ZUPA).unwrap();
        family(self.child.id()).into_iter().find(|process| {
            std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|exe| exe == binary)
        })
    }

    /// Signals the server, unless it has ended by itself.
    pub fn signal(&self, name: &str) {
        if let Some(process) = self.find() {
            signal(name, process);
        }
    }

    /// Kills without warning and waits for the end.
    pub fn kill(mut self) {
        self.end();
    }

    /// Waits for the process to end by itself; its code, 128 and the signal's
    /// number if it was killed.
    #[track_caller]
    pub fn exit(&mut self) -> i32 {
        let child = &mut self.child;
        code(eventually("the process ends", || child.try_wait().unwrap()))
    }

    /// Its code, if it has ended.
    pub fn exited(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(code)
    }

    /// Asks it to stop and expects that it does, in order.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.exit(), 0, "{}", self.log());
    }

    fn end(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill(&mut self.child);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            eprintln!("the server's last lines:\n{}", last.join("\n"));
        }
        self.end();
    }
}

fn beside(store: &Path, what: &str) -> PathBuf {
    format!("{}.{what}", store.display()).into()
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
