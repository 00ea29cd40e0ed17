-- What is kept of deliveries beside their state.

-- Nobody had asked for it before an operator had it sent again, which took it out of its
-- lane.
ALTER TABLE outbox ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0;

-- An older binary would send what nobody wants to hear.
UPDATE installation SET serves_from = 14;
