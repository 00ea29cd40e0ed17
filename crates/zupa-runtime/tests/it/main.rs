//! The path, tested through its public API: a runtime over the memory store, a
//! model and doors that tests own, and time that tests own, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are test code, too"
)]

mod support;

mod accounts;
mod admission;
mod approvals;
mod arguments;
mod branches;
mod breaker_model;
mod breaker_shuttle;
mod bursts;
mod chat_operators;
mod clock_jumps;
mod commands;
mod crash_matrix;
mod dead_letters;
mod dead_letters_killed;
mod deadlines;
mod decided_together;
mod deliveries;
mod drawing;
mod duplicates;
mod effects;
mod ends;
mod engine_matrix;
mod every_order;
mod failover;
mod fairness;
mod fitting;
mod found;
mod giving_up;
mod graphs;
mod guards;
mod hooks;
mod journal;
mod living;
mod long_waits;
mod loops;
mod midway;
mod mixed_outcomes;
mod model_back;
mod news;
mod one_message;
mod order;
mod own_effects;

mod pacing;
mod prompt;
mod provider;
mod purse;
mod relevance;
mod reminders;
mod replicas;
mod resilience;
mod reviewed;
mod scripted_speech;
mod sessions;
mod speech;
mod standing;
mod stuck;
mod takeover;
mod talk;
mod telemetry;
mod tenants;
mod tools;
mod traffic;
mod two_versions;
mod unheard;
mod unread;
mod versions;
mod waits;
mod windows;
