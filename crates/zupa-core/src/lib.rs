//! The vocabulary, the ports and the error taxonomy of Zupa.
//!
//! Adapters depend on this crate alone; the runtime drives them through the
//! ports. Nothing here does IO, reads a clock or knows a vendor.
//!
//! Reading order: the words ([`id`], [`content`], [`inbound`], [`outbound`],
//! [`turn`]), what may go wrong ([`error`]), the ports ([`store`], [`desk`],
//! [`model`], [`channel`], [`wakeup`], [`clock`], [`secrets`]), and the two
//! concrete handles that doors hold ([`intake`], [`hints`]).

pub mod audit;
pub mod burst;
pub mod channel;
pub mod clock;
pub mod content;
pub mod desk;
pub mod digest;
pub mod error;
pub mod hints;
pub mod id;
pub mod inbound;
pub mod intake;
pub mod model;
pub mod outbound;
pub mod secrets;
pub mod store;
pub mod time;
pub mod turn;
pub mod wakeup;

pub use audit::{AuditEntry, AuditHead, AuditLink};
pub use burst::Burst;
pub use channel::{Acknowledges, Capabilities, Channel, Deduplicates, Outgoing, SendReceipt};
pub use clock::{Clock, Ids};
pub use content::Content;
pub use desk::Desk;
pub use digest::Digest;
pub use error::{Error, ErrorKind, Outcome, Result, Retry};
pub use hints::{Hint, HintFeed, Hints, Stage};
pub use id::{
    Address, Alias, ChannelId, ConversationId, Epoch, EventId, Number, PlatformId, ProcessId,
    TenantId, TurnId,
};
pub use inbound::{Correlation, Inbound, Receipt, ReceiptNews};
pub use intake::{Delivered, Intake, IntakeAnswer, IntakeBatch};
pub use model::{
    Completion, FinishReason, Model, ModelEvent, ModelRequest, ModelStream, Prompt, Role, Usage,
};
pub use outbound::{DeliveryId, DeliveryState, Lane, Outbound, ReceiptLevel};
pub use secrets::{SecretRef, Secrets};
pub use store::Store;
pub use time::Timestamp;
pub use turn::{Claimed, InboundState, Message, Step, TurnState};
pub use wakeup::{Nudge, Wakeup};
