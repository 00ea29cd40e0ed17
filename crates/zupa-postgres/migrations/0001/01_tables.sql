-- The path of a message: what accept, claim, turn, commit and deliver write.
-- Times are microseconds since 1970 (UTC), by the server's clock.
--
-- Rows of inbounds and turns are written twice; a page with room keeps both
-- versions, and the indexes need not know.
--
-- The files of this folder are one migration, in reading order: the tables,
-- then what is shared, then one file for each stop of the path.

-- Somebody else may be doing the same; the second one finds it done.
SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

CREATE TABLE zupa.installation (
    only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    serves_from     bigint NOT NULL DEFAULT 1,   -- the oldest schema whose builds may serve this one
    purged_inbounds bigint NOT NULL DEFAULT 0    -- totals kept at purge
);

INSERT INTO zupa.installation DEFAULT VALUES;

-- One row for each life of each process.
CREATE TABLE zupa.processes (
    id           uuid PRIMARY KEY,
    started_at   bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    expires_at   bigint NOT NULL,                -- from then on it is taken for dead
    ended_at     bigint,                         -- it said goodbye
    mourned      boolean NOT NULL DEFAULT false, -- a later start has seen that it died
    stale        bigint NOT NULL DEFAULT 0       -- writes refused because a claim was lost
);

-- Work that one process does for all: the row is locked while it is done.
CREATE TABLE zupa.jobs (name text PRIMARY KEY);

INSERT INTO zupa.jobs VALUES ('purge');

-- The dedupe ledger. A look-up by the platform's id alone is a range of its key.
CREATE TABLE zupa.processed_events (
    platform_id text NOT NULL,
    scope       text NOT NULL,
    channel     text NOT NULL,
    tenant      text NOT NULL,
    event_id    uuid NOT NULL,
    digest      bytea NOT NULL,                  -- SHA-256 of the canonical content
    accepted_at bigint NOT NULL,
    PRIMARY KEY (platform_id, scope, channel, tenant)
);

CREATE INDEX processed_events_age ON zupa.processed_events (accepted_at);

CREATE TABLE zupa.aliases (
    alias        text NOT NULL,
    channel      text NOT NULL,
    tenant       text NOT NULL,
    conversation uuid,                           -- NULL only inside a transaction
    PRIMARY KEY (alias, channel, tenant)
);

CREATE TABLE zupa.conversations (
    id           uuid PRIMARY KEY,
    tenant       text NOT NULL,
    channel      text NOT NULL,
    alias        text NOT NULL,                  -- the address replies go to
    contact_id   uuid,
    session_id   uuid,
    created_at   bigint NOT NULL,
    last_number  bigint NOT NULL DEFAULT 0,      -- one line for inbounds and outbounds
    consumed     bigint NOT NULL DEFAULT 0,      -- every inbound up to here has ended
    split_until  bigint NOT NULL DEFAULT 0,      -- up to here inbounds are claimed one by one
    pending      integer NOT NULL DEFAULT 0,     -- queued inbounds outside the open turn
    opened_at    bigint,                         -- the burst window of the pending ones
    closes_at    bigint,
    due_at       bigint,                         -- NULL: nothing to claim
    epoch        bigint NOT NULL DEFAULT 0,
    open_turn    uuid,
    holder       uuid,                           -- the process that runs it; NULL: free
    expires_at   bigint,
    audit_number bigint NOT NULL DEFAULT 0,
    audit_hash   bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
) WITH (fillfactor = 70);

CREATE INDEX conversations_due ON zupa.conversations (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE zupa.inbounds (
    conversation  uuid NOT NULL,
    number        bigint NOT NULL,
    event_id      uuid NOT NULL UNIQUE,
    origin        text NOT NULL DEFAULT 'external',
    platform_id   text NOT NULL,
    platform_time bigint,
    speaker       text,
    accepted_at   bigint NOT NULL,
    state         text NOT NULL,                 -- 'queued' also while a turn holds it
    reason        text,
    turn_id       uuid,
    duplicates    bigint NOT NULL DEFAULT 0,
    content       text NOT NULL,                 -- JSON; not jsonb, which cannot hold every text
    raw           bytea,
    request_id    text,
    trace_id      text,
    PRIMARY KEY (conversation, number)
) WITH (fillfactor = 55);

CREATE INDEX inbounds_raw ON zupa.inbounds (accepted_at) WHERE raw IS NOT NULL;

CREATE TABLE zupa.turns (
    id                uuid PRIMARY KEY,
    conversation      uuid NOT NULL,
    first             bigint NOT NULL,
    last              bigint NOT NULL,
    epoch             bigint NOT NULL,
    process           uuid NOT NULL,
    mode              integer NOT NULL DEFAULT 0, -- 0 normal, 1 suspect, 2 alone
    deaths_alone      integer NOT NULL DEFAULT 0,
    state             text NOT NULL,
    runs              integer NOT NULL,
    failures          integer NOT NULL DEFAULT 0,
    provider_failures integer NOT NULL DEFAULT 0,
    not_before        bigint,
    reason            text,
    claimed_at        bigint NOT NULL,
    ended_at          bigint,
    first_outbound    bigint,
    outbounds         bigint NOT NULL DEFAULT 0,
    first_audit       bigint,
    audits            bigint NOT NULL DEFAULT 0,
    session_id        uuid,
    request_id        text,
    trace_id          text
) WITH (fillfactor = 55);

CREATE TABLE zupa.steps (
    turn_id     uuid NOT NULL,
    step_key    text NOT NULL,
    input       bytea NOT NULL,                  -- SHA-256 of what the effect was given
    result      text NOT NULL,                   -- JSON
    run         integer NOT NULL,
    recorded_at bigint NOT NULL,
    PRIMARY KEY (turn_id, step_key)
);

CREATE TABLE zupa.outbox (
    conversation uuid NOT NULL,
    number       bigint NOT NULL,
    turn_id      uuid NOT NULL,
    ordinal      integer NOT NULL,
    lane         text NOT NULL,
    content      text NOT NULL,                  -- JSON
    state        text NOT NULL,
    open         boolean NOT NULL,               -- while queued, sending, retry or in_doubt
    reason       text,
    attempts     integer NOT NULL,
    not_before   bigint,                         -- of the next attempt, or the end of the doubt
    platform_id  text,
    receipt      integer NOT NULL DEFAULT 0,
    committed_at bigint NOT NULL,
    settled_at   bigint,
    PRIMARY KEY (conversation, number)
) WITH (fillfactor = 85);

CREATE INDEX outbox_open ON zupa.outbox (conversation, lane, number) WHERE open;
CREATE INDEX outbox_platform ON zupa.outbox (platform_id) WHERE platform_id IS NOT NULL;

-- News that overtook what it speaks of, kept until the message is known.
CREATE TABLE zupa.receipts (
    about   text NOT NULL,                       -- the platform's id of the message
    channel text NOT NULL,
    tenant  text NOT NULL,
    level   integer NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (about, channel, tenant)
);

CREATE TABLE zupa.audit (
    stream     uuid NOT NULL,                    -- the conversation
    number     bigint NOT NULL,
    at         bigint NOT NULL,                  -- by the writer's clock: it is part of the hash
    actor      text NOT NULL,
    action     text NOT NULL,
    reason     text NOT NULL,
    turn_id    uuid,
    config     bytea NOT NULL,
    commitment bytea,
    salt       bigint,                           -- opens the commitment; erased with the words
    hash       bytea NOT NULL,
    PRIMARY KEY (stream, number)
);
