-- What a batch is made of: one type for each kind of item, so that a list of them
-- is one argument. Times are the caller's.

CREATE TYPE zupa.settlement_item AS (
    conversation uuid, number bigint, attempt integer, state text, open boolean,
    not_before bigint, reason text, platform_id text,
    failed text, doubled integer     -- why, for the history; 1: it may have left before
);

CREATE TYPE zupa.receipt_item AS (
    about text, channel text, tenant text,
    news text,                       -- status, edit, revoke
    level integer, proves_sent boolean, turn uuid, ordinal integer,  -- of a status
    content text,                    -- of an edit
    said_at bigint,                  -- when it happened, by the platform
    fresh uuid, names text[],        -- of a person: a new conversation, and all addresses
    opts_out boolean                 -- of a wish
);

CREATE TYPE zupa.audit_item AS (
    number bigint, at bigint, actor text, action text, reason text, turn uuid, config bytea,
    commitment bytea, salt bigint, hash bytea
);

CREATE TYPE zupa.outbound_item AS (
    lane text, content text, state text, open boolean, answer_by bigint, aside boolean
);

CREATE TYPE zupa.record_item AS (
    turn uuid, conversation uuid, epoch bigint, run integer, key text, ordinal integer,
    input bytea, class text,
    result text,                     -- NULL: an intent
    say zupa.outbound_item[]
);

CREATE TYPE zupa.wait_item AS (
    id uuid, kind text, subject text, payload text,
    node text, graph bytea, state_version bigint,  -- where a parked turn goes on
    expires_at bigint
);

CREATE TYPE zupa.settle_item AS (id uuid, state text);

CREATE TYPE zupa.fact_item AS (name text, payload text);

CREATE TYPE zupa.finish_item AS (
    turn uuid, conversation uuid, epoch bigint,
    how text,                        -- release, retry, split; committed, dead or parked for a commit
    not_before bigint, reason text, counts boolean, asked boolean, inbound_state text,
    audit_number bigint, audit_hash bytea,  -- the head that the entries are chained to
    audit zupa.audit_item[], outbox zupa.outbound_item[],
    state_version bigint, state text,  -- NULL: stays as it is
    wake_at bigint,                  -- with a state; NULL: never
    waits zupa.wait_item[], settles zupa.settle_item[], facts zupa.fact_item[]
);

CREATE TYPE zupa.inbound_item AS (
    event uuid, conversation uuid,   -- fresh ones
    tenant text, channel text, alias text, also text[], speaker text, platform_id text,
    scope text, platform_time bigint, content text, digest bytea, raw bytea, request_id text,
    trace_id text, silence bigint, max_wait bigint, max_count integer, expires_before bigint,
    offer_turn uuid, offer_process uuid, offer_expires_at bigint, offer_loads bigint
);

CREATE TYPE zupa.early_item AS (
    event uuid,                      -- the message it was waiting for
    content text, said_at bigint     -- of an edit; NULL: it was taken back
);

CREATE TYPE zupa.attempt_item AS (
    conversation uuid, number bigint, attempt integer, answer_by bigint,
    every bigint, burst integer, slack bigint,  -- of its door's pace; NULL: none
    open_for bigint,                 -- of its door's reply window; NULL: none
    closed text,                     -- where that is closed: stays, waits, failed or cancelled
    at_most bigint                   -- of what waits
);

CREATE TYPE zupa.claim_item AS (
    conversation uuid, turn uuid, process uuid, expires_at bigint, mode integer, loads bigint
);

CREATE TYPE zupa.renewal_item AS (
    conversation uuid, turn uuid, epoch bigint, expires_at bigint
);
