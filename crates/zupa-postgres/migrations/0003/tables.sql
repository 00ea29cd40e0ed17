-- Conversations in a human's hands, and agents that are woken.
--
-- Builds before this one would answer in conversations that a human has: they may not
-- serve beside it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 3;

ALTER TABLE zupa.conversations
    ADD COLUMN hold_kind     text,                        -- NULL: the agent has it
    ADD COLUMN hold_by       text,
    ADD COLUMN held_at       bigint,
    ADD COLUMN human_at      bigint,                      -- the human's last known message
    ADD COLUMN silenced_turn uuid,                        -- goes on although a human has answered
    ADD COLUMN wake_at       bigint;                      -- if nobody says anything before

CREATE INDEX conversations_held ON zupa.conversations (id) WHERE hold_kind IS NOT NULL;
CREATE INDEX conversations_wake ON zupa.conversations (wake_at) WHERE wake_at IS NOT NULL;
