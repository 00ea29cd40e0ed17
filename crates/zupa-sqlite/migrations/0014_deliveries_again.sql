-- Deliveries that are sent again, and those that wait for the person.

-- Nobody had asked for it before an operator had it sent again, which took it out of its
-- lane.
ALTER TABLE outbox ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0;
-- Of those from before nobody knows. It counts where the person has opted out alone.
UPDATE outbox SET unasked = 1 WHERE lane = 'late';

-- When the person said something last, by the platform's word.
ALTER TABLE conversations ADD COLUMN heard_at INTEGER;
UPDATE conversations SET heard_at = (
    SELECT max(min(coalesce(b.platform_time, b.accepted_at), b.accepted_at)) FROM inbounds b
    WHERE b.conversation = conversations.id AND b.origin = 'external');

-- The same as it was when a delivery began to wait for the person. What waits now is asked
-- for anew, so that it waits for as long as anything else.
ALTER TABLE outbox ADD COLUMN heard_at INTEGER;
UPDATE outbox SET state = 'queued', reason = NULL, not_before = NULL
WHERE open = 1 AND state = 'retry' AND reason = 'window_closed';

-- An older binary would send what nobody wants to hear, and not say when it heard somebody.
UPDATE installation SET serves_from = 14;
