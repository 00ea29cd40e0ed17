//! A folder with one installation in it, and commands run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::server::Start;

/// The binary under test.
pub const ZUPA: &str = env!("CARGO_BIN_EXE_zupa");

/// An empty folder: working directory, home of the user, home of the store.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new() -> Self {
        Self {
            folder: tempfile::Builder::new()
                .prefix("zupa-it-")
                .tempdir()
                .unwrap(),
        }
    }

    /// A folder with a configuration.
    pub fn with(config: &str) -> Self {
        let home = Self::new();
        home.write("zupa.toml", config);
        home
    }

    /// A folder whose model answers as the rules say.
    pub fn scripted(rules: &[Rule]) -> Self {
        let home = Self::with("[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n");
        home.script(rules);
        home
    }

    /// Replaces the script; the next start reads it.
    pub fn script(&self, rules: &[Rule]) {
        let rules: String = rules
            .iter()
            .map(|Rule(pattern, answer, delay_ms)| {
                format!(
                    "[[rule]]\npattern = {pattern:?}\nanswer = {answer:?}\ndelay_ms = {delay_ms}\n"
                )
            })
            .collect();
        self.write("script.toml", &rules);
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// The store's default place.
    pub fn store(&self) -> PathBuf {
        self.path().join(".zupa/zupa.db")
    }

    /// A program in this folder, with nothing of the caller's environment but
    /// the path to programs.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(ZUPA).args(arguments))
    }

    /// A server to start here.
    pub fn serve(&self) -> Start<'_> {
        Start::new(self, "serve")
    }

    /// A server with its phone to start here.
    pub fn dev(&self) -> Start<'_> {
        Start::new(self, "dev")
    }
}

/// A rule of a script: pattern, answer, delay in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Rule(pub &'static str, pub &'static str, pub u64);

/// Answers at once, with what was said.
pub const ECHO: &[Rule] = &[Rule("", "echo of {message}", 0)];

/// Runs a command to its end.
#[track_caller]
pub fn ran(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

impl Ran {
    /// The output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// Fails unless the command ended with a code and its messages contain all
    /// of these words.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.starts_with("error: "), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:#?}");
        }
    }

    /// Fails unless the command did what it was asked.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }
}
