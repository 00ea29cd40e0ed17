-- When a delivery was tried last, how often it may have been doubled, and where it goes
-- when it goes out late.

-- Of an attempt that its commit has recorded: committed_at.
ALTER TABLE outbox ADD COLUMN tried_at INTEGER;
-- Sent again although it may have left.
ALTER TABLE outbox ADD COLUMN doubled INTEGER NOT NULL DEFAULT 0;

-- What goes out late has moved away from the rows of its turn.
CREATE INDEX outbox_late ON outbox (turn_id) WHERE late = 1;

-- What nobody knows of is a dead letter, too, until evidence comes.
DROP TRIGGER delivery_gave_up;
CREATE TRIGGER delivery_gave_up AFTER UPDATE OF state ON outbox
WHEN NEW.state IN ('failed', 'unknown') AND OLD.state <> NEW.state BEGIN
    INSERT INTO dead_letters (kind, source, ordinal, conversation, tenant, number, turn_id,
        content, class, message, first_failed_at, last_failed_at, attempts)
    SELECT 'delivery', NEW.turn_id, NEW.ordinal, NEW.conversation, c.tenant, NEW.number,
        NEW.turn_id, json_extract(NEW.content, '$.kind'), f.class, f.message,
        (SELECT a.at FROM failures a WHERE a.source = NEW.turn_id AND a.ordinal = NEW.ordinal
         ORDER BY a.rowid LIMIT 1), f.at,
        (SELECT count(*) FROM failures a WHERE a.source = NEW.turn_id AND a.ordinal = NEW.ordinal)
    FROM conversations c JOIN failures f ON f.source = NEW.turn_id AND f.ordinal = NEW.ordinal
    WHERE c.id = NEW.conversation
    ORDER BY f.rowid DESC LIMIT 1
    ON CONFLICT (source, ordinal, kind) DO UPDATE SET state = 'pending',
        class = excluded.class, message = excluded.message,
        last_failed_at = excluded.last_failed_at, attempts = excluded.attempts, reason = NULL,
        ended_at = NULL;
END;

DROP TRIGGER late_delivery_ended;
CREATE TRIGGER late_delivery_ended AFTER UPDATE OF state ON outbox
WHEN (OLD.late = 1 OR OLD.state = 'unknown') AND NEW.state IN ('sent', 'cancelled')
     AND OLD.state <> NEW.state BEGIN
    UPDATE dead_letters SET
        state = CASE NEW.state WHEN 'sent' THEN 'done' ELSE 'pending' END,
        reason = CASE NEW.state WHEN 'sent' THEN NULL
                                ELSE NEW.state || ': ' || coalesce(NEW.reason, '') END,
        ended_at = CASE NEW.state WHEN 'sent' THEN NEW.settled_at END
    WHERE source = NEW.turn_id AND ordinal = NEW.ordinal AND kind = 'delivery'
      AND (state = 'reprocessing' OR state = 'pending' AND NEW.state = 'sent');
END;

-- An older binary would look for late deliveries in their old places.
UPDATE installation SET serves_from = 6;
