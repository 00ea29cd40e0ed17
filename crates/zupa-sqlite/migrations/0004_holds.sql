-- Conversations in a human's hands, and agents that are woken.

ALTER TABLE conversations ADD COLUMN hold_kind TEXT;     -- NULL: the agent has it
ALTER TABLE conversations ADD COLUMN hold_by TEXT;
ALTER TABLE conversations ADD COLUMN held_at INTEGER;
ALTER TABLE conversations ADD COLUMN human_at INTEGER;   -- the human's last known message
-- The turn that goes on although a human has answered: nothing of it leaves.
ALTER TABLE conversations ADD COLUMN silenced_turn BLOB;
-- When the agent is woken if nobody says anything before.
ALTER TABLE conversations ADD COLUMN wake_at INTEGER;

CREATE INDEX conversations_held ON conversations (id) WHERE hold_kind IS NOT NULL;
CREATE INDEX conversations_wake ON conversations (wake_at) WHERE wake_at IS NOT NULL;

-- An older binary would answer in conversations that a human has.
UPDATE installation SET serves_from = 4;
