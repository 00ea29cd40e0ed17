-- Dead letters without triggers: a statement that a trigger listens to opens a journal of
-- its own, and every turn paid for it, whether or not anything had failed. Who gives
-- something up says so now, and each transaction looks after what was tried again
-- (`store/dead_letters.rs`).
DROP TRIGGER inbound_gave_up;
DROP TRIGGER redriven_inbound_ended;
DROP TRIGGER delivery_gave_up;
DROP TRIGGER late_delivery_ended;

-- An older binary would give up without a dead letter.
UPDATE installation SET serves_from = 6;
