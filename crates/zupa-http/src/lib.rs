#![doc = include_str!("../README.md")]

pub mod audit;
mod body;
mod breakers;
pub mod channels;
mod chat;
pub mod conversations;
pub mod dead_letters;
mod envelope;
mod fields;
mod gate;
mod health;
pub mod idempotency;
mod limits;
mod metrics;
mod operator;
mod pages;
mod parts;
mod phone;
mod problem;
mod readiness;
mod reviews;
mod router;
mod serve;
mod stages;
mod web_chat;
mod webhooks;

pub use breakers::{Breaker, Breakers, Position};
pub use idempotency::{Idempotency, Principal, idempotent};
pub use limits::{LocalTokens, Rates};
pub use metrics::Metrics;
pub use operator::ClaimDone;
pub use parts::{DEFAULT_PAYLOAD_BYTES, DevInfo, Mode, Parts};
pub use readiness::{Readiness, State};
pub use reviews::{Listed, Patience, Reviews, Wanted, reviews};
pub use router::router;
pub use serve::serve;
pub use stages::stages;
pub use web_chat::WebChat;
pub use zupa_core::review::{
    Claimed, Claiming, Decided, Question, Review, Settled, Verdict, claim, decide, release,
};
pub use zupa_core::why::{Why, why};
