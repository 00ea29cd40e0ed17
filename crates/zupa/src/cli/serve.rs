//! `zupa dev` and `zupa serve`: the whole path in one process.
//!
//! The order of things at the start: lock and open the store, start servers of
//! tools, bind the port, recover, then say ready. At the end: no more intake, the
//! turns that have started, the store, the connections.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use zupa::config::{self, ChannelKind, Config, Engine, Profile};
use zupa_core::{
    Channel, Clock, Desk, Digest, ErrorKind, EventBus, Hints, Standing, Wakeup, Webhook,
};
use zupa_http::{
    DevInfo, Idempotency, LocalTokens, Metrics, Mode, Parts, Rates, Readiness, WebChat,
};
use zupa_runtime::{
    Drained, Health, InProcessWakeup, MachineLoad, Runtime, SystemClock, SystemIds,
};

use super::arguments::{Global, Listen};
use super::failure::{Code, Failure};
use super::machine::Machine;
use super::{assemble, breakers, check, logs, print, store, token, tools};

/// Runs `zupa dev`.
pub async fn dev(global: &Global, listen: &Listen) -> Result<Code, Failure> {
    let config = check::load(global, &flags(listen))?;
    if config.profile == Profile::Prod {
        return Err(Failure::new(
            Code::Config,
            "`zupa dev` does not run with the profile prod",
        )
        .because("its web chat is open and its page is for the maker")
        .try_this("`zupa serve`"));
    }
    run(global, config, true).await
}

/// Runs `zupa serve`.
pub async fn serve(global: &Global, listen: &Listen) -> Result<Code, Failure> {
    let config = check::load(global, &flags(listen))?;
    let is_web_chat = |door: &config::Channel| door.kind == ChannelKind::WebChat;
    if config.profile == Profile::Prod && config.channels.iter().any(is_web_chat) {
        return Err(
            Failure::new(Code::Config, "the profile prod cannot serve a web chat yet")
                .because("visitors' sessions are not built, so anybody could read any conversation")
                .try_this("profile = \"staging\" behind a proxy that knows its users"),
        );
    }
    run(global, config, false).await
}

fn flags(listen: &Listen) -> Vec<(&'static str, String)> {
    listen
        .listen
        .iter()
        .map(|address| ("server.listen", address.clone()))
        .collect()
}

async fn run(global: &Global, config: Config, dev: bool) -> Result<Code, Failure> {
    logs::start(global, &config);
    for warning in config.warnings() {
        warn!("{warning}");
    }
    let signals = Signals::watch()?;
    let chosen = assemble::model(&config, dev).await?;
    let fallbacks = assemble::fallbacks(&config).await?;
    let agent = assemble::agent(&config)?;
    let agent = assemble::speech(agent, &config).await?;
    let numbers = assemble::numbers(&config).await?;
    let mut phones = assemble::phones(&config)?;
    let store::Opened {
        store,
        desk,
        keys,
        wakeup,
        folder: _folder,
    } = store::open(&config, store::Purpose::Serve).await?;
    // Behind the lock: a second process does not get to start servers of tools.
    let agent = tools::add(agent, &config).await?;
    tools::check_policies(&agent, &config)?;
    let listener = bind(config.server.listen).await?;
    let address = listener.local_addr().map_err(|error| {
        Failure::new(Code::Failed, "the port's address is not known").because(error)
    })?;
    let admin_token = token::make();
    let left = token::leave(&store::marks(&config), &admin_token, address);
    match left {
        // Commands read the database themselves, and a container's file system
        // may well be read-only.
        Err(failure) if config.store.url.engine() == Engine::Postgres => {
            warn!("nobody will know the operator's token: {}", failure.what());
        }
        left => left?,
    }

    let hints = Hints::default();
    let chats = assemble::chats(&config, &hints)?;
    let info = DevInfo {
        agent: agent.name.clone(),
        model: chosen.words.clone(),
        scripted: chosen.scripted,
        hint: if chosen.scripted {
            HOW_TO_PLUG_IN.to_owned()
        } else {
            String::new()
        },
        store: store::location(&config),
    };
    let wakeup = wakeup.unwrap_or_else(|| Arc::new(InProcessWakeup::default()));
    let settings = assemble::settings(&config);
    #[cfg(feature = "faults")]
    let settings = super::faults::hurried(settings);
    let bus = EventBus::default();
    // Before the start, of which there are figures, too.
    let (metrics, counting) = Metrics::of(&bus)?;
    tokio::spawn(counting);
    if dev {
        tokio::spawn(zupa_http::stages(&bus, desk.clone(), &chats)?);
    }
    let mut builder = Runtime::builder(store, chosen.model, agent)
        .settings(settings)
        .desk(desk.clone())
        .idempotency_keys(keys.clone())
        .wakeup(wakeup.clone())
        .machine_load(machine_load())
        .bus(bus);
    #[cfg(feature = "faults")]
    let sink = super::faults::sink()?;
    for fallback in fallbacks {
        info!(
            model = fallback.words,
            "asked where the model before it cannot answer"
        );
        builder = builder.fallback_model(fallback.model);
    }
    for (channel, hours) in assemble::quiet_hours(&config)? {
        builder = builder.quiet_hours(channel, hours);
    }
    let standings = assemble::standings(&chats, &numbers, &phones);
    for standing in &standings {
        builder = builder.standing(standing.clone());
    }
    let chat_doors = chats
        .iter()
        .map(|chat| Arc::new(chat.clone()) as Arc<dyn Channel>);
    for door in chat_doors.chain(numbers.doors).chain(phones.doors()) {
        #[cfg(feature = "faults")]
        let door = match &sink {
            Some(sink) => sink.behind(door),
            None => door,
        };
        builder = builder.channel(door);
    }
    #[cfg(feature = "faults")]
    {
        builder = builder.faults(super::faults::planted_in_runtime()?);
    }
    let runtime = builder.start().await?;
    phones.start(&runtime.intake());

    let idempotency = assemble::idempotency(&config, keys, &runtime);
    let readiness = Readiness::default();
    let stop = CancellationToken::new();
    let mode = if dev {
        Mode::Dev(info.clone())
    } else {
        Mode::Serve
    };
    let router = zupa_http::router(parts(
        &config,
        &runtime,
        desk,
        wakeup,
        chats,
        numbers.webhooks,
        standings,
        mode,
        admin_token,
        idempotency,
        metrics,
        &readiness,
        &stop,
    ));
    let serving = tokio::spawn(zupa_http::serve(listener, router, stop.clone()));
    readiness.ready();
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(true, &[sd_notify::NotifyState::Ready]);
    if dev {
        greet(address, &info);
    }
    info!(%address, model = info.model, "ready");

    let ended = until_the_end(&runtime, &readiness, signals).await;
    let deadline = Duration::from_millis(config.shutdown.deadline_ms);
    finish(ended, runtime, phones, readiness, stop, serving, deadline).await
}

/// How much of the machine this process takes, whenever it is asked.
fn machine_load() -> impl FnMut() -> MachineLoad + Send + 'static {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut machine = Machine::below(Path::new("/"), processors);
    let clock = SystemClock::default();
    move || machine.load(clock.monotonic())
}

const HOW_TO_PLUG_IN: &str = "OPENAI_API_KEY=… zupa dev, or [model] in zupa.toml";

#[expect(
    clippy::too_many_arguments,
    reason = "it only gathers what the routes are made of"
)]
fn parts(
    config: &Config,
    runtime: &Runtime,
    desk: Arc<dyn Desk>,
    wakeup: Arc<dyn Wakeup>,
    chats: Vec<WebChat>,
    webhooks: Vec<Arc<dyn Webhook>>,
    standings: Vec<Standing>,
    mode: Mode,
    admin_token: zupa_core::secrets::SecretString,
    idempotency: Idempotency,
    metrics: Metrics,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Parts {
    Parts {
        intake: runtime.intake(),
        desk,
        ids: Arc::new(SystemIds),
        clock: runtime.clock(),
        wakeup,
        config: Digest(config.hash()),
        chats,
        webhooks,
        standings,
        mode,
        allowed_hosts: config.server.allowed_hosts.clone(),
        rates: Rates {
            per_minute_per_ip: config.server.rate_per_minute_per_ip,
            per_minute_per_token: config.server.rate_per_minute_per_token,
            // Whoever measures on a machine of their own is not held up.
            local_tokens: match config.profile {
                Profile::Dev => LocalTokens::Free,
                Profile::Staging | Profile::Prod => LocalTokens::Limited,
            },
        },
        payload_bytes: config.limits.payload_bytes,
        admin_token,
        idempotency,
        overdue_after: assemble::overdue_after(config),
        bus: runtime.bus(),
        metrics,
        breakers: breakers::of(runtime.breaker_list()),
        readiness: readiness.clone(),
        stop: stop.clone(),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::AddrInUse => Code::Temporary,
            std::io::ErrorKind::PermissionDenied => Code::Permission,
            _ => Code::Failed,
        };
        Failure::new(code, format!("cannot listen on {address}"))
            .because(error)
            .try_this("stop what listens there, or name another port with --listen 127.0.0.1:0")
    })
}

fn greet(address: SocketAddr, info: &DevInfo) {
    print::line(format_args!("Simulated phone  http://{address}/"));
    print::line(format_args!("Model            {}", info.model));
    if !info.hint.is_empty() {
        print::line(format_args!("A real model     {}", info.hint));
    }
    print::line(format_args!("Store            {}", info.store));
}

/// Why the process ends.
enum Ended {
    /// Somebody asked; the signals go on, a second one is final.
    Asked(Signals),
    /// The store cannot keep its promise any more, or is not ours to serve.
    Lost(zupa_core::Error),
}

async fn until_the_end(runtime: &Runtime, readiness: &Readiness, mut signals: Signals) -> Ended {
    let mut health = runtime.health();
    loop {
        // Both arms are cancel safe: a signal or a change waits to be seen.
        tokio::select! {
            () = signals.next() => return Ended::Asked(signals),
            changed = health.changed() => {
                if changed.is_err() {
                    continue;
                }
                match &*health.borrow_and_update() {
                    Health::Good => {
                        info!("the store takes writes again");
                        readiness.ready();
                    }
                    Health::Failing(failing) => {
                        warn!(error = %failing, "the store takes no writes; doors are told to come back");
                        readiness.degraded(failing.kind().as_str());
                    }
                    Health::Lost(lost) => return Ended::Lost(lost.clone()),
                }
            }
        }
    }
}

async fn finish(
    ended: Ended,
    runtime: Runtime,
    phones: assemble::Phones,
    readiness: Readiness,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    deadline: Duration,
) -> Result<Code, Failure> {
    readiness.draining();
    let _ = sd_notify::notify(true, &[sd_notify::NotifyState::Stopping]);
    let mut signals = match ended {
        Ended::Asked(signals) => signals,
        Ended::Lost(lost) => {
            match lost.kind() {
                ErrorKind::Unsupported => {
                    error!(error = %lost, "a newer zupa has changed the store; ending, because this one may not serve it any more");
                }
                _ => {
                    error!(error = %lost, "a flush to disk failed; ending, because nothing can be promised any more");
                }
            }
            return Err(lost.into());
        }
    };
    info!(?deadline, "draining; a second signal stops at once");
    let drain = async {
        let drained = runtime.shutdown(deadline).await;
        // What was to leave by them has left, or is given back.
        phones.close().await;
        stop.cancel();
        // Connections with nothing to say are closed; a slow reader is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
        drained
    };
    tokio::select! {
        drained = drain => match drained? {
            Drained::Whole => info!("drained"),
            Drained::CutShort => warn!("some turns were cut short; they run again at the next start"),
        },
        () = signals.next() => {
            warn!("stopped at once; the next start recovers as from a crash");
            return Ok(Code::Interrupted);
        }
    }
    Ok(Code::Ok)
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn watch() -> Result<Self, Failure> {
        let watch = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Code::Failed, "signals cannot be watched").because(error)
            })
        };
        Ok(Self {
            interrupt: watch(SignalKind::interrupt())?,
            terminate: watch(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal. Cancel safe.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
