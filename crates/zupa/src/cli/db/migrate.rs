//! `zupa db migrate`: the schema as this build wants it. Serving does the same
//! at its start; this is for doing it before.

use zupa::config::{Config, Engine};
use zupa_sqlite::backup::{self, Kept};

use crate::cli::arguments::Output;
use crate::cli::failure::{Code, Failure};
use crate::cli::print;
use crate::cli::store::{self, Purpose};

/// Runs `zupa db migrate`.
pub async fn migrate(config: &Config, output: &Output) -> Result<Code, Failure> {
    let from = version(config).await;
    let opened = store::open(config, Purpose::Migrate).await?;
    let status = opened.desk.status().await?;
    let to = status.schema_version;
    if output.json {
        print::json(&serde_json::json!({
            "version": 1, "location": status.location, "from": from, "to": to,
            "wanted": status.schema_wanted,
        }))?;
        return Ok(Code::Ok);
    }
    print::line(format_args!("location       {}", status.location));
    match from {
        Some(from) if from == to => {
            print::line(format_args!("schema         {to}, nothing to do"));
        }
        from => print::line(format_args!(
            "schema         {} → {to}",
            from.map_or("none".to_owned(), |from| from.to_string())
        )),
    }
    Ok(Code::Ok)
}

/// The version that is there before. What cannot be read is none: opening says
/// why.
async fn version(config: &Config) -> Option<i64> {
    match config.store.url.engine() {
        Engine::File(path) if path.exists() => backup::contents(path, Kept::Live)
            .ok()
            .map(|contents| contents.schema_version),
        Engine::File(_) | Engine::Memory => None,
        Engine::Postgres => postgres_version(config).await,
    }
}

#[cfg(not(feature = "postgres"))]
async fn postgres_version(_: &Config) -> Option<i64> {
    None
}

#[cfg(feature = "postgres")]
async fn postgres_version(config: &Config) -> Option<i64> {
    let config = store::postgres_config(config).await.ok()?;
    zupa_postgres::schema_version(&config).await.ok()?
}
