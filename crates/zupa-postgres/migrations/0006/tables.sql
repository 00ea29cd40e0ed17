-- When a delivery was tried last, how often it may have been doubled, and where it goes
-- when it goes out late.
--
-- Builds before this one would look for late deliveries in their old places: they may not
-- serve beside it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 6;

-- Of an attempt that its commit has recorded: committed_at.
ALTER TABLE zupa.outbox ADD COLUMN tried_at bigint;
-- Sent again although it may have left.
ALTER TABLE zupa.outbox ADD COLUMN doubled integer NOT NULL DEFAULT 0;

-- What goes out late has moved away from the rows of its turn.
CREATE INDEX outbox_late ON zupa.outbox (turn_id) WHERE late;
