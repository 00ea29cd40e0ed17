-- Turns that wait because their provider named the time.
--
-- Builds before this one do not say so when they hand in an end: they may not serve beside
-- it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 7;

-- Of a retry: nothing brings it forward.
ALTER TABLE zupa.turns ADD COLUMN asked boolean NOT NULL DEFAULT false;
