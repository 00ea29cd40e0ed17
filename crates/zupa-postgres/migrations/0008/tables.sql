-- What was on the wire when a human took over, and what a human has replied to.
--
-- Builds before this one would send again what was on the wire when a human took over, and
-- their statements are prepared with item types that this migration makes anew: they may
-- not serve beside it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 8;

COMMENT ON COLUMN zupa.outbox.reason IS
    'why it stands so; on the wire or in doubt: taken_over, it does not go out again';
