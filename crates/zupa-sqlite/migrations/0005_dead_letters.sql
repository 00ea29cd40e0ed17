-- Dead letters, and the failures that lead to them.

-- What went wrong with an inbound or a delivery, in order. Nothing is written where
-- nothing fails.
CREATE TABLE failures (
    kind       TEXT NOT NULL,      -- inbound, delivery
    source     BLOB NOT NULL,      -- the event, or the turn that said it
    ordinal    INTEGER NOT NULL,   -- of a delivery, else 0
    turn_id    BLOB NOT NULL,
    run        INTEGER NOT NULL,   -- of the turn; of a delivery, the attempt
    at         INTEGER NOT NULL,
    class      TEXT NOT NULL,
    message    TEXT NOT NULL,
    not_before INTEGER,            -- of the next try
    counted    INTEGER NOT NULL    -- 0: the provider was to blame
) STRICT;

CREATE INDEX failures_source ON failures (source, ordinal);

-- In the order of giving up; one for each inbound or delivery, however often it fails.
CREATE TABLE dead_letters (
    place           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            TEXT NOT NULL,
    source          BLOB NOT NULL,
    ordinal         INTEGER NOT NULL,
    conversation    BLOB NOT NULL,
    tenant          TEXT NOT NULL,
    number          INTEGER NOT NULL,  -- of a delivery its place; an inbound moves
    turn_id         BLOB NOT NULL,
    content         TEXT NOT NULL,     -- its kind
    class           TEXT NOT NULL,
    message         TEXT NOT NULL,
    request_id      TEXT,
    trace_id        TEXT,
    first_failed_at INTEGER NOT NULL,
    last_failed_at  INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    state           TEXT NOT NULL DEFAULT 'pending',
    tag             TEXT,
    reason          TEXT,
    redriven_at     INTEGER,
    ended_at        INTEGER
) STRICT;

CREATE UNIQUE INDEX dead_letters_source ON dead_letters (source, ordinal, kind);
CREATE INDEX dead_letters_state ON dead_letters (state);
CREATE INDEX dead_letters_ended ON dead_letters (ended_at) WHERE ended_at IS NOT NULL;

-- Numbers that inbounds have left behind when they were tried again.
ALTER TABLE conversations ADD COLUMN redriven INTEGER NOT NULL DEFAULT 0;
-- 1: an operator has had it tried again.
ALTER TABLE inbounds ADD COLUMN redriven INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN late INTEGER NOT NULL DEFAULT 0;

-- Dead letters follow the rows by triggers, because many statements end a row, and none
-- of them may forget. Failures are written before the end that they lead to.
CREATE TRIGGER inbound_gave_up AFTER UPDATE OF state ON inbounds
WHEN NEW.state = 'dead' BEGIN
    INSERT INTO dead_letters (kind, source, ordinal, conversation, tenant, number, turn_id,
        content, class, message, request_id, trace_id, first_failed_at, last_failed_at, attempts)
    SELECT 'inbound', NEW.event_id, 0, NEW.conversation, c.tenant, NEW.number, f.turn_id,
        json_extract(NEW.content, '$.kind'), f.class, f.message, NEW.request_id, NEW.trace_id,
        (SELECT a.at FROM failures a WHERE a.source = NEW.event_id AND a.ordinal = 0
         ORDER BY a.rowid LIMIT 1), f.at,
        (SELECT count(*) FROM failures a WHERE a.source = NEW.event_id AND a.ordinal = 0)
    FROM conversations c JOIN failures f ON f.source = NEW.event_id AND f.ordinal = 0
    WHERE c.id = NEW.conversation
    ORDER BY f.rowid DESC LIMIT 1
    ON CONFLICT (source, ordinal, kind) DO UPDATE SET state = 'pending',
        turn_id = excluded.turn_id, class = excluded.class, message = excluded.message,
        content = excluded.content, last_failed_at = excluded.last_failed_at,
        attempts = excluded.attempts, reason = NULL, ended_at = NULL;
END;

CREATE TRIGGER redriven_inbound_ended AFTER UPDATE OF state ON inbounds
WHEN OLD.redriven = 1 AND NEW.state NOT IN ('queued', 'dead') BEGIN
    UPDATE dead_letters SET state = 'done', ended_at = max(redriven_at,
        coalesce((SELECT t.ended_at FROM turns t WHERE t.id = NEW.turn_id),
                 (SELECT i.heartbeat_at FROM installation i), 0))
    WHERE source = NEW.event_id AND ordinal = 0 AND kind = 'inbound' AND state = 'reprocessing';
END;

CREATE TRIGGER delivery_gave_up AFTER UPDATE OF state ON outbox
WHEN NEW.state = 'failed' AND OLD.state <> 'failed' BEGIN
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

CREATE TRIGGER late_delivery_ended AFTER UPDATE OF state ON outbox
WHEN OLD.late = 1 AND NEW.state IN ('sent', 'cancelled', 'unknown') AND OLD.state <> NEW.state BEGIN
    UPDATE dead_letters SET
        state = CASE NEW.state WHEN 'sent' THEN 'done' ELSE 'pending' END,
        reason = CASE NEW.state WHEN 'sent' THEN NULL
                                ELSE NEW.state || ': ' || coalesce(NEW.reason, '') END,
        ended_at = CASE NEW.state WHEN 'sent' THEN NEW.settled_at END
    WHERE source = NEW.turn_id AND ordinal = NEW.ordinal AND kind = 'delivery'
      AND state = 'reprocessing';
END;

-- An older binary would give up without a word of why.
UPDATE installation SET serves_from = 5;
