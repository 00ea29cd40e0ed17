//! From configuration to parts: model, agent, settings, doors.

mod models;
mod phones;
mod policies;
mod speech;
#[cfg(test)]
mod tests;
mod whatsapp;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zupa::config::quiet::{Hours, zone};
use zupa::config::{self, ChannelKind, Config, Journal};
use zupa_core::machine::conversation::GiveUp;
use zupa_core::secrets::SecretString;
use zupa_core::{
    Address, Alias, Burst, Channel, ChannelId, Clock, Digest, Error, Hints, IdempotencyKeys, Price,
    SecretRef, Secrets, Standing, TenantId,
};
use zupa_http::{Idempotency, WebChat};
use zupa_runtime::{
    Agent, JournalMode, Language, OnModelDown, QuietHours, Runtime, Settings, SystemClock,
    SystemIds, SystemSecrets,
};

use models::key;
pub use models::{fallbacks, model};
pub use phones::{Phones, phones};
use policies::policies;
pub use speech::speech;
#[cfg(feature = "whatsapp-cloud")]
pub use whatsapp::number;
pub use whatsapp::{Numbers, numbers};

use super::failure::{Code, Failure};

const MINUTE: Duration = Duration::from_secs(60);

/// A secret that is named and not there is a mistake in the configuration, not a
/// reason to go on without one.
pub async fn secret(reference: &SecretRef, key: &str) -> Result<SecretString, Failure> {
    SystemSecrets.resolve(reference).await.map_err(|error| {
        let why = std::error::Error::source(&error)
            .map_or_else(|| error.message().to_owned(), ToString::to_string);
        Failure::new(
            Code::Config,
            format!("the secret of {key} is not at {reference}"),
        )
        .because(why)
        .try_this(format!(
            "put it there, or name another place in {key}: env:NAME, file:PATH or exec:COMMAND"
        ))
    })
}

/// The agent, with its prompt and its language read from their files if it has
/// such.
pub fn agent(config: &Config) -> Result<Agent, Failure> {
    let wanted = &config.agent;
    let prompt = match &wanted.prompt_file {
        Some(path) => read(Path::new(path), "agent.prompt_file")?,
        None => wanted.prompt.clone().unwrap_or_default(),
    };
    let mut agent = Agent::new(&wanted.name, prompt).speaking(language(wanted)?);
    agent.history = wanted.history_messages;
    agent.burst = Burst {
        silence: Duration::from_millis(wanted.burst.silence_ms),
        max_wait: Duration::from_millis(wanted.burst.max_wait_ms),
        max_count: u32::try_from(wanted.burst.max_count).unwrap_or(u32::MAX),
    };
    agent.session_idle = MINUTE * wanted.session.idle_minutes;
    agent.model_summaries = wanted.session.model_summaries;
    agent.human_within = MINUTE * wanted.waits.human_minutes;
    agent.confirm_within = MINUTE * wanted.waits.confirm_minutes;
    agent.approve_within = 60 * MINUTE * wanted.waits.approve_hours;
    if let Some(text) = &wanted.texts.fallback {
        agent.fallback.clone_from(text);
    }
    if let Some(text) = &wanted.texts.overload {
        agent.language.overload.clone_from(text);
    }
    if let Some(text) = &wanted.texts.model_down {
        agent.language.model_down.clone_from(text);
    }
    agent.on_model_down = match wanted.on_model_down {
        config::OnModelDown::Hold => OnModelDown::Hold,
        config::OnModelDown::Reply => OnModelDown::Reply,
    };
    agent.answer_within = 60 * MINUTE * wanted.answer_within_hours;
    agent.fallback_limit = wanted.fallback_limit;
    agent.give_up = match wanted.give_up {
        config::GiveUp::Human => GiveUp::NeedsHuman,
        config::GiveUp::Error => GiveUp::Error,
    };
    if wanted.session.model_ends {
        agent = agent.model_ends_sessions();
    }
    for (channel, alias) in config.admins() {
        agent = agent.admin_at(Address {
            tenant: TenantId::parse(&channel.tenant)?,
            channel: ChannelId::parse(&channel.id)?,
            alias: Alias::parse(alias)?,
        });
    }
    for (name, channel, alias) in config.operators() {
        let address = Address {
            tenant: TenantId::parse(&channel.tenant)?,
            channel: ChannelId::parse(&channel.id)?,
            alias: Alias::parse(alias)?,
        };
        agent = agent.operator_at(name, address);
    }
    for name in &wanted.commands.disabled {
        agent = agent.without_command(name);
    }
    for name in &wanted.commands.admin_only {
        agent = agent.command_for_admins(name);
    }
    Ok(agent)
}

/// What it says by itself.
fn language(wanted: &config::Agent) -> Result<Language, Failure> {
    let Some(path) = &wanted.language_file else {
        return Ok(match wanted.language {
            config::Language::En => Language::english(),
            config::Language::Pt => Language::portuguese(),
        });
    };
    let text = read(Path::new(path), "agent.language_file")?;
    Language::parse(&text).map_err(|error| {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        Failure::new(Code::Config, format!("{path} is not a language file"))
            .because(why.unwrap_or_else(|| error.to_string()))
            .try_this(
                "mend it, or set agent.language to en or pt and leave agent.language_file out",
            )
    })
}

fn read(path: &Path, key: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Code::Config, format!("{} cannot be read", path.display()))
            .because(error)
            .try_this(format!("mend {key}"))
    })
}

/// Limits and times.
pub fn settings(config: &Config) -> Settings {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let policy = &config.policy;
    Settings {
        turns_in_flight: config.limits.turns_in_flight,
        per_user_per_minute: config.limits.per_user_per_minute,
        per_tenant_per_minute: config.limits.per_tenant_per_minute,
        backlog: config.limits.backlog as u64,
        queue_age: Duration::from_millis(config.limits.queue_age_ms),
        cpu_percent: config.limits.cpu_percent,
        memory_percent: config.limits.memory_percent,
        payload_bytes: config.limits.payload_bytes,
        turn_timeout: Duration::from_millis(policy.turn.timeout_ms),
        policies: policies(policy),
        journal: match config.agent.journal {
            Journal::Step => JournalMode::Step,
            Journal::Turn => JournalMode::Turn,
        },
        tool_rounds: config.limits.tool_rounds,
        turn_tokens: config.limits.turn_tokens,
        price: Price {
            input_micros_per_million: micros(config.model.price_in),
            output_micros_per_million: micros(config.model.price_out),
        },
        turn_cost_micros: micros(config.limits.turn_cost),
        heartbeat: Duration::from_millis(config.store.heartbeat_ms),
        claim_expiry: Duration::from_millis(config.store.claim_expiry_ms),
        dedupe_retention: DAY * config.retention.dedupe_days,
        raw_retention: DAY * config.retention.raw_days,
        dead_letter_retention: DAY * config.dlq.retention_days,
        dead_letter_alert: u64::from(config.dlq.alert_threshold),
        dead_letter_export: config.dlq.export_dir.as_ref().map(PathBuf::from),
        config: Digest(config.hash()),
        ..Settings::default()
    }
}

/// Operators' acts, each done once, with its answer kept for as long as is configured. By
/// the clock of the path: by the machine's, a jump would free the keys of acts at work.
pub fn idempotency(
    config: &Config,
    keys: Arc<dyn IdempotencyKeys>,
    runtime: &Runtime,
) -> Idempotency {
    Idempotency::new(keys, runtime.clock(), Arc::new(SystemIds))
        .bus(runtime.bus())
        .keep(60 * MINUTE * config.idempotency.hours)
}

/// How long a review may be open before it is shown as overdue.
pub fn overdue_after(config: &Config) -> Duration {
    MINUTE * config.agent.waits.overdue_minutes
}

/// An amount of money, in millionths. The table of keys holds it between nothing and a
/// million.
fn micros(amount: Option<f64>) -> u64 {
    amount.map_or(0, |amount| (amount * 1e6).round() as u64)
}

/// The web chats, all watching the same signs.
pub fn chats(config: &Config, hints: &Hints) -> Result<Vec<WebChat>, Failure> {
    config
        .channels
        .iter()
        .filter(|channel| channel.kind == ChannelKind::WebChat)
        .map(|channel| {
            let id = ChannelId::parse(&channel.id)?;
            let tenant = TenantId::parse(&channel.tenant)?;
            Ok(WebChat::new(id, tenant, hints.clone()))
        })
        .collect::<zupa_core::Result<_>>()
        .map_err(Failure::from)
}

/// How every channel stands. A chat is there with its process; a number has no state but
/// that of its breaker.
pub fn standings(chats: &[WebChat], numbers: &Numbers, phones: &Phones) -> Vec<Standing> {
    let now = SystemClock::default().wall();
    let stands = |door: &dyn Channel, kind| {
        Standing::ready(door.id().clone(), door.tenant().clone(), kind, now)
    };
    let chats = chats.iter().map(|chat| stands(chat, "web-chat"));
    let numbers = numbers.doors.iter();
    let numbers = numbers.map(|door| stands(door.as_ref(), "whatsapp-cloud"));
    chats.chain(numbers).chain(phones.standings()).collect()
}

/// When channels keep quiet.
pub fn quiet_hours(config: &Config) -> Result<Vec<(ChannelId, QuietHours)>, Failure> {
    let mut quiet = Vec::new();
    for channel in &config.channels {
        let Some(hours) = &channel.quiet_hours else {
            continue;
        };
        // Loading the configuration has refused other ones.
        let (Some(hours), Some(zone)) = (Hours::parse(hours), zone(&channel.time_zone)) else {
            return Err(Error::internal("quiet hours that are none were loaded").into());
        };
        let hours = QuietHours::new(move |now| hours.include(now, &zone));
        quiet.push((ChannelId::parse(&channel.id)?, hours));
    }
    Ok(quiet)
}
