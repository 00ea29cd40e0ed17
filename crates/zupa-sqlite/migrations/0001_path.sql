-- The path of a message: what accept, claim, turn, commit and deliver write.
-- Ids of ours are 16-byte blobs, times are microseconds since 1970 (UTC).
--
-- Tables that grow with every turn are in the order of their writing, with the
-- conversation in an index beside: the rows of a batch share pages, and so do
-- the changes that follow soon after.

CREATE TABLE installation (
    only_row        INTEGER PRIMARY KEY CHECK (only_row = 1),
    process         BLOB,                        -- the process that serves, or served last
    started_at      INTEGER,
    heartbeat_at    INTEGER,
    clean           INTEGER NOT NULL DEFAULT 1,  -- 0 while a process serves
    purged_inbounds INTEGER NOT NULL DEFAULT 0,  -- totals kept at purge
    keys_purged_through INTEGER NOT NULL DEFAULT 0,  -- rowids of inbounds
    raw_purged_through  INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO installation (only_row) VALUES (1);

-- The dedupe ledger. Narrow, and keyed so that a look-up by the platform's id
-- alone is a range of it.
CREATE TABLE processed_events (
    platform_id TEXT NOT NULL,
    scope       TEXT NOT NULL,
    channel     TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    event_id    BLOB NOT NULL,
    digest      BLOB NOT NULL,      -- SHA-256 of the canonical content
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (platform_id, scope, channel, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
    alias        TEXT NOT NULL,
    channel      TEXT NOT NULL,
    tenant       TEXT NOT NULL,
    conversation BLOB NOT NULL,
    PRIMARY KEY (alias, channel, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
    id           BLOB PRIMARY KEY,
    tenant       TEXT NOT NULL,
    channel      TEXT NOT NULL,
    alias        TEXT NOT NULL,               -- the address replies go to
    contact_id   BLOB,
    session_id   BLOB,
    created_at   INTEGER NOT NULL,
    last_number  INTEGER NOT NULL DEFAULT 0,  -- one line for inbounds and outbounds
    consumed     INTEGER NOT NULL DEFAULT 0,  -- every inbound up to here has ended
    split_until  INTEGER NOT NULL DEFAULT 0,  -- up to here inbounds are claimed one by one
    pending      INTEGER NOT NULL DEFAULT 0,  -- queued inbounds outside the open turn
    opened_at    INTEGER,                     -- the burst window of the pending ones
    closes_at    INTEGER,
    due_at       INTEGER,                     -- NULL: nothing to claim
    epoch        INTEGER NOT NULL DEFAULT 0,
    open_turn    BLOB,
    holder       BLOB,                        -- the process that runs it; NULL: free
    claim_id     BLOB,                        -- the wish that took it
    expires_at   INTEGER,
    audit_number INTEGER NOT NULL DEFAULT 0,
    audit_hash   BLOB NOT NULL DEFAULT (zeroblob(32))
) STRICT, WITHOUT ROWID;

CREATE INDEX conversations_due ON conversations (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE inbounds (
    conversation  BLOB NOT NULL,
    number        INTEGER NOT NULL,
    event_id      BLOB NOT NULL,
    origin        TEXT NOT NULL DEFAULT 'external',
    platform_id   TEXT NOT NULL,
    platform_time INTEGER,
    speaker       TEXT,
    accepted_at   INTEGER NOT NULL,
    state         TEXT NOT NULL,              -- 'queued' also while a turn holds it
    reason        TEXT,
    turn_id       BLOB,
    duplicates    INTEGER NOT NULL DEFAULT 0,
    content       TEXT NOT NULL,
    raw           TEXT,
    request_id    TEXT,
    trace_id      TEXT
) STRICT;

CREATE UNIQUE INDEX inbounds_place ON inbounds (conversation, number);
CREATE UNIQUE INDEX inbounds_event ON inbounds (event_id);

CREATE TABLE turns (
    id                BLOB PRIMARY KEY,
    conversation      BLOB NOT NULL,
    first             INTEGER NOT NULL,
    last              INTEGER NOT NULL,
    epoch             INTEGER NOT NULL,
    process           BLOB NOT NULL,
    mode              INTEGER NOT NULL DEFAULT 0,  -- 0 normal, 1 suspect, 2 alone
    deaths_alone      INTEGER NOT NULL DEFAULT 0,
    state             TEXT NOT NULL,
    runs              INTEGER NOT NULL,
    failures          INTEGER NOT NULL DEFAULT 0,
    provider_failures INTEGER NOT NULL DEFAULT 0,
    not_before        INTEGER,
    reason            TEXT,
    claimed_at        INTEGER NOT NULL,
    ended_at          INTEGER,
    first_outbound    INTEGER,
    outbounds         INTEGER NOT NULL DEFAULT 0,
    first_audit       INTEGER,            -- rowid of its first audit entry
    audits            INTEGER NOT NULL DEFAULT 0,
    session_id        BLOB,
    request_id        TEXT,
    trace_id          TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
    turn_id     BLOB NOT NULL,
    step_key    TEXT NOT NULL,
    input       BLOB NOT NULL,     -- SHA-256 of what the effect was given
    result      TEXT NOT NULL,
    run         INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (turn_id, step_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    conversation BLOB NOT NULL,
    number       INTEGER NOT NULL,
    turn_id      BLOB NOT NULL,
    ordinal      INTEGER NOT NULL,
    lane         TEXT NOT NULL,
    content      TEXT NOT NULL,
    state        TEXT NOT NULL,
    open         INTEGER NOT NULL,  -- 1 while queued, sending, retry or in_doubt
    reason       TEXT,
    attempts     INTEGER NOT NULL,
    not_before   INTEGER,           -- of the next attempt, or the end of the doubt
    platform_id  TEXT,
    receipt      INTEGER NOT NULL DEFAULT 0,
    committed_at INTEGER NOT NULL,
    settled_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX outbox_place ON outbox (conversation, number);
CREATE INDEX outbox_open ON outbox (conversation, lane, number) WHERE open = 1;
CREATE INDEX outbox_platform ON outbox (platform_id) WHERE platform_id IS NOT NULL;

-- News that overtook what it speaks of, kept until the message is known.
CREATE TABLE receipts (
    about   TEXT NOT NULL,          -- the platform's id of the message
    channel TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    level   INTEGER NOT NULL,
    at      INTEGER,
    PRIMARY KEY (about, channel, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    stream     BLOB NOT NULL,       -- the conversation
    number     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    turn_id    BLOB,
    config     BLOB NOT NULL,
    commitment BLOB,
    salt       INTEGER,             -- opens the commitment; erased with the words
    hash       BLOB NOT NULL
) STRICT;

-- A turn's entries are found through its row. Whole chains are read rarely, by
-- operators, so they have no index: it would cost every turn a page.
