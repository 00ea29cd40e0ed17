-- Deliveries that are sent again, and those that wait for the person.
--
-- Builds before this one would send what nobody wants to hear, and not say when they heard
-- somebody; and their statements are
-- prepared with item types that this migration makes anew: they may not serve beside it, and
-- end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 12;

-- Nobody had asked for it before an operator had it sent again, which took it out of its
-- lane.
ALTER TABLE zupa.outbox ADD COLUMN unasked boolean NOT NULL DEFAULT false;
-- Of those from before nobody knows. It counts where the person has opted out alone.
UPDATE zupa.outbox SET unasked = true WHERE lane = 'late';

-- When the person said something last, by the platform's word.
ALTER TABLE zupa.conversations ADD COLUMN heard_at bigint;
UPDATE zupa.conversations c SET heard_at = h.at
FROM (SELECT b.conversation, max(least(b.platform_time, b.accepted_at)) AS at
      FROM zupa.inbounds b WHERE b.origin = 'external' GROUP BY b.conversation) h
WHERE h.conversation = c.id;

-- The same as it was when a delivery began to wait for the person. What waits now is asked
-- for anew, so that it waits for as long as anything else.
ALTER TABLE zupa.outbox ADD COLUMN heard_at bigint;
UPDATE zupa.outbox SET state = 'queued', reason = NULL, not_before = NULL
WHERE open AND state = 'retry' AND reason = 'window_closed';
