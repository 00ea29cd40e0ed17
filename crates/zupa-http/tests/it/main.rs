//! What the routes answer, seen from outside the crate.

// Helpers count as production code to clippy; here a failed unwrap is the report.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod breakers;
mod channels;
mod contract;
mod conversations;
mod dead_letters;
mod events;
mod fakes;
mod gate;
mod health;
mod idempotency;
mod limits;
mod messages;
mod metrics;
mod operator;
mod phone;
mod review_claims;
mod review_pages;
mod reviews;
mod serve;
mod takeovers;
mod web_chat;
mod webhooks;
mod why;
