-- Intents, side messages, waits, facts, and what an agent keeps of a conversation.
--
-- Builds before this one call functions with other items: they may not serve
-- beside it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 2;

-- The state comes last: it is the longest.
ALTER TABLE zupa.conversations
    ADD COLUMN internals     integer NOT NULL DEFAULT 0,  -- of the pending ones, those not from outside
    ADD COLUMN open_waits    integer NOT NULL DEFAULT 0,
    ADD COLUMN state_version bigint,                      -- NULL: nothing is kept
    ADD COLUMN state         text;                        -- JSON

ALTER TABLE zupa.turns
    ADD COLUMN first_said bigint,                         -- side messages, before the answer's rows
    ADD COLUMN said       integer NOT NULL DEFAULT 0;

ALTER TABLE zupa.steps
    ADD COLUMN ordinal integer NOT NULL DEFAULT 0,
    ADD COLUMN class   text NOT NULL DEFAULT 'pure',      -- what a crash in the middle means
    ALTER COLUMN result DROP NOT NULL;                    -- NULL: an intent

-- Journals that are still in use; of the others nobody asks for more than the order.
UPDATE zupa.steps s SET ordinal = o.ordinal
FROM (SELECT e.turn_id, e.step_key,
             row_number() OVER (PARTITION BY e.turn_id ORDER BY e.recorded_at) - 1 AS ordinal
      FROM zupa.steps e JOIN zupa.conversations c ON c.open_turn = e.turn_id) o
WHERE s.turn_id = o.turn_id AND s.step_key = o.step_key;

ALTER TABLE zupa.outbox
    ADD COLUMN aside boolean NOT NULL DEFAULT false;      -- not in the model's memory

CREATE TABLE zupa.waits (
    id            uuid PRIMARY KEY,
    place         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,  -- in the order of opening
    conversation  uuid NOT NULL,
    turn_id       uuid NOT NULL,
    kind          text NOT NULL,
    state         text NOT NULL DEFAULT 'open',
    since         bigint NOT NULL,               -- the conversation's last number when it was opened
    opened_at     bigint NOT NULL,
    expires_at    bigint,
    settled_at    bigint,
    node          text,                          -- where a parked turn goes on; NULL: none does
    graph         bytea,
    state_version bigint,
    decided_by    text,
    approved      boolean,
    note          text,
    audit_number  bigint,                        -- the decision's entry in the conversation's chain
    subject       text NOT NULL,                 -- JSON
    payload       text NOT NULL                  -- JSON
);

-- Plans are made when the tables are empty. Each of these fits one question alone,
-- so that no other is answered by reading all that is open.
CREATE INDEX waits_of_turn ON zupa.waits (turn_id);
CREATE INDEX waits_due ON zupa.waits (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;
CREATE INDEX waits_asked ON zupa.waits (conversation) WHERE state = 'open' AND kind = 'reply';
CREATE INDEX waits_listed ON zupa.waits (place) WHERE settled_at IS NULL;

CREATE TABLE zupa.facts (
    turn_id      uuid NOT NULL,
    ordinal      integer NOT NULL,
    conversation uuid NOT NULL,
    name         text NOT NULL,
    payload      text NOT NULL,                  -- JSON
    committed_at bigint NOT NULL,
    PRIMARY KEY (turn_id, ordinal)
);
