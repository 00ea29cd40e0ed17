-- How fast a conversation may be sent to.
--
-- Builds before this one would send past its pace, and their statements are prepared with
-- item types that this migration makes anew: they may not serve beside it, and end with
-- their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 11;

-- The burst that it is in, or was in last: the attempt that began it, and how many there
-- were; NULL: none.
ALTER TABLE zupa.conversations
    ADD COLUMN paced_from bigint,
    ADD COLUMN paced integer;
