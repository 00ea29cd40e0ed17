-- Reviews that an operator has claimed, and who spoke, as claims hand it out.
--
-- Builds before this one would decide what somebody else has claimed, and their statements
-- are prepared with item types that this migration makes anew: they may not serve beside
-- it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 9;

ALTER TABLE zupa.waits
    ADD COLUMN claimed_by    text,                        -- NULL: nobody
    ADD COLUMN claimed_at    bigint,
    ADD COLUMN claimed_until bigint;                      -- when the claim is over by itself
