//! `zupa db backup`: one consistent moment of the store as a file, and perhaps
//! as a second one elsewhere.

use std::path::Path;
use std::time::Duration;

use zupa::config::Config;
use zupa_core::Clock;
use zupa_runtime::SystemClock;
use zupa_sqlite::backup::{self, Kept};

use super::sidecar::{self, Sidecar};
use crate::cli::arguments::Backup;
use crate::cli::failure::{Code, Failure};
use crate::cli::files::{self, Part};
use crate::cli::print;

/// Runs `zupa db backup`.
pub fn backup(config: &Config, wanted: &Backup) -> Result<Code, Failure> {
    let store = super::file(config, "backup", |url| {
        format!(
            "pg_dump --format=custom --file={} \"{url}\", as docs/operating.md has it",
            wanted.to.display()
        )
    })?;
    if !store.exists() {
        return Err(Failure::new(
            Code::NotFound,
            format!("there is no store at {}", store.display()),
        )
        .try_this("name the one you mean with --set store.url=sqlite://PATH"));
    }
    refuse_places(store, wanted)?;
    let clock = SystemClock::default();
    let (taken_at, begun) = (clock.wall(), clock.monotonic());
    let part = Part::of(&wanted.to);
    backup::copy(store, &part.path)?;
    files::flush(&part.path)?;
    let measured = files::measure(&part.path)?;
    let contents = backup::contents(&part.path, Kept::Still)?;
    let sidecar = Sidecar::of(taken_at, &measured, &contents);
    put(&part, &wanted.to, &sidecar)?;
    if let Some(also) = &wanted.also {
        second(&wanted.to, also, &sidecar)?;
    }
    report(wanted, &sidecar, clock.monotonic() - begun)
}

/// The description of a file that is replaced goes first: it is better to have
/// none than a wrong one.
fn put(part: &Part, path: &Path, sidecar: &Sidecar) -> Result<(), Failure> {
    let description = sidecar::place(path);
    match std::fs::remove_file(&description) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(files::unwritable(&description, error));
        }
        _ => {}
    }
    files::put_in_place(&part.path, path)?;
    sidecar.write(path)
}

/// Copies the backup to its second place, and reads back what lies there.
fn second(from: &Path, to: &Path, sidecar: &Sidecar) -> Result<(), Failure> {
    let part = Part::of(to);
    files::copy(from, &part.path)?;
    if files::measure(&part.path)?.sha256 != sidecar.sha256 {
        return Err(Failure::new(
            Code::IntegrityViolated,
            format!("what was written to {} reads back otherwise", to.display()),
        )
        .because("its digest is not that of the first file, which is good")
        .try_this("another disk for the second place"));
    }
    put(&part, to, sidecar)
}

fn refuse_places(store: &Path, wanted: &Backup) -> Result<(), Failure> {
    let places: Vec<_> = std::iter::once(&wanted.to).chain(&wanted.also).collect();
    for place in &places {
        if is_same(store, place) {
            return Err(Failure::new(
                Code::Usage,
                format!("{} is the store itself", place.display()),
            )
            .try_this("a file elsewhere, best on another disk"));
        }
        if place.exists() && !wanted.force {
            return Err(Failure::new(
                Code::Failed,
                format!("{} is there already", place.display()),
            )
            .because("a backup never replaces a file by itself")
            .try_this("another name, or --force"));
        }
    }
    match places.as_slice() {
        [one, other] if one == other || is_same(one, other) => Err(Failure::new(
            Code::Usage,
            "--to and --also name the same file",
        )
        .try_this("a second place on another disk")),
        _ => Ok(()),
    }
}

/// True when both are there and are one file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn report(wanted: &Backup, sidecar: &Sidecar, took: Duration) -> Result<Code, Failure> {
    if wanted.output.json {
        print::json(&serde_json::json!({
            "version": 1, "to": wanted.to, "also": wanted.also,
            "seconds": took.as_secs_f64(), "backup": sidecar,
        }))?;
        return Ok(Code::Ok);
    }
    print::line(format_args!("backup         {}", wanted.to.display()));
    if let Some(also) = &wanted.also {
        print::line(format_args!("and            {}, read back", also.display()));
    }
    print::line(format_args!("bytes          {}", sidecar.bytes));
    print::line(format_args!("took           {:.3} s", took.as_secs_f64()));
    print::line(format_args!("sha256         {}", sidecar.sha256));
    print::line(format_args!("schema         {}", sidecar.schema_version));
    print::line(format_args!("taken          {}", sidecar.taken_at));
    print::line(format_args!(
        "newest message {}",
        sidecar.newest_accepted_at.as_deref().unwrap_or("none")
    ));
    Ok(Code::Ok)
}
