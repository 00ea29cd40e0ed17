//! One life of a server: from the handshake to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
    ErrorCode, ErrorData, Implementation, JsonObject, ListToolsRequest, PaginatedRequestParams,
    PingRequest, ProtocolVersion, RequestMetaObject, ServerResult, Tool,
};
use rmcp::service::{PeerRequestOptions, RequestHandle, RunningService, ServiceError};
use rmcp::transport::{IntoTransport, Transport};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};
use zupa_core::Digest;

use crate::config::{McpConfig, Reach};
use crate::error::Failure;
use crate::quiet::{Quiet, Signs};
use crate::stdio::{ChildWire, Tail};
use crate::streamable;

/// More tools than this help no model.
const MAX_TOOLS: usize = 256;
/// Nor do more pages of them.
const MAX_PAGES: usize = 64;
/// Nor does a listing longer than this.
const MAX_LISTING_BYTES: usize = 8 << 20;
/// How long a server that let a call time out may take to show that it lives.
const SIGN_OF_LIFE_WAIT: Duration = Duration::from_secs(2);
/// How long a cancellation may take to be written.
const CANCEL_WAIT: Duration = Duration::from_secs(5);
/// The key of `_meta` that carries the idempotency key. No server has to know
/// it; one of your own can.
const KEY_OF_META: &str = "zupa/idempotency-key";

/// What we tell a server of ourselves: that we offer it nothing.
struct Us;

impl ClientHandler for Us {
    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("zupa", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), us)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}

/// A server that has answered the handshake.
pub(crate) struct Session {
    service: RunningService<RoleClient, Us>,
    signs: Arc<Signs>,
    /// It let a call time out.
    is_suspect: AtomicBool,
    /// It answered a call.
    is_proved: AtomicBool,
    /// When a call found it gone.
    lost_at: OnceLock<Instant>,
}

/// What a server said to a call.
pub(crate) enum Answer {
    /// What the tool gave back.
    Result(CallToolResult),
    /// The call was not made; the server says why.
    Refusal(ErrorData),
}

impl Session {
    /// Starts or reaches the server and shakes hands, within the time to start.
    ///
    /// *Cancel safety*: safe; a started process is killed.
    pub(crate) async fn open(config: &McpConfig, tail: Arc<Tail>) -> Result<Self, Failure> {
        match &config.reach {
            Reach::Http {
                url,
                bearer,
                connect_timeout,
            } => {
                let limit = config.message_limit_bytes;
                let wire = streamable::wire(url, bearer.as_ref(), *connect_timeout, limit)?;
                Self::shake_hands(config, wire).await
            }
            Reach::Stdio { .. } => {
                let started = ChildWire::start(&config.reach, config.message_limit_bytes, tail);
                let wire = started.unwrap_or_else(|| Err(std::io::ErrorKind::Unsupported.into()));
                Self::shake_hands(config, wire.map_err(Failure::Start)?).await
            }
        }
    }

    async fn shake_hands<T>(config: &McpConfig, wire: T) -> Result<Self, Failure>
    where
        T: Transport<RoleClient> + 'static,
        Quiet<T>: IntoTransport<RoleClient, T::Error, rmcp::transport::TransportAdapterIdentity>,
    {
        let signs = Arc::new(Signs::default());
        let wire = Quiet::new(wire, signs.clone());
        let service = timeout(config.start_timeout, Us.serve(wire))
            .await
            .map_err(|_elapsed| Failure::NotReady)??;
        Ok(Self {
            service,
            signs,
            is_suspect: AtomicBool::new(false),
            is_proved: AtomicBool::new(false),
            lost_at: OnceLock::new(),
        })
    }

    /// Asks for all tools, page by page, past rmcp's cache.
    pub(crate) async fn list(&self, wait: Duration) -> Result<Vec<Tool>, Failure> {
        let deadline = Instant::now() + wait;
        let mut tools = Vec::new();
        let mut bytes = 0;
        let mut cursor = None;
        for _page in 0..MAX_PAGES {
            let params = PaginatedRequestParams::default().with_cursor(cursor);
            let request = ListToolsRequest::with_param(params).into();
            let ServerResult::ListToolsResult(page) =
                self.ask(request, deadline).await.map_err(before_any_call)?
            else {
                return Err(Failure::Handshake);
            };
            bytes += page.tools.iter().map(size).sum::<usize>();
            tools.extend(page.tools);
            if tools.len() > MAX_TOOLS || bytes > MAX_LISTING_BYTES {
                return Err(Failure::TooMany(MAX_TOOLS));
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(Failure::TooMany(MAX_TOOLS))
    }

    /// Calls a tool and waits until the deadline, then cancels.
    ///
    /// *Cancel safety*: the server is told that nobody waits any more; the
    /// outcome stays unknown.
    pub(crate) async fn call(
        &self,
        tool: &str,
        arguments: JsonObject,
        key: Option<Digest>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        params.meta = key.map(|key| {
            let mut meta = RequestMetaObject::new();
            meta.insert(KEY_OF_META.to_owned(), key.to_hex().into());
            meta
        });
        let asked = self.ask(CallToolRequest::new(params).into(), deadline);
        let answer = match asked.await {
            Ok(ServerResult::CallToolResult(result)) => Ok(Answer::Result(result)),
            Ok(ServerResult::InputRequiredResult(_)) => Err(Failure::Wants("input")),
            Ok(ServerResult::CreateTaskResult(_)) => Err(Failure::Wants("a task")),
            Ok(_) => Err(Failure::Nonsense),
            Err(Asked::Service(ServiceError::McpError(error))) if was_refused(error.code) => {
                Ok(Answer::Refusal(error))
            }
            Err(asked) => Err(asked.into()),
        };
        match &answer {
            Ok(_) => self.is_proved.store(true, Ordering::Release),
            Err(failure) if failure.ends_session() => {
                self.lost_at.get_or_init(Instant::now);
            }
            Err(_) => {}
        }
        answer
    }

    async fn ask(
        &self,
        request: rmcp::model::ClientRequest,
        deadline: Instant,
    ) -> Result<ServerResult, Asked> {
        let options = PeerRequestOptions::no_options();
        let sending = self.service.send_request_with_option(request, options);
        let handle = match timeout_at(deadline, sending).await {
            // The loop of the session has ended, so nobody wrote it.
            Ok(Err(_closed)) => return Err(Asked::Failed(Failure::Gone)),
            Err(_elapsed) => return Err(Asked::Failed(Failure::NotReady)),
            Ok(Ok(handle)) => handle,
        };
        let mut pending = Pending(Some(handle));
        let Some(handle) = &mut pending.0 else {
            return Err(Asked::Failed(Failure::Lost));
        };
        match timeout_at(deadline, &mut handle.rx).await {
            Err(_elapsed) => {
                self.is_suspect.store(true, Ordering::Release);
                Err(Asked::Failed(Failure::Silent))
            }
            Ok(answered) => {
                let id = handle.id.clone();
                pending.0 = None;
                match answered {
                    Ok(Err(ServiceError::TransportClosed)) | Err(_)
                        if !self.signs.was_begun(&id) =>
                    {
                        Err(Asked::Failed(Failure::Gone))
                    }
                    Ok(answer) => answer.map_err(Asked::Service),
                    Err(_dropped) => Err(Asked::Failed(Failure::Lost)),
                }
            }
        }
    }

    /// False if it is gone, or let a call time out and does not answer a ping
    /// either.
    pub(crate) async fn is_alive(&self) -> bool {
        if self.has_ended() {
            return false;
        }
        if !self.is_suspect.swap(false, Ordering::AcqRel) {
            return true;
        }
        let deadline = Instant::now() + SIGN_OF_LIFE_WAIT;
        let answer = self.ask(PingRequest::default().into(), deadline).await;
        // Any answer is a sign of life, "no such method" too.
        matches!(
            answer,
            Ok(_) | Err(Asked::Service(ServiceError::McpError(_)))
        )
    }

    /// True if nothing speaks against using it at once.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.has_ended() && !self.is_suspect.load(Ordering::Acquire) && !self.has_changed_list()
    }

    fn has_ended(&self) -> bool {
        self.lost_at.get().is_some()
            || self.signs.has_ended.load(Ordering::Acquire)
            || self.service.is_transport_closed()
    }

    pub(crate) fn has_changed_list(&self) -> bool {
        self.signs.list_changed.load(Ordering::Acquire)
    }

    /// Says whether the list that is known is that of the server.
    pub(crate) fn set_changed_list(&self, is_changed: bool) {
        self.signs.list_changed.store(is_changed, Ordering::Release);
    }

    pub(crate) fn is_proved(&self) -> bool {
        self.is_proved.load(Ordering::Acquire)
    }

    /// When a call found it gone.
    pub(crate) fn lost_at(&self) -> Option<Instant> {
        self.lost_at.get().copied()
    }

    /// Ends it, whoever still waits for it: they are told that it is lost.
    pub(crate) fn end(&self) {
        self.service.cancellation_token().cancel();
    }
}

fn size(tool: &Tool) -> usize {
    serde_json::to_string(tool).map_or(usize::MAX / MAX_TOOLS, |text| text.len())
}

/// JSON-RPC's errors that come before a tool runs.
fn was_refused(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::PARSE_ERROR
            | ErrorCode::INVALID_REQUEST
            | ErrorCode::METHOD_NOT_FOUND
            | ErrorCode::INVALID_PARAMS
    )
}

/// A failure to list concerns no call: nothing was applied.
fn before_any_call(asked: Asked) -> Failure {
    match Failure::from(asked) {
        Failure::Lost => Failure::Gone,
        Failure::Silent => Failure::NotReady,
        Failure::Code(_) | Failure::Nonsense => Failure::Handshake,
        other => other,
    }
}

/// How asking went wrong.
enum Asked {
    Failed(Failure),
    Service(ServiceError),
}

impl From<Asked> for Failure {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Failed(failure) => failure,
            Asked::Service(error) => error.into(),
        }
    }
}

/// A request whose answer is waited for. Dropped before that, it tells the
/// server, in a task of its own: the wire may be blocked, and nobody waits.
struct Pending(Option<RequestHandle<RoleClient>>);

impl Drop for Pending {
    fn drop(&mut self) {
        let (Some(handle), Ok(runtime)) = (self.0.take(), Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            let cancelled = handle.cancel(Some("no longer waited for".to_owned()));
            let _ = timeout(CANCEL_WAIT, cancelled).await;
        });
    }
}
