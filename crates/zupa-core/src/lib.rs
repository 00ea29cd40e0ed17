//! The vocabulary, the ports and the error taxonomy of Zupa.
//!
//! Adapters depend on this crate alone; the runtime drives them through the
//! ports. Nothing here does IO, reads a clock or knows a vendor.
//!
//! Reading order: the words ([`id`], [`content`], [`inbound`], [`outbound`],
//! [`turn`]), what may go wrong ([`error`]), the ports ([`store`], [`desk`],
//! [`idempotency`], [`model`], [`speech`], [`channel`], [`wakeup`], [`clock`],
//! [`secrets`]), what operators decide over a desk ([`review`]), and the concrete
//! handles that doors hold ([`intake`], [`hints`], [`standing`]). The state [`machine`] and the event
//! [`bus`] stand on their own.

pub mod audit;
pub mod burst;
pub mod bus;
pub mod channel;
pub mod choices;
pub mod clock;
pub mod content;
pub mod dead_letter;
pub mod desk;
pub mod digest;
pub mod error;
pub mod hints;
pub mod hold;
pub mod id;
pub mod idempotency;
pub mod inbound;
pub mod intake;
pub mod machine;
pub mod model;
pub mod operator;
pub mod outbound;
pub mod pace;
#[cfg(feature = "packed")]
pub mod packed;
pub mod patch;
pub mod review;
pub mod secrets;
pub mod speech;
pub mod standing;
pub mod store;
pub mod time;
pub mod tool;
pub mod turn;
pub mod wait;
pub mod wakeup;
pub mod webhook;
pub mod why;
pub mod window;

pub use audit::{AuditEntry, AuditHead, AuditLink};
pub use burst::Burst;
pub use bus::EventBus;
pub use channel::{
    Acknowledges, Capabilities, Channel, Deduplicates, Media, OnUnknown, Outgoing, SendReceipt,
    Voice,
};
pub use choices::{Choice, ChoiceRoom, Choices, Shape};
pub use clock::{Clock, Ids};
pub use content::{Content, Wake};
pub use dead_letter::{
    DeadAttempt, DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId,
    DeadLetterKind, DeadLetterStanding, DeadLetterState, DeadLetterStats, DeadLetterView,
    DeadLettersKept, RawPayload,
};
pub use desk::Desk;
pub use digest::Digest;
pub use error::{Error, ErrorKind, Outcome, Result, Retry};
pub use hints::{Hint, HintFeed, Hints, Stage};
pub use hold::{Hold, HoldKind};
pub use id::{
    Address, Alias, ChannelId, ConversationId, Epoch, EventId, Number, PlatformId, ProcessId,
    TenantId, TurnId, WaitId,
};
pub use idempotency::{IdempotencyKey, IdempotencyKeys};
pub use inbound::{
    Correlation, EARLY_NEWS, Inbound, Person, Receipt, ReceiptNews, Wish, is_newer_edit,
};
pub use intake::{Delivered, Intake, IntakeAnswer, IntakeBatch};
pub use model::{
    Completion, FinishReason, Model, ModelEvent, ModelRequest, ModelStream, Price, Prompt,
    ReplySchema, Role, Usage,
};
pub use outbound::{DeliveryId, DeliveryState, Lane, Outbound, ReceiptLevel};
pub use pace::{Pace, Paced, PairPace};
pub use secrets::{SecretRef, Secrets};
pub use speech::{Audio, SynthesisRequest, Synthesizer, Transcriber, TranscriptionRequest};
pub use standing::Standing;
pub use store::Store;
pub use time::Timestamp;
pub use tool::{
    Effect, EffectClass, Probe, Reminder, Tool, ToolCall, ToolContext, ToolOutput, ToolSpec,
};
pub use turn::{Claimed, Coming, Fact, InboundState, Message, Step, StoredState, TurnState};
pub use wait::{
    ClaimAct, ClaimActed, Decision, NewWait, Resume, Wait, WaitClaim, WaitKind, WaitState,
};
pub use wakeup::{Nudge, Wakeup};
pub use webhook::{Opened, Webhook};
pub use window::{ReplyWindow, WhenClosed};
