-- What is kept of deliveries beside their state.
--
-- Builds before this one would send what nobody wants to hear, and their statements are
-- prepared with item types that this migration makes anew: they may not serve beside it, and
-- end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 12;

-- Nobody had asked for it before an operator had it sent again, which took it out of its
-- lane.
ALTER TABLE zupa.outbox ADD COLUMN unasked boolean NOT NULL DEFAULT false;
