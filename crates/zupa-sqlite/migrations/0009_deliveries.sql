-- When a delivery was tried last, how often it may have been doubled, and where it goes
-- when it goes out late.

-- Of an attempt that its commit has recorded: committed_at.
ALTER TABLE outbox ADD COLUMN tried_at INTEGER;
-- Sent again although it may have left.
ALTER TABLE outbox ADD COLUMN doubled INTEGER NOT NULL DEFAULT 0;

-- What goes out late has moved away from the rows of its turn.
CREATE INDEX outbox_late ON outbox (turn_id) WHERE late = 1;

-- An older binary would look for late deliveries in their old places.
UPDATE installation SET serves_from = 9;
