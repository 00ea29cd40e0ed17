//! A server of tools, over as many lives as it takes.
//!
//! Arrives: a configuration, then calls. Guaranteed on leaving: a call was
//! answered, or its error says whether it took place. If the process dies here,
//! a server over standard input sees its input close, and the runtime's journal
//! decides about calls that were under way.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};
use zupa_core::{Digest, Effect, EffectClass, Error, ErrorKind, Result, Tool, ToolOutput};

use crate::catalogue::{Catalogue, Definition, about};
use crate::config::McpConfig;
use crate::content;
use crate::error::{Failure, into_error};
use crate::link::Link;
use crate::session::{Answer, Session};
use crate::stdio::Tail;
use crate::tool::McpTool;

/// The longest arguments of one call, as JSON.
const MAX_ARGUMENT_BYTES: usize = 256 << 10;

/// An MCP server and its tools. The process ends with the last handle: the
/// server itself and each of its tools is one.
pub struct McpServer {
    config: McpConfig,
    link: Mutex<Link>,
    catalogue: RwLock<Arc<Catalogue>>,
    tail: Arc<Tail>,
}

/// What an operator should know of a tool before it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedTool {
    /// The server's name for it.
    pub tool: String,
    /// The model's name for it.
    pub name: String,
    /// What it is taken to do.
    pub effect: Effect,
    /// Of name, description, schema and what trusted annotations make of it, for
    /// [`McpConfig::pins`].
    pub digest: Digest,
    /// Whether [`McpConfig::pins`] has it.
    pub pinned: bool,
}

impl McpServer {
    /// Starts or reaches the server and lists its tools.
    ///
    /// *Errors*: [`ErrorKind::Invalid`] names every problem of the
    /// configuration, or two tools with the same name; otherwise that the server
    /// cannot be started, reached or understood. A single tool that cannot be
    /// offered is no error here: see [`Self::refused`].
    /// *Cancel safety*: safe, a started process is killed.
    pub async fn start(config: McpConfig) -> Result<Arc<Self>> {
        config.check()?;
        let server = Arc::new(Self {
            config,
            link: Mutex::default(),
            catalogue: RwLock::default(),
            tail: Arc::default(),
        });
        server
            .clone()
            .ready()
            .await
            .map_err(|failure| server.error(failure))?;
        Ok(server)
    }

    /// The tools as of the last listing. A list that the server has announced
    /// as changed is read again at the next call, or by [`Self::refresh`].
    pub fn tools(self: &Arc<Self>) -> Vec<Arc<dyn Tool>> {
        let catalogue = self.catalogue();
        let offered = catalogue.offered().iter();
        offered
            .map(|known| Arc::new(McpTool::new(self.clone(), known.clone())) as Arc<dyn Tool>)
            .collect()
    }

    /// The same tools for people.
    pub fn listed(&self) -> Vec<ListedTool> {
        let listed = |known: &Arc<Definition>| ListedTool {
            tool: known.tool.clone(),
            name: known.spec.name.clone(),
            effect: known.effect,
            digest: known.digest,
            pinned: self.config.pins.contains_key(&known.tool),
        };
        self.catalogue().offered().iter().map(listed).collect()
    }

    /// Why tools are not offered, one error for each, naming it: they are not
    /// what was pinned, too large, without a usable schema, or not there.
    pub fn refused(&self) -> Vec<Error> {
        self.catalogue().refused().cloned().collect()
    }

    /// Lists the tools again, in a new life of the server if need be.
    ///
    /// *Errors*: as [`Self::start`]; the old list stays.
    pub async fn refresh(self: &Arc<Self>) -> Result<()> {
        let listing = async {
            let session = self.clone().ready().await?;
            self.list(&session).await
        };
        listing.await.map_err(|failure| self.error(failure))
    }

    /// Ends the server: asks it to leave, and kills it a moment later. Calls
    /// fail from now on.
    pub async fn stop(&self) {
        self.link.lock().await.stop();
    }

    /// The last 4 KiB that a server over standard input wrote to its standard
    /// error, for an operator's eyes: it may hold anything, secrets and texts of
    /// people too. It is in no log and no error.
    pub fn stderr_tail(&self) -> String {
        self.tail.text()
    }

    pub(crate) async fn call(
        self: &Arc<Self>,
        known: &Arc<Definition>,
        arguments: Value,
        key: Digest,
        deadline: Instant,
    ) -> Result<ToolOutput> {
        fits(known, &arguments)?;
        let ready = self.ready_by(deadline).await;
        let session = ready.map_err(|failure| self.error(failure))?;
        self.check_still(known, &arguments)?;
        let Value::Object(arguments) = arguments else {
            return Err(Error::invalid("the arguments are not an object"));
        };
        let key = (known.effect.class == EffectClass::Idempotent).then_some(key);
        match session.call(&known.tool, arguments, key, deadline).await {
            Ok(answer) => {
                let limit = self.config.output_limit_bytes;
                Ok(ToolOutput::of(match answer {
                    Answer::Result(result) => content::for_model(result, limit),
                    Answer::Refusal(error) => content::refusal(&error, limit),
                }))
            }
            Err(failure) => {
                if failure.ends_session() {
                    warn!(mcp.server = %self.config.name, "lost the mcp server");
                }
                Err(self.error(failure).with("tool", &known.spec.name))
            }
        }
    }

    /// A tool is held longer than a listing. It may have changed since.
    fn check_still(&self, known: &Arc<Definition>, arguments: &Value) -> Result<()> {
        let catalogue = self.catalogue();
        let Some(found) = catalogue.find(&known.tool) else {
            let gone = Error::new(
                ErrorKind::NotFound,
                "the mcp server does not list the tool any more",
            );
            return Err(about(gone, &self.config, &known.tool));
        };
        let now = found?;
        if now.effect != known.effect {
            let changed = Error::new(
                ErrorKind::Conflict,
                "the mcp server says something else of what the tool does",
            );
            return Err(about(changed, &self.config, &known.tool));
        }
        match now.digest == known.digest {
            true => Ok(()),
            // It is not pinned, or it would have been refused.
            false => fits(now, arguments),
        }
    }

    async fn ready_by(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Session>, Failure> {
        if let Ok(link) = self.link.try_lock()
            && let Some(session) = link.session()
            && session.is_fresh()
        {
            return Ok(session.clone());
        }
        // In a task of its own: a server that takes longer to start than this
        // call may last is then there for the next one.
        let starting = tokio::spawn(self.clone().ready());
        match timeout_at(deadline, starting).await {
            Ok(Ok(ready)) => ready,
            Ok(Err(_panicked)) => Err(Failure::Gone),
            Err(_elapsed) => Err(Failure::NotReady),
        }
    }

    /// A session that is alive and whose list is known.
    async fn ready(self: Arc<Self>) -> Result<Arc<Session>, Failure> {
        let mut link = self.link.lock().await;
        if let Some(session) = link.session().cloned() {
            if session.is_alive().await {
                if session.has_changed_list() {
                    self.list(&session).await?;
                }
                return Ok(session);
            }
            link.retire(&self.config);
        }
        link.begin(&self.config)?;
        let session = Arc::new(Session::open(&self.config, self.tail.clone()).await?);
        self.list(&session).await?;
        link.opened(session.clone());
        Ok(session)
    }

    async fn list(&self, session: &Session) -> Result<(), Failure> {
        // What changes from here on is listed next time; and until a list has
        // been read and checked, none is known.
        session.set_changed_list(false);
        let listing = session.list(self.config.start_timeout).await;
        let checked = listing.and_then(|listed| Ok(Catalogue::of(&self.config, listed)?));
        let catalogue = checked.inspect_err(|_failure| session.set_changed_list(true))?;
        info!(mcp.server = %self.config.name, "listed {} tools", catalogue.offered().len());
        for refused in catalogue.refused() {
            error!(mcp.server = %self.config.name, "a tool is not offered: {refused}");
        }
        let mut known = self
            .catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(catalogue);
        Ok(())
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        let known = self
            .catalogue
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn error(&self, failure: Failure) -> Error {
        into_error(failure, &self.config.name)
    }
}

fn fits(known: &Definition, arguments: &Value) -> Result<()> {
    if arguments.to_string().len() > MAX_ARGUMENT_BYTES {
        let error = Error::invalid("the arguments are too long");
        return Err(error
            .with("tool", &known.spec.name)
            .with("limit", MAX_ARGUMENT_BYTES));
    }
    known.schema.check(arguments).map_err(|reason| {
        Error::invalid(format!("the arguments do not fit: {reason}")).with("tool", &known.spec.name)
    })
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let McpConfig { name, reach, .. } = &self.config;
        write!(f, "McpServer({name}, {reach:?})")
    }
}
