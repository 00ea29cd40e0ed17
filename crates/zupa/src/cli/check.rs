//! `zupa config`: and how every command reads its configuration.

use std::path::{Path, PathBuf};

use zupa::config::{self, Config, Problem, Sources};

use super::arguments::{ConfigCommand, Global};
use super::failure::{Code, Failure};
use super::{environment, print};

/// The file that is read when nobody names one.
const DEFAULT_FILE: &str = "zupa.toml";

/// Runs `zupa config …`.
pub fn config(global: &Global, command: &ConfigCommand) -> Result<Code, Failure> {
    match command {
        ConfigCommand::Schema => {
            print::json(&config::schema::schema())?;
            Ok(Code::Ok)
        }
        ConfigCommand::Show(output) => {
            let config = load(global, &[])?;
            if output.json {
                print::json(&config.show())?;
            } else {
                for row in config.rows() {
                    print::line(format_args!(
                        "{} = {}  # {}",
                        row.path, row.value, row.origin
                    ));
                }
            }
            Ok(Code::Ok)
        }
        ConfigCommand::Check(output) => check(global, output.json),
    }
}

fn check(global: &Global, json: bool) -> Result<Code, Failure> {
    let (problems, warnings) = match config::load(sources(global, &[])?) {
        Ok(config) => (Vec::new(), config.warnings()),
        Err(problems) => (problems, Vec::new()),
    };
    let ok = problems.is_empty();
    if json {
        print::json(&serde_json::json!({
            "version": 1, "ok": ok, "problems": problems, "warnings": warnings,
        }))?;
    } else {
        for problem in &problems {
            eprintln!("error: {problem}");
        }
        for warning in &warnings {
            eprintln!("warning: {warning}");
        }
        if ok {
            print::line(format_args!("the configuration is good"));
        }
    }
    Ok(if ok { Code::Ok } else { Code::Config })
}

/// Loads the configuration; `flags` are the command's own and the strongest.
pub fn load(global: &Global, flags: &[(&str, String)]) -> Result<Config, Failure> {
    config::load(sources(global, flags)?).map_err(|problems| refused(&problems))
}

/// A start that the configuration does not allow.
pub fn refused(problems: &[Problem]) -> Failure {
    let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let what = match problems.len() {
        1 => "the configuration has a problem".to_owned(),
        many => format!("the configuration has {many} problems"),
    };
    Failure::new(Code::Config, format!("{what}\n{}", all.join("\n")))
}

/// What a configuration is loaded from; `flags` are the command's own.
pub fn sources(global: &Global, flags: &[(&str, String)]) -> Result<Sources, Failure> {
    let mut sources = Sources::new();
    if let Some((path, text)) = file(global.config.as_deref())? {
        sources = sources.file(path, text);
    }
    let mut set = Vec::new();
    for pair in &global.set {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::new(Code::Usage, "a --set names no value").try_this("--set model.name=gpt-5")
        })?;
        set.push((key.to_owned(), value.to_owned()));
    }
    set.extend(
        flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    Ok(sources.env(environment::variables()).flags(set))
}

fn file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, Failure> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(
            Code::Config,
            format!("the configuration {} cannot be read", path.display()),
        )
        .because(error)),
    }
}
