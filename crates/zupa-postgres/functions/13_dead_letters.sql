-- Dead letters: what gives up, and what operators do with it.
--
-- Arrives: failures, ends of inbounds and deliveries, acts of operators.
-- Leaves: one dead letter for each row that gave up, which stands as that row does; an
--   inbound that is tried again at the end of its conversation.
-- If the process dies here: the transaction is there or not.

-- A reason is class and message, see finish.
CREATE FUNCTION zupa.class_of(reason text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT split_part(reason, ': ', 1)
$$;

CREATE FUNCTION zupa.message_of(reason text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN strpos(reason, ': ') = 0 THEN reason
                ELSE substr(reason, strpos(reason, ': ') + 2) END
$$;

-- Keeps a failure of an open turn with every inbound of its range.
CREATE FUNCTION zupa.note_failure(
    conv uuid, the_turn uuid, reason text, not_before bigint, counted boolean, at_time bigint
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO zupa.failures (kind, source, ordinal, turn_id, run, at, class, message,
        not_before, counted)
    SELECT 'inbound', b.event_id, 0, t.id, t.runs, at_time,
        zupa.class_of(note_failure.reason), zupa.message_of(note_failure.reason),
        note_failure.not_before, note_failure.counted
    FROM zupa.turns t JOIN zupa.inbounds b ON b.conversation = conv
        AND b.number BETWEEN t.first AND t.last AND b.state = 'queued'
    WHERE t.id = the_turn ORDER BY b.number
$$;

-- Writes the dead letter of a row that has given up, or has done so again, and what has
-- become of it meanwhile.
CREATE FUNCTION zupa.gave_up(
    the_kind text, the_source uuid, the_ordinal integer, conv uuid, the_number bigint,
    content text, request text, trace text, since text
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO zupa.dead_letters AS d (kind, source, ordinal, conversation, tenant, number,
        turn_id, content, class, message, request_id, trace_id, first_failed_at, last_failed_at,
        attempts, reason)
    SELECT the_kind, the_source, the_ordinal, conv, c.tenant, the_number, f.turn_id,
        gave_up.content::json ->> 'kind', f.class, f.message, request, trace, a.first_at, f.at,
        a.attempts, since
    FROM zupa.conversations c
    CROSS JOIN LATERAL (SELECT l.turn_id, l.class, l.message, l.at FROM zupa.failures l
        WHERE l.source = the_source AND l.ordinal = the_ordinal AND l.kind = the_kind
        ORDER BY l.place DESC LIMIT 1) f
    CROSS JOIN LATERAL (SELECT min(l.at) AS first_at, count(*)::integer AS attempts
        FROM zupa.failures l
        WHERE l.source = the_source AND l.ordinal = the_ordinal AND l.kind = the_kind) a
    WHERE c.id = conv
    ON CONFLICT (source, ordinal, kind) DO UPDATE SET state = 'pending',
        turn_id = excluded.turn_id, class = excluded.class, message = excluded.message,
        content = excluded.content, last_failed_at = excluded.last_failed_at,
        attempts = excluded.attempts, reason = excluded.reason, ended_at = NULL
$$;

-- Dead letters follow the rows by triggers, because many statements end a row, and none
-- of them may forget. Failures are written with the end that they lead to, or before it.
CREATE FUNCTION zupa.inbound_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'dead' THEN
        PERFORM zupa.gave_up('inbound', NEW.event_id, 0, NEW.conversation, NEW.number,
            NEW.content, NEW.request_id, NEW.trace_id, NULL);
    ELSE
        -- What was turned away has not ended well.
        UPDATE zupa.dead_letters d SET
            state = CASE WHEN NEW.state IN ('refused', 'expired') THEN 'pending' ELSE 'done' END,
            reason = CASE WHEN NEW.state IN ('refused', 'expired')
                          THEN NEW.state || ': ' || coalesce(NEW.reason, '') END,
            ended_at = CASE WHEN NEW.state NOT IN ('refused', 'expired') THEN zupa.now() END
        WHERE d.source = NEW.event_id AND d.ordinal = 0 AND d.kind = 'inbound'
          AND d.state = 'reprocessing';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER inbound_ended AFTER UPDATE OF state ON zupa.inbounds FOR EACH ROW
WHEN (NEW.state = 'dead' OR OLD.redriven AND NEW.state <> 'queued')
EXECUTE FUNCTION zupa.inbound_ended();

CREATE FUNCTION zupa.delivery_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IN ('failed', 'unknown') THEN
        PERFORM zupa.gave_up('delivery', NEW.turn_id, NEW.ordinal, NEW.conversation, NEW.number,
            NEW.content, (SELECT t.request_id FROM zupa.turns t WHERE t.id = NEW.turn_id),
            (SELECT t.trace_id FROM zupa.turns t WHERE t.id = NEW.turn_id),
            -- An old answer, even if it ends only after the hand-back.
            CASE OLD.reason WHEN 'taken_over' THEN 'answered_by_human' END);
    ELSE
        UPDATE zupa.dead_letters d SET
            state = CASE NEW.state WHEN 'sent' THEN 'done' ELSE 'pending' END,
            reason = CASE WHEN NEW.state <> 'sent'
                          THEN NEW.state || ': ' || coalesce(NEW.reason, '') END,
            ended_at = CASE NEW.state WHEN 'sent' THEN zupa.now() END
        WHERE d.source = NEW.turn_id AND d.ordinal = NEW.ordinal AND d.kind = 'delivery'
          AND (d.state = 'reprocessing' OR d.state = 'pending' AND NEW.state = 'sent');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER delivery_ended AFTER UPDATE OF state ON zupa.outbox FOR EACH ROW
WHEN (NEW.state <> OLD.state AND (NEW.state IN ('failed', 'unknown')
      OR (OLD.late OR OLD.state IN ('unknown', 'failed'))
          AND NEW.state IN ('sent', 'cancelled')))
EXECUTE FUNCTION zupa.delivery_ended();

-- Does something with a dead letter that still stands as the caller has seen it. The
-- entry is chained as for a hold, see 12_hold.sql.
CREATE FUNCTION zupa.act_on_dead_letter(
    the_place bigint, said bigint, flush boolean, seen text, act text, word text,
    link zupa.audit_item[], before bytea
) RETURNS json LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    conv uuid;
    c record;
    d record;
    at_time bigint;
    due bigint;
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    SELECT l.conversation INTO conv FROM zupa.dead_letters l WHERE l.place = the_place;
    SELECT k.audit_number, k.audit_hash INTO c
    FROM zupa.conversations k WHERE k.id = conv FOR UPDATE;
    SELECT l.* INTO d FROM zupa.dead_letters l WHERE l.place = the_place FOR UPDATE;
    IF NOT FOUND OR d.state <> seen THEN
        RETURN '{"was": "changed"}';
    ELSIF c.audit_number <> link[1].number - 1 OR c.audit_hash <> before THEN
        RETURN NULL;
    END IF;
    at_time := zupa.now();
    PERFORM zupa.append_audit(conv, NULL, link);
    IF act = 'tag' THEN
        UPDATE zupa.dead_letters l SET tag = word WHERE l.place = the_place;
    ELSIF act = 'forget' THEN
        DELETE FROM zupa.failures f
        WHERE f.source = d.source AND f.ordinal = d.ordinal AND f.kind = d.kind;
        DELETE FROM zupa.dead_letters l WHERE l.place = the_place;
        -- The bytes of what no door could read were kept for its letter alone.
        IF d.content = 'undecodable' THEN
            UPDATE zupa.inbounds b SET content = '{"kind":"undecodable","payload":""}'
            WHERE b.event_id = d.source;
        END IF;
    ELSIF act <> 'retry' THEN
        UPDATE zupa.dead_letters l SET state = act, reason = word, ended_at = at_time
        WHERE l.place = the_place;
    ELSE
        UPDATE zupa.dead_letters l SET state = 'reprocessing', reason = NULL, ended_at = NULL
        WHERE l.place = the_place;
        IF d.kind = 'inbound' THEN
            PERFORM zupa.requeue(conv, d.source, word, at_time);
        ELSE
            PERFORM zupa.send_late(conv, d.place, d.number);
        END IF;
    END IF;
    SELECT k.due_at INTO due FROM zupa.conversations k WHERE k.id = conv;
    RETURN json_build_object('was', 'done', 'conversation', conv,
        'due_at', due - (at_time - said));
END
$$;

-- Moves a delivery to the end of its conversation, and out of its order.
CREATE FUNCTION zupa.send_late(conv uuid, the_place bigint, old bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    fresh bigint;
BEGIN
    UPDATE zupa.conversations c SET last_number = c.last_number + 1, redriven = c.redriven + 1
    WHERE c.id = conv RETURNING c.last_number INTO fresh;
    UPDATE zupa.outbox o SET unasked = o.unasked OR o.lane = 'proactive', number = fresh,
        lane = 'late', state = 'queued', open = true,
        late = true, reason = NULL, not_before = NULL, settled_at = NULL, attempts = 0,
        doubled = o.doubled + (o.state = 'unknown' OR o.doubled > 0
                               OR o.receipt NOT IN (0, 3))::integer
    WHERE o.conversation = conv AND o.number = old;
    UPDATE zupa.dead_letters d SET number = fresh WHERE d.place = the_place;
END
$$;

-- Moves an inbound to the end of its conversation, which is due: whatever gathers there
-- has waited long enough, and what comes behind an internal one opens a window of its own.
-- An open turn keeps its time.
CREATE FUNCTION zupa.requeue(conv uuid, event uuid, words text, at_time bigint)
RETURNS void LANGUAGE sql AS $$
    UPDATE zupa.conversations c SET last_number = c.last_number + 1, redriven = c.redriven + 1,
        pending = c.pending + 1, internals = c.internals + i.internal::integer,
        opened_at = CASE WHEN NOT i.internal THEN coalesce(c.opened_at, at_time) END,
        closes_at = at_time,
        due_at = CASE WHEN c.open_turn IS NULL THEN least(c.due_at, at_time) ELSE c.due_at END
    FROM (SELECT b.origin = 'internal' AS internal FROM zupa.inbounds b WHERE b.event_id = event) i
    WHERE c.id = conv;
    UPDATE zupa.inbounds b SET number = c.last_number, state = 'queued', reason = NULL,
        turn_id = NULL, redriven = true, content = coalesce(words, b.content)
    FROM zupa.conversations c WHERE c.id = conv AND b.event_id = event;
    SELECT zupa.call(conv)
$$;

-- Forgets failures that came to nothing. One process at a time; answers how many rows
-- went, and how many dead letters wait for an operator.
CREATE FUNCTION zupa.purge_failures(before bigint, bite bigint)
RETURNS TABLE (gone bigint, pending bigint) LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    gone := 0;
    PERFORM 1 FROM zupa.jobs j WHERE j.name = 'purge' FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        DELETE FROM zupa.failures f WHERE f.place = ANY (ARRAY(
            SELECT o.place FROM zupa.failures o
            WHERE o.at < before
              AND NOT EXISTS (SELECT 1 FROM zupa.dead_letters d
                              WHERE d.source = o.source AND d.ordinal = o.ordinal)
              AND NOT EXISTS (SELECT 1 FROM zupa.inbounds b
                              WHERE b.event_id = o.source AND b.state = 'queued')
            LIMIT bite));
        GET DIAGNOSTICS gone = ROW_COUNT;
    END IF;
    SELECT count(*) INTO pending FROM zupa.dead_letters d WHERE d.state = 'pending';
    RETURN NEXT;
END
$$;
