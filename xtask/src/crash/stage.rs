//! Where a run takes place: its directory, its port, and the configuration file.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::Rng;

use super::words::dice;

#[derive(Debug, Clone)]
pub struct Stage {
    pub binary: PathBuf,
    pub dir: PathBuf,
    pub port: u16,
}

/// Claims end early, so that a stopped process is overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    AsDefault,
    Short,
}

impl Stage {
    /// A fresh directory `target/crash/<seed>` and a port that is free.
    pub fn set(binary: PathBuf, seed: u64) -> anyhow::Result<Self> {
        let dir = root().join("target/crash").join(seed.to_string());
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        Ok(Self {
            binary,
            dir,
            port: free_port(seed)?,
        })
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("zupa.toml")
    }

    pub fn database(&self) -> PathBuf {
        self.dir.join("zupa.db")
    }

    pub fn token(&self) -> PathBuf {
        self.dir.join("zupa.db.token")
    }

    pub fn marks(&self) -> PathBuf {
        self.dir.join("marks")
    }

    pub fn server_log(&self) -> PathBuf {
        self.dir.join("zupa.log")
    }

    pub fn oracle_log(&self) -> PathBuf {
        self.dir.join("oracle.log")
    }

    pub fn write_config(&self, model_port: u16, claims: Claims) -> anyhow::Result<()> {
        fs::write(self.config(), config(self, model_port, claims))
            .context("cannot write the configuration")
    }

    pub fn strike(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }
}

/// The workspace: the parent of this crate.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn config(stage: &Stage, model_port: u16, claims: Claims) -> String {
    let claims = match claims {
        Claims::AsDefault => "",
        Claims::Short => "heartbeat_ms = 300\nclaim_expiry_ms = 1500\n",
    };
    format!(
        r#"profile = "dev"

[server]
listen = "127.0.0.1:{port}"

[store]
url = "sqlite://{database}"
durability = "full"
{claims}
[model]
provider = "openai"
base_url = "http://127.0.0.1:{model_port}/v1"
name = "fake"
api_key = "env:ZUPA_CRASH_KEY"

[agent.burst]
silence_ms = 20
max_wait_ms = 200

[[channel]]
id = "main"
kind = "web-chat"

[[channel]]
id = "other"
kind = "web-chat"
tenant = "other"
"#,
        port = stage.port,
        database = stage.database().display(),
    )
}

/// Below the ephemeral range: while the server is down, a client that connects
/// to an ephemeral port of its own machine may end up connected to itself.
fn free_port(seed: u64) -> anyhow::Result<u16> {
    let mut dice = dice(seed, ("port", std::process::id()));
    let mut last = None;
    for _ in 0..100 {
        let port = dice.random_range(18_000..30_000);
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no port was tried")?).context("cannot find a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(claims: Claims) -> anyhow::Result<toml::Table> {
        let stage = Stage {
            binary: PathBuf::new(),
            dir: PathBuf::from("/d"),
            port: 7,
        };
        Ok(toml::from_str(&config(&stage, 8, claims))?)
    }

    #[test]
    fn the_configuration_is_what_the_contract_says() -> anyhow::Result<()> {
        let config = parsed(Claims::AsDefault)?;
        assert_eq!(config["server"]["listen"].as_str(), Some("127.0.0.1:7"));
        assert_eq!(config["store"]["url"].as_str(), Some("sqlite:///d/zupa.db"));
        assert_eq!(config["store"].as_table().map(toml::Table::len), Some(2));
        assert_eq!(
            config["model"]["base_url"].as_str(),
            Some("http://127.0.0.1:8/v1")
        );
        assert_eq!(config["channel"].as_array().map(Vec::len), Some(2));
        Ok(())
    }

    #[test]
    fn short_claims_are_asked_for_in_the_store_section() -> anyhow::Result<()> {
        assert_eq!(
            parsed(Claims::Short)?["store"]["claim_expiry_ms"].as_integer(),
            Some(1500)
        );
        Ok(())
    }
}
