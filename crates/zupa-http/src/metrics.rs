//! `/metrics`: what the process has done, for Prometheus.
//!
//! A subscriber of the event bus counts; the path knows nothing of it. So these are
//! figures of this process since its start, and lossy like the bus: what was lost is a
//! figure of its own. The books are `/api/v1/accounting`.

mod count;
mod families;
mod loss;

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use zupa_core::bus::{EventBus, Subscription};
use zupa_core::{Error, Result};

use self::families::Families;
use self::loss::Loss;
use crate::operator::Admin;
use crate::parts::Shared;
use crate::problem::Problem;

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
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.0).map_err(|source| {
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
    let text = shared
        .metrics
        .text()
        .map_err(|error| Problem::from_error(&error))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
