//! The names of all events of the system. `docs/events.md` says what they carry; a test
//! compares the two.

use super::Name;

macro_rules! names {
    ($($(#[$doc:meta])* $constant:ident = $namespace:literal : $name:literal;)*) => {
        $($(#[$doc])* pub const $constant: Name = Name::new($namespace, $name);)*

        /// All of them.
        pub const ALL: &[Name] = &[$($constant),*];
    };
}

names! {
    /// A message is durable for the first time.
    INBOUND_ACCEPTED = "inbound":"accepted";
    /// A message was delivered again.
    INBOUND_DUPLICATE = "inbound":"duplicate";
    /// Another message came under a known id.
    INBOUND_CONFLICT = "inbound":"conflict";
    /// A message is too old to be a first sighting.
    INBOUND_EXPIRED = "inbound":"expired";
    /// A message came that the person had taken back already.
    INBOUND_REVOKED = "inbound":"revoked";
    /// News waited in vain for the message that it speaks of, and was forgotten.
    NEWS_EXPIRED = "news":"expired";
    /// A batch of messages was turned away before anything was written.
    INBOUND_REFUSED = "inbound":"refused";
    /// What waits for a turn was counted.
    QUEUE_MEASURED = "queue":"measured";
    /// What waits for a turn in this process, and what runs, with one priority.
    QUEUE_WAITING = "queue":"waiting";
    /// Doors are told to come back from now on.
    ADMISSION_CLOSED = "admission":"closed";
    /// Doors may hand messages in again.
    ADMISSION_OPENED = "admission":"opened";
    /// Messages were turned away because doors are told to come back.
    ADMISSION_REFUSED = "admission":"refused";
    /// Conversations have been due for too long, and nobody is at work on them; or they
    /// were, and are not any more.
    QUEUE_STUCK = "queue":"stuck";
    /// Fewer messages, or more, are in some state than were accepted; or the books balance
    /// again.
    ACCOUNTING_DRIFTED = "accounting":"drifted";
    /// A turn was claimed and begins to run.
    TURN_CLAIMED = "turn":"claimed";
    /// A turn was committed: with an answer, silently, or refused.
    TURN_COMMITTED = "turn":"committed";
    /// A run of a turn ended with an error.
    TURN_FAILED = "turn":"failed";
    /// A turn will run again after an error.
    TURN_RETRIED = "turn":"retried";
    /// A turn was divided, so that only the message that fails gives up.
    TURN_SPLIT = "turn":"split";
    /// A turn gave up.
    TURN_DEAD = "turn":"dead";
    /// A run ended without a word of its own being written: its claim was lost, or the
    /// store could not be told.
    TURN_LOST = "turn":"lost";
    /// A node of the graph has ended.
    NODE_TRANSITION = "engine":"node_transition";
    /// A model is asked.
    MODEL_ASKED = "model":"asked";
    /// A model was called.
    MODEL_CALLED = "model":"called";
    /// A tool was called.
    TOOL_CALLED = "tool":"called";
    /// A hook of the agent failed, and the turn went on.
    HOOK_FAILED = "hook":"failed";
    /// A voice message was given to a transcriber.
    SPEECH_TRANSCRIBED = "speech":"transcribed";
    /// An answer was given to a synthesizer.
    SPEECH_SYNTHESIZED = "speech":"synthesized";
    /// A breaker has opened: no call goes through for a while.
    BREAKER_OPENED = "breaker":"opened";
    /// A breaker lets probes through.
    BREAKER_HALF_OPEN = "breaker":"half_open";
    /// A breaker has closed: every call goes through.
    BREAKER_CLOSED = "breaker":"closed";
    /// What is behind a channel is on the way.
    CHANNEL_STARTING = "channel":"starting";
    /// A channel's platform knows us again; what was missed is being fetched.
    CHANNEL_AUTHENTICATED = "channel":"authenticated";
    /// Messages come and go by a channel.
    CHANNEL_READY = "channel":"ready";
    /// Nothing leaves by a channel for now.
    CHANNEL_DEGRADED = "channel":"degraded";
    /// A channel's platform has stopped the account, or a human has to act.
    CHANNEL_BLOCKED = "channel":"blocked";
    /// A call that failed is made again, within its turn or by whoever made it.
    CALL_RETRIED = "call":"retried";
    /// A message was sent.
    DELIVERY_SENT = "delivery":"sent";
    /// A message could not be sent now.
    DELIVERY_RETRIED = "delivery":"retried";
    /// A message cannot be sent.
    DELIVERY_FAILED = "delivery":"failed";
    /// A send went unanswered.
    DELIVERY_IN_DOUBT = "delivery":"in_doubt";
    /// A send in doubt is tried again: the channel deduplicates, or it has not left.
    DELIVERY_SENT_AGAIN = "delivery":"sent_again";
    /// A send in doubt is tried again although it may have left.
    DELIVERY_DOUBLED = "delivery":"doubled";
    /// A send was given up as unsettled.
    DELIVERY_UNKNOWN = "delivery":"unknown";
    /// A turn waits for a reply, a decision or a time.
    WAIT_OPENED = "wait":"opened";
    /// A turn has taken up what it waited for, or given it up.
    WAIT_SETTLED = "wait":"settled";
    /// A session has ended.
    SESSION_ENDED = "session":"ended";
    /// Too many dead letters wait for an operator; told once for each crossing.
    DEAD_LETTERS_ALERT = "dead_letters":"alert";
    /// A request was turned away because its client makes too many.
    REQUEST_LIMITED = "request":"limited";
    /// What was posted to a webhook was not proved to be the platform's.
    WEBHOOK_REFUSED = "webhook":"refused";
    /// Items that were posted to a webhook are not for us.
    WEBHOOK_SKIPPED = "webhook":"skipped";
    /// An act was sent again, and answered as before.
    IDEMPOTENCY_HIT = "idempotency":"hit";
    /// An act came under a new key.
    IDEMPOTENCY_MISS = "idempotency":"miss";
    /// An act was turned away for its key, or its key could not be looked up or kept.
    IDEMPOTENCY_ERROR = "idempotency":"error";
    /// The writer handed a batch to the store.
    STORE_BATCH = "store":"batch";
    /// A start has found and mended what the last end left.
    RUNTIME_RECOVERED = "runtime":"recovered";
    /// Wall time has moved against boot time, and is not followed yet.
    CLOCK_JUMPED = "clock":"jumped";
    /// A jump was stable for a while, and is followed from now on.
    CLOCK_FOLLOWED = "clock":"followed";
    /// A jump was taken back before it was followed.
    CLOCK_TAKEN_BACK = "clock":"taken_back";
    /// Events were lost before this one: the bus had no room.
    BUS_DROPPED = "bus":"dropped";
}
