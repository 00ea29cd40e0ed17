-- What was on the wire when a human took over, and what a human has replied to.
--
-- Nothing but the functions has changed: builds before this one may serve beside it. They
-- do not ask for a confirmation where a human has replied.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

COMMENT ON COLUMN zupa.outbox.reason IS
    'why it stands so; on the wire or in doubt: taken_over, it does not go out again';
