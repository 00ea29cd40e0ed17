-- Conversations in a human's hands, and agents that are woken.
--
-- Arrives: operators who take a conversation, hand it back, or end its session; and
--   conversations of which the time has come that their last commit named.
-- Leaves: a hold or none, with its entry in the audit; or an internal inbound at the
--   end of the conversation, which is due.
-- If the process dies here: the transaction is there or not; a hold or a hand-back
--   that comes again hears how it stands.
--
-- An entry is chained to the head as the caller knew it. If that has moved nothing is
-- written, and the answer is NULL: the caller chains it anew.

-- Takes a conversation from the agent, unless somebody has it.
CREATE FUNCTION zupa.hold(
    the_conversation uuid, said bigint, flush boolean, kind text, held_by text, spoke_at bigint,
    link zupa.audit_item[], before bytea
) RETURNS json LANGUAGE plpgsql
-- Plans as in zupa.write.
SET search_path = pg_catalog
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    c record;
    at_time bigint;
    ahead bigint;
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    SELECT k.hold_kind, k.hold_by, k.held_at, k.human_at, k.audit_number, k.audit_hash INTO c
    FROM zupa.conversations k WHERE k.id = the_conversation FOR UPDATE;
    IF NOT FOUND THEN
        RETURN '{"was": "not_found"}';
    END IF;
    at_time := zupa.now();
    ahead := at_time - said;
    IF c.hold_kind IS NOT NULL THEN
        UPDATE zupa.conversations k SET human_at = spoke_at + ahead
        WHERE k.id = the_conversation AND coalesce(k.human_at < spoke_at + ahead, true)
          AND spoke_at IS NOT NULL;
        RETURN json_build_object('was', 'already', 'kind', c.hold_kind, 'by', c.hold_by,
            'since', c.held_at - ahead, 'human_at', greatest(c.human_at, spoke_at + ahead) - ahead);
    ELSIF c.audit_number <> link[1].number - 1 OR c.audit_hash <> before THEN
        RETURN NULL;
    END IF;
    PERFORM zupa.take(the_conversation, kind, held_by, spoke_at + ahead, link, at_time);
    RETURN '{"was": "done"}';
END
$$;

-- Takes a conversation that nobody has.
CREATE FUNCTION zupa.take(
    conv uuid, kind text, held_by text, spoke_at bigint, link zupa.audit_item[], at_time bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zupa.append_audit(conv, NULL, link);
    UPDATE zupa.outbox o SET state = 'cancelled', open = false, reason = 'held', not_before = NULL,
        settled_at = at_time
    WHERE o.conversation = conv AND o.open AND o.state IN ('queued', 'retry');
    -- What is on the wire, or in doubt, is settled by evidence, and does not go out again.
    UPDATE zupa.outbox o SET reason = 'taken_over'
    WHERE o.conversation = conv AND o.open AND o.state IN ('sending', 'in_doubt');
    WITH cancelled AS (
        UPDATE zupa.waits w SET state = 'cancelled', settled_at = at_time
        WHERE w.conversation = conv AND w.state = 'open' AND w.kind = 'reply'
        RETURNING 1)
    UPDATE zupa.conversations k SET hold_kind = take.kind, hold_by = take.held_by,
        held_at = at_time, human_at = spoke_at,
        open_waits = k.open_waits - (SELECT count(*)::integer FROM cancelled)
    WHERE k.id = conv;
END
$$;

-- Hands a conversation back, if somebody has it.
CREATE FUNCTION zupa.release(
    the_conversation uuid, said bigint, flush boolean, answered_until bigint,
    link zupa.audit_item[], before bytea
) RETURNS json LANGUAGE plpgsql
SET search_path = pg_catalog
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    c record;
    at_time bigint;
    ahead bigint;
    line bigint;
    answered bigint := 0;
    due bigint;
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    SELECT k.hold_kind, k.human_at, k.audit_number, k.audit_hash INTO c
    FROM zupa.conversations k WHERE k.id = the_conversation FOR UPDATE;
    IF NOT FOUND THEN
        RETURN '{"was": "not_found"}';
    ELSIF c.hold_kind IS NULL THEN
        RETURN '{"was": "not_held"}';
    ELSIF c.audit_number <> link[1].number - 1 OR c.audit_hash <> before THEN
        RETURN NULL;
    END IF;
    at_time := zupa.now();
    ahead := at_time - said;
    PERFORM zupa.append_audit(the_conversation, NULL, link);
    line := greatest(answered_until + ahead, c.human_at);
    IF line IS NOT NULL THEN
        answered := zupa.answered_by_human(the_conversation, line, at_time);
    END IF;
    UPDATE zupa.conversations k SET hold_kind = NULL, hold_by = NULL, held_at = NULL,
        human_at = NULL, handed_back_at = at_time
    WHERE k.id = the_conversation RETURNING k.due_at INTO due;
    IF due IS NOT NULL THEN
        PERFORM zupa.call(the_conversation);
    END IF;
    RETURN json_build_object('was', 'done', 'answered', answered, 'due_at', due - ahead);
END
$$;

-- Ends what a human has read and answered; answers how many messages.
CREATE FUNCTION zupa.answered_by_human(conv uuid, line bigint, at_time bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    superseded CONSTANT bigint := zupa.supersede(conv, line, at_time);
    ended integer;
BEGIN
    -- Of what was said before, and of answers to it.
    UPDATE zupa.dead_letters d SET reason = 'answered_by_human'
    WHERE d.state = 'pending' AND d.conversation = conv
      AND coalesce(CASE d.kind
          WHEN 'inbound' THEN (SELECT b.accepted_at FROM zupa.inbounds b
                               WHERE b.event_id = d.source)
          ELSE (SELECT max(b.accepted_at) FROM zupa.turns t
                JOIN zupa.inbounds b ON b.conversation = t.conversation
                    AND b.number BETWEEN t.first AND t.last
                WHERE t.id = d.source) END, line) <= line;
    UPDATE zupa.inbounds b SET state = 'answered_by_human'
    WHERE b.conversation = conv AND b.state = 'queued' AND b.origin = 'external'
      AND b.accepted_at <= line
      AND b.number > (SELECT coalesce(t.last, c.consumed) FROM zupa.conversations c
                      LEFT JOIN zupa.turns t ON t.id = c.open_turn WHERE c.id = conv);
    GET DIAGNOSTICS ended = ROW_COUNT;
    -- What is left has waited long enough; an open turn keeps its time.
    UPDATE zupa.conversations c SET pending = c.pending - ended,
        opened_at = CASE WHEN c.pending - c.internals > ended THEN c.opened_at END,
        closes_at = CASE WHEN c.pending - c.internals > ended THEN c.closes_at END,
        due_at = CASE WHEN c.open_turn IS NOT NULL THEN c.due_at
                      WHEN c.pending > ended THEN least(c.due_at, at_time) END
    WHERE c.id = conv;
    RETURN superseded + ended;
END
$$;

-- Ends an open turn over messages that a human has answered, or silences it where a
-- process is on it or it has begun what matters. Answers how many messages ended.
CREATE FUNCTION zupa.supersede(conv uuid, line bigint, at_time bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    t record;
    ended bigint;
BEGIN
    SELECT u.id, u.first, u.last,
           zupa.held_until(c.holder, c.expires_at, NULL, at_time) IS NOT NULL
           OR EXISTS (SELECT 1 FROM zupa.steps s WHERE s.turn_id = u.id AND s.class <> 'pure')
           AS goes_on
    INTO t FROM zupa.conversations c JOIN zupa.turns u ON u.id = c.open_turn
    WHERE c.id = conv AND NOT EXISTS (
        SELECT 1 FROM zupa.inbounds b
        WHERE b.conversation = conv AND b.number BETWEEN u.first AND u.last AND b.state = 'queued'
          AND (b.origin = 'internal' OR b.accepted_at > line));
    IF NOT FOUND THEN
        RETURN 0;
    ELSIF t.goes_on THEN
        UPDATE zupa.conversations c SET silenced_turn = t.id WHERE c.id = conv;
        RETURN 0;
    END IF;
    -- Whoever ran it last, if it wakes up, is told that its claim was lost.
    UPDATE zupa.turns u SET state = 'superseded', reason = NULL, ended_at = at_time,
        not_before = NULL, mode = 0, epoch = u.epoch + 1
    WHERE u.id = t.id;
    UPDATE zupa.conversations c SET open_turn = NULL, holder = NULL, epoch = c.epoch + 1,
        consumed = greatest(c.consumed, t.last)
    WHERE c.id = conv;
    UPDATE zupa.inbounds b SET state = 'answered_by_human', turn_id = t.id
    WHERE b.conversation = conv AND b.number BETWEEN t.first AND t.last AND b.state = 'queued';
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN ended;
END
$$;

-- Wakes the agent so that it ends the session.
CREATE FUNCTION zupa.end_session(
    the_conversation uuid, said bigint, flush boolean, link zupa.audit_item[], before bytea
) RETURNS json LANGUAGE plpgsql
SET search_path = pg_catalog
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    c record;
    at_time bigint;
    due bigint;
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    SELECT k.audit_number, k.audit_hash INTO c
    FROM zupa.conversations k WHERE k.id = the_conversation FOR UPDATE;
    IF NOT FOUND THEN
        RETURN '{"was": "not_found"}';
    ELSIF c.audit_number <> link[1].number - 1 OR c.audit_hash <> before THEN
        RETURN NULL;
    END IF;
    at_time := zupa.now();
    PERFORM zupa.append_audit(the_conversation, NULL, link);
    SELECT w.due INTO STRICT due FROM zupa.wake(ARRAY[the_conversation], 'end_session', at_time) w;
    RETURN json_build_object('was', 'done', 'due_at', due - (at_time - said));
END
$$;

-- Puts the internal inbound of a wake at the end of each of these conversations, which
-- are locked. Answers since when they are due, in their order.
CREATE FUNCTION zupa.wake(convs uuid[], why text, at_time bigint)
RETURNS TABLE (conv uuid, due bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH moved AS (
        -- What waits before it need not wait any longer, and what comes behind it
        -- has a burst window of its own.
        UPDATE zupa.conversations c SET wake_at = NULL, last_number = c.last_number + 1,
            pending = c.pending + 1, internals = c.internals + 1, opened_at = NULL,
            closes_at = at_time,
            due_at = CASE WHEN c.open_turn IS NOT NULL THEN c.due_at
                          ELSE least(c.due_at, at_time) END
        WHERE c.id = ANY (convs)
        RETURNING c.id, c.last_number AS number, coalesce(c.due_at, at_time) AS due
    ), written AS (
        INSERT INTO zupa.inbounds (conversation, number, event_id, origin, platform_id,
            accepted_at, state, content)
        SELECT m.id, m.number, e.id, 'internal', 'internal:' || e.id, at_time, 'queued',
            json_build_object('kind', 'wake', 'why', why)
        FROM moved m CROSS JOIN LATERAL (SELECT zupa.wake_event(m.id, m.number) AS id) e
    ), called AS (
        SELECT zupa.call(m.id) FROM moved m
    )
    SELECT m.id, m.due
    FROM moved m JOIN unnest(convs) WITH ORDINALITY AS n(id, place) ON n.id = m.id,
        (SELECT count(*) FROM called) AS all_called
    ORDER BY n.place;
END
$$;

-- The id of the wake at this place of a conversation, as EventId::of_wake makes it.
CREATE FUNCTION zupa.wake_event(conv uuid, number bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(set_byte(set_byte(d.bytes,
        6, (get_byte(d.bytes, 6) & 15) | 128), 8, (get_byte(d.bytes, 8) & 63) | 128), 'hex')::uuid
    FROM (SELECT substr(sha256(convert_to('["wake","' || conv || '",' || number || ']', 'UTF8')),
                        1, 16) AS bytes) d
$$;
