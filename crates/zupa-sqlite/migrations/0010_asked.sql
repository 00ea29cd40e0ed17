-- Turns that wait because their provider named the time.

-- Of a retry: nothing brings it forward. An older binary brings it forward all the same,
-- and may serve.
ALTER TABLE turns ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
