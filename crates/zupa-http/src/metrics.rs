//! `/metrics`: what the process has done, for Prometheus.
//!
//! A subscriber of the event bus counts; the path knows nothing of it. So these are
//! figures of this process since its start, and lossy like the bus: what was lost is a
//! figure of its own. The books are `/api/v1/accounting`. What stands rather than happens,
//! breakers, channels and dead letters that wait, is read at each scrape.

mod count;
mod families;
mod loss;
mod standing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use zupa_core::bus::{EventBus, Subscription};
use zupa_core::{Error, Result};

use self::families::Families;
use self::loss::Loss;
use self::standing::Standing;
use crate::operator::Admin;
use crate::parts::Shared;
use crate::problem::Problem;

/// How long a scrape waits for the store.
const DESK: Duration = Duration::from_secs(1);

/// The only form there is.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures of a process. Clones are the same.
#[derive(Clone)]
pub struct Metrics(Arc<Registry>);

impl Metrics {
    /// Figures of what is told on a bus from now on, and the subscription that counts,
    /// to be spawned.
    ///
    /// *Errors*: none that occurs; the pattern of the subscription is ours.
    pub fn of(bus: &EventBus) -> Result<(Self, Subscription)> {
        let mut registry = Registry::with_prefix("zupa");
        let mut families = Families::register(&mut registry);
        registry.register_collector(Box::new(Loss(bus.clone())));
        let counting = bus.subscribe("*", move |event| {
            families.take(&event);
            std::future::ready(())
        })?;
        Ok((Self(Arc::new(registry)), counting))
    }

    /// The text of an answer.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Internal`] when it cannot be written.
    fn text(&self, standing: Standing) -> Result<String> {
        let mut now = Registry::with_prefix("zupa");
        now.register_collector(Box::new(standing));
        let mut text = String::new();
        encode_registry(&mut text, &self.0)
            .and_then(|()| encode_registry(&mut text, &now))
            .and_then(|()| encode_eof(&mut text))
            .map_err(|source| {
                Error::internal("the figures cannot be written down").with_source(source)
            })?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// `GET /metrics`, for operators. While somebody develops it is open, like the page.
///
/// An address of this machine is no proof: a proxy in front has one too, and would
/// publish the figures.
pub(crate) async fn metrics(
    State(shared): State<Arc<Shared>>,
    admin: std::result::Result<Admin, Problem>,
) -> std::result::Result<Response, Problem> {
    if !shared.is_dev() {
        admin?;
    }
    // A store that does not answer must not cost the figures of everything else.
    let letters = tokio::time::timeout(DESK, shared.desk.dead_letter_stats()).await;
    let standing = Standing {
        breakers: shared.breakers.list(),
        channels: shared.standings.clone(),
        dead_letters: letters.ok().and_then(Result::ok),
        now: shared.clock.wall(),
    };
    let text = shared
        .metrics
        .text(standing)
        .map_err(|error| Problem::from_error(&error))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
