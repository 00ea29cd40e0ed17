//! Where one replica lives: its folder, its door, its configuration file.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;

use super::oracle::phones::number;
use super::words::Door;

/// How long a claim lives without a heartbeat, where claims are short.
pub const CLAIM_EXPIRY_MS: u64 = 1500;
pub const HEARTBEAT_MS: u64 = 300;

#[derive(Debug, Clone)]
pub struct Place {
    /// The number of the replica.
    pub replica: usize,
    pub binary: PathBuf,
    pub dir: PathBuf,
    pub door: SocketAddr,
    /// The store's URL.
    pub store: String,
    /// The network namespace that it lives in, if not in ours.
    pub namespace: Option<String>,
}

/// Claims end early, so that a stopped process is overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    AsDefault,
    Short,
}

impl Place {
    pub fn config(&self) -> PathBuf {
        self.dir.join("zupa.toml")
    }

    pub fn marks(&self) -> PathBuf {
        self.dir.join("marks")
    }

    pub fn server_log(&self) -> PathBuf {
        self.dir.join("zupa.log")
    }

    /// The admin token, written anew at each start: beside the file of the store,
    /// or in the working folder.
    pub fn token(&self) -> anyhow::Result<String> {
        let folders = [self.dir.clone(), self.dir.join(".zupa")];
        let files = folders.iter().filter_map(|dir| fs::read_dir(dir).ok());
        let token = files
            .flatten()
            .filter_map(|file| Some(file.ok()?.path()))
            .find(|path| path.extension().is_some_and(|end| end == "token"))
            .with_context(|| format!("there is no token in {}", self.dir.display()))?;
        let text = fs::read_to_string(&token)
            .with_context(|| format!("cannot read {}", token.display()))?;
        Ok(text.trim().to_owned())
    }

    /// Makes the folder and writes the configuration.
    ///
    /// People write to numbers behind this Graph API, or else to web chats.
    pub fn furnish(
        &self,
        model: SocketAddr,
        graph: Option<&str>,
        claims: Claims,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("cannot create {}", self.dir.display()))?;
        fs::write(self.config(), self.text(model, graph, claims))
            .context("cannot write the configuration")
    }

    fn text(&self, model: SocketAddr, graph: Option<&str>, claims: Claims) -> String {
        let claims = match claims {
            Claims::AsDefault => String::new(),
            Claims::Short => {
                format!("heartbeat_ms = {HEARTBEAT_MS}\nclaim_expiry_ms = {CLAIM_EXPIRY_MS}\n")
            }
        };
        format!(
            r#"profile = "dev"

[server]
listen = "{door}"

[store]
url = "{store}"
durability = "full"
cache_mib = 1
{claims}
[model]
provider = "openai"
base_url = "http://{model}/v1"
name = "fake"
api_key = "env:ZUPA_CRASH_KEY"

# What names no message would look like an answer to nothing. Blank sends nothing.
[agent.texts]
model_down = " "

[agent.burst]
silence_ms = 20
max_wait_ms = 200

{doors}"#,
            door = self.door,
            store = self.store,
            doors = doors(graph),
        )
    }
}

/// One door of each tenant.
fn doors(graph: Option<&str>) -> String {
    let Some(graph) = graph else {
        return r#"[[channel]]
id = "main"
kind = "web-chat"

[[channel]]
id = "other"
kind = "web-chat"
tenant = "other"
"#
        .to_owned();
    };
    let number = |id: &str, tenant: &str, door| {
        format!(
            r#"[[channel]]
id = "{id}"
tenant = "{tenant}"
kind = "whatsapp-cloud"
graph_url = "{graph}"
phone_number_id = "{number}"
access_token = "env:ZUPA_CRASH_KEY"
app_secrets = ["env:ZUPA_CRASH_KEY"]

"#,
            number = number(door)
        )
    };
    // Open for a minute after some lost answers, it would only make the run longer.
    let breaker = "[policy.channel]\nbase_ms = 100\nbreaker.enabled = false\n";
    let main = number("main", "default", Door::Main);
    let other = number("other", "other", Door::Other);
    format!("{main}{other}{breaker}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(graph: Option<&str>, claims: Claims) -> anyhow::Result<toml::Table> {
        let place = Place {
            replica: 0,
            binary: PathBuf::new(),
            dir: PathBuf::from("/d"),
            door: SocketAddr::from(([127, 0, 0, 1], 7)),
            store: "sqlite:///d/zupa.db".to_owned(),
            namespace: None,
        };
        let model = SocketAddr::from(([127, 0, 0, 1], 8));
        Ok(toml::from_str(&place.text(model, graph, claims))?)
    }

    #[test]
    fn the_configuration_is_what_the_contract_says() -> anyhow::Result<()> {
        let config = parsed(None, Claims::AsDefault)?;
        assert_eq!(config["server"]["listen"].as_str(), Some("127.0.0.1:7"));
        assert_eq!(config["store"]["url"].as_str(), Some("sqlite:///d/zupa.db"));
        assert_eq!(config["store"].as_table().map(toml::Table::len), Some(3));
        assert_eq!(
            config["model"]["base_url"].as_str(),
            Some("http://127.0.0.1:8/v1")
        );
        assert_eq!(config["channel"].as_array().map(Vec::len), Some(2));
        Ok(())
    }

    #[test]
    fn numbers_take_the_place_of_the_web_chats() -> anyhow::Result<()> {
        let config = parsed(Some("http://127.0.0.1:9/v23.0"), Claims::AsDefault)?;
        let doors = config["channel"].as_array().into_iter().flatten();
        let doors: Vec<_> = doors
            .map(|door| (door["kind"].as_str(), door["phone_number_id"].as_str()))
            .collect();
        let number = |door| (Some("whatsapp-cloud"), Some(number(door)));
        assert_eq!(doors, [number(Door::Main), number(Door::Other)]);
        Ok(())
    }

    #[test]
    fn short_claims_are_asked_for_in_the_store_section() -> anyhow::Result<()> {
        assert_eq!(
            parsed(None, Claims::Short)?["store"]["claim_expiry_ms"].as_integer(),
            Some(1500)
        );
        Ok(())
    }
}
