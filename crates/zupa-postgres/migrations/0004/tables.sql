-- Dead letters, and the failures that lead to them.
--
-- Builds before this one would give up without a word of why: they may not serve beside
-- it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 4;

-- What went wrong with an inbound or a delivery, in order. Nothing is written where
-- nothing fails.
CREATE TABLE zupa.failures (
    place      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL,              -- inbound, delivery
    source     uuid NOT NULL,              -- the event, or the turn that said it
    ordinal    integer NOT NULL,           -- of a delivery, else 0
    turn_id    uuid NOT NULL,
    run        integer NOT NULL,           -- of the turn; of a delivery, the attempt
    at         bigint NOT NULL,
    class      text NOT NULL,
    message    text NOT NULL,
    not_before bigint,                     -- of the next try
    counted    boolean NOT NULL            -- false: the provider was to blame
);

CREATE INDEX failures_source ON zupa.failures (source, ordinal);
CREATE INDEX failures_at ON zupa.failures (at);

-- In the order of giving up; one for each inbound or delivery, however often it fails.
CREATE TABLE zupa.dead_letters (
    place           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL,
    source          uuid NOT NULL,
    ordinal         integer NOT NULL,
    conversation    uuid NOT NULL,
    tenant          text NOT NULL,
    number          bigint NOT NULL,       -- of a delivery its place; an inbound moves
    turn_id         uuid NOT NULL,
    content         text NOT NULL,         -- its kind
    class           text NOT NULL,
    message         text NOT NULL,
    request_id      text,
    trace_id        text,
    first_failed_at bigint NOT NULL,
    last_failed_at  bigint NOT NULL,
    attempts        integer NOT NULL,
    state           text NOT NULL DEFAULT 'pending',
    tag             text,
    reason          text,
    ended_at        bigint,
    UNIQUE (source, ordinal, kind)
);

CREATE INDEX dead_letters_state ON zupa.dead_letters (state);
CREATE INDEX dead_letters_ended ON zupa.dead_letters (ended_at) WHERE ended_at IS NOT NULL;

-- Numbers that inbounds have left behind when they were tried again.
ALTER TABLE zupa.conversations ADD COLUMN redriven bigint NOT NULL DEFAULT 0;
-- An operator has had it tried again.
ALTER TABLE zupa.inbounds ADD COLUMN redriven boolean NOT NULL DEFAULT false;
ALTER TABLE zupa.outbox ADD COLUMN late boolean NOT NULL DEFAULT false;
