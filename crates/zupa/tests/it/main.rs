//! The binary as its users meet it: started as a process, spoken to over HTTP,
//! signalled, killed, starved of disk, and asked what became of it all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "from outside there is only the machine's own clock and environment"
)]

mod support;

mod backup;
mod bad_input;
mod bad_model;
mod bad_start;
mod bench;
mod breaker;
mod browser;
mod channels;
mod cold_start;
mod commands;
mod conversations;
mod disk_full;
mod dlq;
mod doctor;
mod failing_disk;
mod first_answer;
mod flush_order;
mod graph;
mod idempotency;
mod logs;
mod metrics;
mod migrating;
mod outages;
#[cfg(feature = "wwebjs-bridge")]
mod phones;
#[cfg(feature = "postgres")]
mod postgres;
mod reload;
mod restore;
mod reviews;
mod signals;
#[cfg(feature = "whatsapp-cloud")]
mod sim;
mod stores;
mod tenants;
mod tools;
#[cfg(feature = "postgres")]
mod upgrade;
#[cfg(feature = "whatsapp-cloud")]
mod webhooks;
#[cfg(feature = "whatsapp-cloud")]
mod whatsapp;
