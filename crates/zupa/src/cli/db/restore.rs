//! `zupa db restore`: a backup in the store's place, or the drill of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zupa::config::Config;
use zupa_core::{Clock, Desk, Timestamp};
use zupa_runtime::SystemClock;
use zupa_sqlite::backup::{self, Contents, Kept, Placed, Restoring};
use zupa_sqlite::{SqliteConfig, SqliteStore};

use super::backup::is_same;
use super::sidecar::Sidecar;
use crate::cli::arguments::Restore;
use crate::cli::failure::{Code, Failure};
use crate::cli::{environment, files, print};

/// Runs `zupa db restore`.
pub fn restore(config: &Config, wanted: &Restore) -> Result<Code, Failure> {
    let store = store_of(config, &wanted.from)?;
    let restoring = Restoring::begin(store)?;
    if restoring.replaces() && !wanted.force {
        return Err(would_replace(store));
    }
    let verified = Verified::look(&wanted.from)?;
    let placed = verified.put(restoring, SystemClock::default().wall())?;
    verified.warn();
    if wanted.output.json {
        print::json(&serde_json::json!({
            "version": 1, "store": store, "from": wanted.from, "bytes": verified.bytes,
            "digest_checked": verified.sidecar.is_some(),
            "schema_version": verified.contents.schema_version,
            "newest_accepted_at": verified.newest(),
            "moved_aside": placed.moved_aside,
        }))?;
        return Ok(Code::Ok);
    }
    print::line(format_args!("restored       {}", store.display()));
    print::line(format_args!("from           {}", wanted.from.display()));
    if let Some(aside) = &placed.moved_aside {
        print::line(format_args!("moved aside    {}", aside.display()));
    }
    verified.print();
    print::line(format_args!(
        "next           the first start checks it again"
    ));
    Ok(Code::Ok)
}

/// Runs `zupa db restore --drill`: the same steps into a folder of their own,
/// then the first start.
pub async fn drill(config: &Config, wanted: &Restore) -> Result<Code, Failure> {
    let store = store_of(config, &wanted.from)?;
    let clock = SystemClock::default();
    let begun = clock.monotonic();
    let folder = Folder::make(store)?;
    let path = folder.path.join("zupa.db");
    let verified = Verified::look(&wanted.from)?;
    verified.put(Restoring::begin(&path)?, clock.wall())?;
    let opened = SqliteStore::open(SqliteConfig::at(&path)).await?;
    if !opened.accounting().await?.is_balanced() {
        return Err(Failure::new(
            Code::IntegrityViolated,
            "the accounting of the restored store does not balance",
        )
        .try_this("another backup"));
    }
    drop(opened);
    let rto = clock.monotonic() - begun;
    verified.warn();
    let newest = verified.contents.newest_accepted_at;
    let rpo = newest.map(|newest| clock.wall().since(newest));
    let behind = behind(store, newest);
    if wanted.output.json {
        print::json(&serde_json::json!({
            "version": 1, "from": wanted.from, "bytes": verified.bytes,
            "digest_checked": verified.sidecar.is_some(),
            "schema_version": verified.contents.schema_version,
            "audit_entries": verified.contents.audit_entries,
            "newest_accepted_at": verified.newest(),
            "rpo_seconds": rpo.map(|rpo| rpo.as_secs_f64()),
            "behind_store_seconds": behind.map(|behind| behind.as_secs_f64()),
            "rto_seconds": rto.as_secs_f64(),
        }))?;
        return Ok(Code::Ok);
    }
    print::line(format_args!(
        "drill          {} restores",
        wanted.from.display()
    ));
    verified.print();
    print::line(format_args!(
        "RPO            {}",
        rpo.map_or("no message in it".to_owned(), |rpo| format!(
            "{:.1} s since the newest message in it",
            rpo.as_secs_f64()
        ))
    ));
    if let Some(behind) = behind {
        print::line(format_args!(
            "               {:.1} s behind the newest message of the store",
            behind.as_secs_f64()
        ));
    }
    print::line(format_args!(
        "RTO            {:.3} s to restore and check",
        rto.as_secs_f64()
    ));
    Ok(Code::Ok)
}

/// A backup that may be restored.
struct Verified {
    from: PathBuf,
    sidecar: Option<Sidecar>,
    contents: Contents,
    bytes: u64,
}

impl Verified {
    /// Holds the file against its description, and looks whether it is whole and
    /// of a schema that this build may serve.
    fn look(from: &Path) -> Result<Self, Failure> {
        let sidecar = Sidecar::read(from)?;
        let measured = files::measure(from)?;
        if let Some(sidecar) = &sidecar
            && sidecar.sha256 != measured.sha256
        {
            return Err(Failure::new(
                Code::IntegrityViolated,
                format!("{} is not the file that was backed up", from.display()),
            )
            .because(format!(
                "its digest is {} and should be {}",
                measured.sha256, sidecar.sha256
            ))
            .try_this("the second place, or another backup"));
        }
        let contents = backup::contents(from, Kept::Still)?;
        let knows = zupa_sqlite::wanted_version();
        if contents.schema_version > knows && contents.serves_from > knows {
            return Err(Failure::new(
                Code::Failed,
                format!("{} was written by a newer zupa", from.display()),
            )
            .because(format!(
                "its schema is {}, this build knows {knows}",
                contents.schema_version
            ))
            .try_this("restore it with that zupa, or take an older backup"));
        }
        backup::check(from, Kept::Still)?;
        Ok(Self {
            from: from.to_owned(),
            sidecar,
            contents,
            bytes: measured.bytes,
        })
    }

    /// Copies the file beside the store and then into its place.
    fn put(&self, restoring: Restoring, now: Timestamp) -> Result<Placed, Failure> {
        let copied = files::copy(&self.from, &restoring.prepared())?;
        let read_back = files::measure(&restoring.prepared())?;
        if read_back != copied {
            return Err(Failure::new(
                Code::IntegrityViolated,
                "what was written reads back otherwise",
            )
            .because(restoring.prepared().display())
            .try_this("another disk; nothing was replaced"));
        }
        Ok(restoring.place(now)?)
    }

    fn newest(&self) -> Option<String> {
        self.contents.newest_accepted_at.map(|at| at.to_string())
    }

    fn warn(&self) {
        if self.sidecar.is_none() {
            eprintln!(
                "warning: there is no description beside {}: its digest was not checked",
                self.from.display()
            );
        }
    }

    fn print(&self) {
        let contents = &self.contents;
        print::line(format_args!("bytes          {}", self.bytes));
        print::line(format_args!("schema         {}", contents.schema_version));
        print::line(format_args!("conversations  {}", contents.conversations));
        print::line(format_args!("messages       {}", contents.inbounds));
        print::line(format_args!(
            "checked        pages, accounting, {} audit entries",
            contents.audit_entries
        ));
        print::line(format_args!(
            "newest message {}",
            self.newest().as_deref().unwrap_or("none")
        ));
    }
}

fn store_of<'a>(config: &'a Config, from: &Path) -> Result<&'a Path, Failure> {
    let store = super::file(config, "restore", |url| {
        format!(
            "pg_restore --clean --if-exists --dbname=\"{url}\" {}, then `zupa db status`, as docs/operating.md has it",
            from.display()
        )
    })?;
    if !from.exists() {
        return Err(Failure::new(
            Code::NotFound,
            format!("there is no backup at {}", from.display()),
        ));
    }
    if is_same(store, from) {
        return Err(Failure::new(
            Code::Usage,
            format!("{} is the store itself", from.display()),
        ));
    }
    let log = files::beside(from, "-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(Failure::new(
            Code::Failed,
            format!("{} has a log beside it", from.display()),
        )
        .because("then it is a database in use, or a plain copy of one, and no backup")
        .try_this("`zupa db backup` makes one; to move a database, move it with its log"));
    }
    Ok(store)
}

/// Says what is there that a restore would move aside.
fn would_replace(store: &Path) -> Failure {
    let why = match backup::contents(store, Kept::Live) {
        Ok(contents) => format!(
            "it holds {} conversations and {} messages, the newest accepted {}",
            contents.conversations,
            contents.inbounds,
            contents
                .newest_accepted_at
                .map_or("never".to_owned(), |at| at.to_string())
        ),
        Err(error) => format!("it cannot be read: {error}"),
    };
    Failure::new(
        Code::Failed,
        format!("there is a store at {}", store.display()),
    )
    .because(why)
    .try_this("--force moves it aside, with the time in its name; nothing is deleted")
}

/// How far the store, if it can be read, has gone on since.
fn behind(store: &Path, newest: Option<Timestamp>) -> Option<Duration> {
    let live = backup::contents(store, Kept::Live).ok()?;
    Some(live.newest_accepted_at?.since(newest?))
}

/// A folder on the store's disk that goes with the drill.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn make(store: &Path) -> Result<Self, Failure> {
        let name = format!("drill-{}", environment::random_token());
        let path = files::folder_of(store).join(name);
        std::fs::create_dir_all(&path).map_err(|error| files::unwritable(&path, error))?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover is in nobody's way.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
