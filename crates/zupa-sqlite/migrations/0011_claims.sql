-- Reviews that an operator has claimed.

-- Who, since when, and when it is over by itself; NULL: nobody. An older binary does not
-- look, and may serve.
ALTER TABLE waits ADD COLUMN claimed_by TEXT;
ALTER TABLE waits ADD COLUMN claimed_at INTEGER;
ALTER TABLE waits ADD COLUMN claimed_until INTEGER;
