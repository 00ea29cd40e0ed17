-- Stop 4, commit.
--
-- Arrives: ends of runs, under the claims they ran under.
-- Leaves: range, outbox rows, audit entries, waits, facts, turn and conversation,
--   all or nothing; a stale run changes nothing.
-- If the process dies here: the transaction is there or not.
CREATE FUNCTION zupa.finish(items zupa.finish_item[], at_time bigint, ahead bigint)
RETURNS json[] LANGUAGE plpgsql AS $$
DECLARE
    answers json[] := array_fill(NULL::json, ARRAY[cardinality(items)]);
    leaving bigint[] := '{}';
    done record;
BEGIN
    FOR done IN SELECT * FROM zupa.commit(items, at_time, ahead) LOOP
        answers[done.place] := done.answer;
        IF done.leaves THEN
            leaving := leaving || done.place;
        END IF;
    END LOOP;
    IF cardinality(leaving) > 0 THEN
        PERFORM zupa.leave(items, leaving, at_time, ahead);
    END IF;
    FOR place IN 1 .. cardinality(items) LOOP
        IF answers[place] IS NULL THEN
            answers[place] := zupa.finish_one(items[place], at_time, ahead);
        END IF;
    END LOOP;
    RETURN answers;
END
$$;

-- The ends that consume a range and pass the fence, all at once. Answers also
-- which of them leave more than messages, see zupa.leave.
CREATE FUNCTION zupa.commit(
    items zupa.finish_item[], at_time bigint, ahead bigint
) RETURNS TABLE (place bigint, answer json, leaves boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH fenced AS (
        SELECT i.*, t.first, t.last, t.runs, c.last_number, cardinality(i.outbox) AS lines, t.said,
               zupa.is_silenced(c.hold_kind, c.silenced_turn, t.id) AS held,
               CASE WHEN c.pending = 0 THEN NULL
                    -- The rest of a range that was split has waited before, and
                    -- what is not from outside does not wait.
                    WHEN c.split_until > t.last OR c.internals > 0 THEN at_time
                    ELSE coalesce(c.closes_at, at_time) END AS due
        FROM unnest(items) WITH ORDINALITY AS i
        JOIN zupa.conversations c ON c.id = i.conversation AND c.open_turn = i.turn
            AND c.holder IS NOT NULL
            AND c.epoch = i.epoch
            AND c.audit_number = i.audit_number AND c.audit_hash = i.audit_hash
        JOIN zupa.turns t ON t.id = i.turn
        WHERE i.how IN ('committed', 'dead', 'parked')
    ), chained AS (
        INSERT INTO zupa.audit (stream, number, at, actor, action, reason, turn_id, config,
            commitment, salt, hash)
        SELECT f.conversation, l.number, l.at, l.actor, l.action, l.reason, l.turn, l.config,
            l.commitment, l.salt, l.hash
        FROM fenced f CROSS JOIN LATERAL unnest(f.audit) AS l
    ), ended AS (
        UPDATE zupa.turns t SET state = f.how, reason = f.reason, ended_at = at_time,
            not_before = NULL, mode = 0, provider_failures = 0,
            failures = t.failures + (f.inbound_state = 'dead')::integer,
            -- Also of a turn without rows: its place in the conversation's history.
            first_outbound = f.last_number + 1, outbounds = f.lines,
            first_audit = f.audit[1].number, audits = cardinality(f.audit)
        FROM fenced f WHERE t.id = f.turn
    ), failed AS (
        INSERT INTO zupa.failures (kind, source, ordinal, turn_id, run, at, class, message, counted)
        SELECT 'inbound', b.event_id, 0, f.turn, f.runs, at_time, zupa.class_of(f.reason),
            zupa.message_of(f.reason), true
        FROM fenced f JOIN zupa.inbounds b ON b.conversation = f.conversation
            AND b.number BETWEEN f.first AND f.last AND b.state = 'queued'
        WHERE f.inbound_state = 'dead' ORDER BY f.ordinality, b.number
    ), consumed AS (
        -- Nothing of a held turn reaches the person; whoever has the conversation answers.
        UPDATE zupa.inbounds b SET reason = f.reason, turn_id = f.turn,
            state = CASE WHEN f.held AND f.inbound_state = 'answered' THEN 'answered_by_human'
                         ELSE f.inbound_state END
        FROM fenced f
        WHERE b.conversation = f.conversation AND b.number BETWEEN f.first AND f.last
          AND b.state = 'queued'
    ), sent AS (
        INSERT INTO zupa.outbox (conversation, number, turn_id, ordinal, lane, content, state,
            open, aside, attempts, not_before, committed_at, settled_at, reason)
        SELECT f.conversation, f.last_number + o.ordinality, f.turn, f.said + o.ordinality - 1,
            o.lane, o.content, o.state, o.open, o.aside, (o.state = 'sending')::integer,
            o.answer_by + ahead, at_time,
            CASE WHEN o.state IN ('sent', 'cancelled') THEN at_time END,
            CASE WHEN f.held THEN 'held' END
        FROM fenced f CROSS JOIN LATERAL unnest(
            CASE WHEN f.held THEN zupa.held_back(f.outbox) ELSE f.outbox END) WITH ORDINALITY AS o
    ), freed AS (
        UPDATE zupa.conversations c SET holder = NULL, open_turn = NULL,
            last_number = c.last_number + f.lines, consumed = greatest(c.consumed, f.last),
            due_at = f.due, state = coalesce(f.state, c.state),
            state_version = coalesce(f.state_version, c.state_version),
            wake_at = CASE WHEN f.state_version IS NULL THEN c.wake_at ELSE f.wake_at + ahead END,
            audit_number = coalesce(f.audit[cardinality(f.audit)].number, c.audit_number),
            audit_hash = coalesce(f.audit[cardinality(f.audit)].hash, c.audit_hash)
        FROM fenced f WHERE c.id = f.conversation
    )
    SELECT f.ordinality, json_build_object('was', 'done', 'first', f.last_number + 1,
        'count', f.lines, 'due_at', f.due - ahead, 'held', f.held),
        cardinality(f.waits) + cardinality(f.settles) + cardinality(f.facts) > 0
    FROM fenced f;
END
$$;

-- An end that keeps the turn open or divides it, or that did not pass the fence.
CREATE FUNCTION zupa.finish_one(item zupa.finish_item, at_time bigint, ahead bigint)
RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    f record;
    due bigint;
BEGIN
    SELECT c.due_at, c.audit_number, c.audit_hash, t.first, t.last,
           zupa.is_silenced(c.hold_kind, c.silenced_turn, t.id) AS held INTO f
    FROM zupa.conversations c JOIN zupa.turns t ON t.id = c.open_turn
    WHERE c.id = item.conversation AND c.open_turn = item.turn AND c.holder IS NOT NULL
      AND c.epoch = item.epoch;
    IF NOT FOUND THEN
        RETURN zupa.already_or_stale(item.turn, item.epoch, ahead);
    ELSIF f.audit_number <> item.audit_number OR f.audit_hash <> item.audit_hash THEN
        RETURN json_build_object('was', 'head_moved',
            'audit_number', f.audit_number, 'audit_hash', encode(f.audit_hash, 'hex'));
    END IF;
    PERFORM zupa.append_audit(item.conversation, item.turn, item.audit);
    IF item.how = 'release' THEN
        due := f.due_at;
        PERFORM zupa.end_run(item.conversation, due);
    ELSIF item.how = 'retry' THEN
        due := item.not_before + ahead;
        PERFORM zupa.note_failure(item.conversation, item.turn, item.reason, due, item.counts,
            at_time);
        PERFORM zupa.end_in_retry(item.conversation, item.turn, due, item.reason, item.counts,
            item.asked);
    ELSE
        PERFORM zupa.note_failure(item.conversation, item.turn, item.reason, NULL, true, at_time);
        PERFORM zupa.end_in_split(item.conversation, item.turn, f.first, f.last, item.reason,
            at_time);
        SELECT c.due_at INTO due FROM zupa.conversations c WHERE c.id = item.conversation;
    END IF;
    RETURN json_build_object('was', 'done', 'count', 0, 'due_at', due - ahead, 'held', f.held);
END
$$;

-- An end that was written under the same claim is the same end.
CREATE FUNCTION zupa.already_or_stale(the_turn uuid, the_epoch bigint, ahead bigint)
RETURNS json LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT json_build_object('was', 'already', 'first', t.first_outbound,
                'count', t.outbounds, 'due_at', c.due_at - ahead,
                'held', EXISTS (SELECT 1 FROM zupa.outbox o WHERE o.conversation = t.conversation
                    AND o.number = t.first_outbound AND o.turn_id = t.id
                    AND o.state = 'cancelled' AND o.reason = 'held'))
         FROM zupa.turns t JOIN zupa.conversations c ON c.id = t.conversation
         WHERE t.id = the_turn AND t.epoch = the_epoch
           AND t.state IN ('committed', 'dead', 'parked', 'superseded')),
        '{"was": "stale"}')
$$;

-- Writes entries of a conversation's chain and moves its head.
CREATE FUNCTION zupa.append_audit(conv uuid, the_turn uuid, links zupa.audit_item[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(links) = 0 THEN
        RETURN;
    END IF;
    INSERT INTO zupa.audit (stream, number, at, actor, action, reason, turn_id, config,
        commitment, salt, hash)
    SELECT conv, l.number, l.at, l.actor, l.action, l.reason, l.turn, l.config, l.commitment,
        l.salt, l.hash
    FROM unnest(links) AS l;
    UPDATE zupa.conversations c SET audit_number = links[cardinality(links)].number,
        audit_hash = links[cardinality(links)].hash
    WHERE c.id = conv;
    UPDATE zupa.turns t SET first_audit = links[1].number, audits = cardinality(links)
    WHERE t.id = the_turn;
END
$$;

-- The claim is given back; the turn stays open.
CREATE FUNCTION zupa.end_run(conv uuid, due bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE zupa.conversations c SET holder = NULL, due_at = due WHERE c.id = conv
$$;

-- The turn runs again later. It came back, so it did not take the process down.
CREATE FUNCTION zupa.end_in_retry(
    conv uuid, the_turn uuid, not_before bigint, reason text, counts boolean, asked boolean
) RETURNS void LANGUAGE sql AS $$
    UPDATE zupa.turns t SET state = 'retry', reason = end_in_retry.reason,
        not_before = end_in_retry.not_before, mode = 0, failures = t.failures + counts::integer,
        provider_failures = CASE WHEN counts THEN 0 ELSE t.provider_failures + 1 END,
        asked = end_in_retry.asked
    WHERE t.id = the_turn;
    SELECT zupa.end_run(conv, end_in_retry.not_before)
$$;

CREATE FUNCTION zupa.end_in_split(
    conv uuid, the_turn uuid, first_number bigint, last_number bigint, reason text,
    at_time bigint
) RETURNS void LANGUAGE sql AS $$
    UPDATE zupa.turns t SET state = 'superseded', reason = end_in_split.reason,
        ended_at = at_time, not_before = NULL, mode = 0, failures = t.failures + 1
    WHERE t.id = the_turn;
    -- What a human has answered is not answered part by part, either.
    UPDATE zupa.inbounds b SET state = 'answered_by_human', turn_id = the_turn
    FROM zupa.conversations c
    WHERE c.id = conv AND c.silenced_turn = the_turn AND b.conversation = conv
      AND b.number BETWEEN first_number AND end_in_split.last_number AND b.state = 'queued';
    UPDATE zupa.conversations c SET holder = NULL, open_turn = NULL,
        split_until = end_in_split.last_number,
        due_at = CASE WHEN c.pending + b.again > 0 THEN at_time END,
        pending = c.pending + b.again, internals = c.internals + b.internal
    FROM (SELECT count(*)::integer AS again,
                 (count(*) FILTER (WHERE i.origin = 'internal'))::integer AS internal
          FROM zupa.inbounds i WHERE i.conversation = conv AND i.state = 'queued'
            AND i.number BETWEEN first_number AND end_in_split.last_number) b
    WHERE c.id = conv
$$;

-- Ends a turn that was judged, with its entry in the audit, if nothing has
-- happened to the conversation since.
CREATE FUNCTION zupa.bury(
    conv uuid, the_turn uuid, the_epoch bigint, verdict text, links zupa.audit_item[]
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    at_time CONSTANT bigint := zupa.now();
    t record;
BEGIN
    PERFORM 1 FROM zupa.conversations c
    WHERE c.id = conv AND c.open_turn = the_turn AND c.epoch = the_epoch
      AND c.audit_number = links[1].number - 1 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM zupa.append_audit(conv, the_turn, links);
    -- Whoever ran it last, if it wakes up, is told that its claim was lost.
    UPDATE zupa.turns u SET epoch = u.epoch + 1 WHERE u.id = the_turn;
    UPDATE zupa.conversations c SET epoch = c.epoch + 1 WHERE c.id = conv;
    SELECT u.first, u.last INTO STRICT t FROM zupa.turns u WHERE u.id = the_turn;
    PERFORM zupa.note_failure(conv, the_turn, 'crashed', NULL, true, at_time);
    IF verdict = 'split' THEN
        PERFORM zupa.end_in_split(conv, the_turn, t.first, t.last, 'crashed', at_time);
        RETURN true;
    END IF;
    UPDATE zupa.turns u SET state = 'dead', reason = 'crashed', ended_at = at_time, mode = 0
    WHERE u.id = the_turn;
    UPDATE zupa.inbounds b SET state = 'dead', reason = 'crashed', turn_id = the_turn
    WHERE b.conversation = conv AND b.number BETWEEN t.first AND t.last AND b.state = 'queued';
    UPDATE zupa.conversations c SET holder = NULL, open_turn = NULL,
        consumed = greatest(c.consumed, t.last),
        due_at = CASE WHEN c.pending > 0 THEN at_time END
    WHERE c.id = conv;
    RETURN true;
END
$$;
