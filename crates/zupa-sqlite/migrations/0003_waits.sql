-- Intents, side messages, what an agent keeps, and waits.

-- An intent has no result yet, which is spelled as the empty text: no JSON is
-- empty, and a rebuilt table would copy every step there ever was.
ALTER TABLE steps ADD COLUMN ordinal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN class TEXT NOT NULL DEFAULT 'pure';

ALTER TABLE outbox ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;
-- 1: written with a step. Rows of a commit follow each other and are found
-- through the turn's row; these stand wherever the conversation was.
ALTER TABLE outbox ADD COLUMN said INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_said ON outbox (turn_id, ordinal) WHERE said = 1;

-- How many of the turn's `outbounds` were written with its steps. They have the
-- first ordinals, and `first_outbound` is the number of the first one behind
-- them; where a commit has none, the number that it would have had.
ALTER TABLE turns ADD COLUMN said INTEGER NOT NULL DEFAULT 0;
-- Inbounds of its range; NULL in rows of before.
ALTER TABLE turns ADD COLUMN inbounds INTEGER;

ALTER TABLE conversations ADD COLUMN internals INTEGER NOT NULL DEFAULT 0;   -- of the pending ones
ALTER TABLE conversations ADD COLUMN open_replies INTEGER NOT NULL DEFAULT 0; -- open reply waits
ALTER TABLE conversations ADD COLUMN state_version INTEGER;  -- NULL: nothing is kept

-- What an agent keeps of a conversation. Beside its row, which every accept and
-- every claim writes anew.
CREATE TABLE states (
    conversation BLOB PRIMARY KEY,
    state        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- In the order of opening.
CREATE TABLE waits (
    id            BLOB NOT NULL,
    conversation  BLOB NOT NULL,
    turn_id       BLOB NOT NULL,      -- that opened it
    kind          TEXT NOT NULL,
    state         TEXT NOT NULL,
    subject       TEXT NOT NULL,
    payload       TEXT NOT NULL,
    node          TEXT,               -- where the parked turn goes on; NULL: it is no part of one
    graph         BLOB,
    state_version INTEGER,
    opened_at     INTEGER NOT NULL,
    opened_behind INTEGER NOT NULL,   -- number: what comes behind it can be its answer
    expires_at    INTEGER,
    settled_at    INTEGER,
    decision      TEXT,
    audit_row     INTEGER             -- rowid of the decision's audit entry
) STRICT;

CREATE UNIQUE INDEX waits_id ON waits (id);
CREATE INDEX waits_turn ON waits (turn_id);
CREATE INDEX waits_state ON waits (state);
CREATE INDEX waits_replies ON waits (conversation) WHERE state = 'open' AND kind = 'reply';
CREATE INDEX waits_expiry ON waits (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;

-- In the order of their commits, for whoever exports them.
CREATE TABLE facts (
    conversation BLOB NOT NULL,
    turn_id      BLOB NOT NULL,
    ordinal      INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    name         TEXT NOT NULL,
    payload      TEXT NOT NULL
) STRICT;

-- An older binary would hand internal inbounds to the agent as messages, and run
-- effects again whose intents it cannot read.
UPDATE installation SET serves_from = 3;
