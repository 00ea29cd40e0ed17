-- Waits: opened by commits, settled by commits, by operators and by the time.
--
-- Arrives: a decision, or the wish to see what has run out of time, or is to be woken.
-- Leaves: settled waits, and for each parked turn that can go on, and each timer,
--   one internal inbound at the end of its conversation, which is due.
-- If the process dies here: the transaction is there or not; the first who settles
--   a wait wins, whoever comes again hears how it stands.

-- One wait, in the time of who asks.
CREATE FUNCTION zupa.wait(w zupa.waits, ahead bigint) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object('id', w.id, 'kind', w.kind, 'state', w.state, 'turn', w.turn_id,
        'conversation', w.conversation, 'opened_at', w.opened_at - ahead,
        'expires_at', w.expires_at - ahead, 'settled_at', w.settled_at - ahead,
        'node', w.node, 'graph', encode(w.graph, 'hex'), 'state_version', w.state_version,
        'decided_by', w.decided_by, 'approved', w.approved, 'note', w.note,
        'claimed_by', w.claimed_by, 'claimed_at', w.claimed_at - ahead,
        'claimed_until', w.claimed_until - ahead,
        'subject', w.subject, 'payload', w.payload)
$$;

-- What a claim hands out with its range: for a settled wait it and the others of
-- its parked turn; for a wake nothing; for messages the reply waits that they may
-- answer. Nobody settles a wait while a turn is open, so a turn that runs again gets the same.
CREATE FUNCTION zupa.waits_for(conv uuid, first_number bigint, ahead bigint) RETURNS json
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT CASE WHEN b.origin = 'internal' THEN
        (SELECT json_agg(zupa.wait(w, ahead) ORDER BY w.place)
         FROM zupa.waits s JOIN zupa.waits w ON w.turn_id = s.turn_id
             AND (w.id = s.id OR s.node IS NOT NULL AND w.node IS NOT NULL)
         WHERE s.id = b.event_id)
    ELSE
        (SELECT json_agg(zupa.wait(w, ahead) ORDER BY w.place DESC) FROM zupa.waits w
         WHERE w.conversation = conv AND w.state = 'open' AND w.kind = 'reply'
           AND w.since < b.number AND (w.expires_at IS NULL OR w.expires_at > b.accepted_at))
    END
    FROM zupa.inbounds b WHERE b.conversation = conv AND b.number = first_number);
END
$$;

-- What commits leave beside messages; they have passed the fence.
CREATE FUNCTION zupa.leave(
    items zupa.finish_item[], places bigint[], at_time bigint, ahead bigint
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    WITH done AS (
        SELECT i.* FROM unnest(items) WITH ORDINALITY AS i WHERE i.ordinality = ANY (places)
    ), told AS (
        INSERT INTO zupa.facts (turn_id, ordinal, conversation, name, payload, committed_at)
        SELECT d.turn, f.ordinality - 1, d.conversation, f.name, f.payload, at_time
        FROM done d CROSS JOIN LATERAL unnest(d.facts) WITH ORDINALITY AS f
    ), opened AS (
        -- Nobody has heard the question of a turn that is silenced.
        INSERT INTO zupa.waits (id, conversation, turn_id, kind, state, settled_at, since,
            opened_at, expires_at, node, graph, state_version, subject, payload)
        SELECT w.id, d.conversation, d.turn, w.kind,
            CASE WHEN u.unheard THEN 'cancelled' ELSE 'open' END,
            CASE WHEN u.unheard THEN at_time END, c.last_number, at_time, w.expires_at + ahead,
            w.node, w.graph, w.state_version, w.subject, w.payload
        FROM done d JOIN zupa.conversations c ON c.id = d.conversation
        CROSS JOIN LATERAL unnest(d.waits) WITH ORDINALITY AS w
        CROSS JOIN LATERAL (SELECT w.kind = 'reply' AND
            zupa.is_silenced(c.hold_kind, c.silenced_turn, d.turn) AS unheard) u
        ORDER BY d.ordinality, w.ordinality
        ON CONFLICT (id) DO NOTHING RETURNING conversation, state
    ), settled AS (
        UPDATE zupa.waits w SET state = s.state, settled_at = at_time
        FROM done d CROSS JOIN LATERAL unnest(d.settles) AS s
        WHERE w.id = s.id AND w.conversation = d.conversation AND w.state = 'open'
          AND s.state <> 'open'
        RETURNING w.conversation
    ), changed AS (
        SELECT m.conversation, sum(m.one)::integer AS more
        FROM (SELECT o.conversation, 1 AS one FROM opened o
              WHERE o.state = 'open'
              UNION ALL SELECT s.conversation, -1 FROM settled s) m
        GROUP BY m.conversation
    )
    UPDATE zupa.conversations c SET open_waits = c.open_waits + d.more
    FROM changed d WHERE c.id = d.conversation AND d.more <> 0;
END
$$;

-- Waits have just been settled from outside of a turn, under their conversations'
-- locks: turns that wait for nothing more, and timers, go on. Answers which
-- conversations are due, and since when, in the order in which their waits ended.
--
-- The event's id is the wait's, so that no wait can settle twice.
CREATE FUNCTION zupa.settled(waits uuid[], at_time bigint)
RETURNS TABLE (conv uuid, due bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH ended AS (
        SELECT w.* FROM zupa.waits w WHERE w.id = ANY (waits)
    ), woken AS (
        SELECT o.id, o.conversation, o.expires_at, o.place FROM ended o WHERE o.node IS NULL
        UNION ALL
        -- The last one of each parked turn.
        (SELECT DISTINCT ON (o.turn_id) o.id, o.conversation, o.expires_at, o.place FROM ended o
         WHERE o.node IS NOT NULL AND NOT EXISTS (SELECT 1 FROM zupa.waits e
             WHERE e.turn_id = o.turn_id AND e.node IS NOT NULL AND e.state = 'open')
         ORDER BY o.turn_id, o.expires_at DESC, o.place DESC)
    ), written AS (
        INSERT INTO zupa.inbounds (conversation, number, event_id, origin, platform_id,
            accepted_at, state, content)
        SELECT n.conversation, c.last_number + row_number()
                   OVER (PARTITION BY n.conversation ORDER BY n.expires_at, n.place),
            n.id, 'internal', 'internal:' || n.id, at_time, 'queued',
            json_build_object('kind', 'settled', 'wait', n.id)
        FROM woken n JOIN zupa.conversations c ON c.id = n.conversation
    ), counted AS (
        SELECT o.conversation AS conv, count(DISTINCT o.id)::integer AS settled,
               count(DISTINCT n.id)::integer AS woken, min(n.expires_at) AS since,
               min(n.place) AS place
        FROM ended o LEFT JOIN woken n ON n.conversation = o.conversation GROUP BY o.conversation
    ), moved AS (
        -- What waits before it need not wait any longer, and what comes behind it
        -- has a burst window of its own.
        UPDATE zupa.conversations c SET open_waits = c.open_waits - n.settled,
            last_number = c.last_number + n.woken, pending = c.pending + n.woken,
            internals = c.internals + n.woken,
            opened_at = CASE WHEN n.woken = 0 THEN c.opened_at END,
            closes_at = CASE WHEN n.woken = 0 THEN c.closes_at ELSE at_time END,
            due_at = CASE WHEN n.woken = 0 OR c.open_turn IS NOT NULL THEN c.due_at
                          ELSE least(c.due_at, at_time) END
        FROM counted n WHERE c.id = n.conv
        RETURNING c.id, coalesce(c.due_at, at_time) AS due, n.woken, n.since, n.place
    ), called AS (
        SELECT zupa.call(m.id) FROM moved m WHERE m.woken > 0
    )
    SELECT m.id, m.due FROM moved m, (SELECT count(*) FROM called) AS all_called
    WHERE m.woken > 0 ORDER BY m.since, m.place;
END
$$;

-- Settles waits whose time has come, and wakes agents in conversations where nothing
-- has happened and nothing will. Conversations that somebody else is at, that have an
-- open turn, or that a human has, are left for later.
CREATE FUNCTION zupa.expire(said bigint, bite bigint, flush boolean)
RETURNS TABLE (conv uuid, due bigint) LANGUAGE plpgsql
-- Plans as in zupa.write.
SET search_path = pg_catalog
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    at_time CONSTANT bigint := zupa.now();
    ahead CONSTANT bigint := at_time - said;
    picked uuid[];
    answered bigint := 0;
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    -- Waits for nobody, so the order of the locks cannot make a circle.
    picked := ARRAY(
        SELECT w.id FROM zupa.waits w JOIN zupa.conversations c ON c.id = w.conversation
        WHERE w.state = 'open' AND w.expires_at <= at_time AND c.open_turn IS NULL
          AND c.hold_kind IS NULL
          -- An answer that was accepted in time is on its way to a turn.
          AND NOT (w.kind = 'reply' AND c.pending > c.internals AND EXISTS (
              SELECT 1 FROM zupa.inbounds b WHERE b.conversation = c.id AND b.number > c.consumed
                AND b.state = 'queued' AND b.origin = 'external'
                AND b.accepted_at < w.expires_at))
        ORDER BY w.expires_at, w.place LIMIT bite FOR UPDATE OF c SKIP LOCKED);
    IF cardinality(picked) > 0 THEN
        -- Somebody else may have settled one before the lock was taken.
        WITH expired AS (
            UPDATE zupa.waits w SET state = 'expired', settled_at = at_time
            WHERE w.id = ANY (picked) AND w.state = 'open' RETURNING w.id)
        SELECT coalesce(array_agg(e.id), '{}') INTO picked FROM expired e;
        RETURN QUERY SELECT s.conv, s.due - ahead FROM zupa.settled(picked, at_time) s;
        GET DIAGNOSTICS answered = ROW_COUNT;
    END IF;
    picked := ARRAY(
        SELECT c.id FROM zupa.conversations c
        WHERE c.wake_at <= at_time AND c.open_turn IS NULL AND c.pending = 0
          AND c.hold_kind IS NULL
        ORDER BY c.wake_at LIMIT bite - answered FOR UPDATE SKIP LOCKED);
    IF cardinality(picked) > 0 THEN
        RETURN QUERY SELECT w.conv, w.due - ahead FROM zupa.wake(picked, 'due', at_time) w;
    END IF;
END
$$;

-- Where a decision is to be chained; nothing if there is no such wait.
CREATE FUNCTION zupa.undecided(wait uuid)
RETURNS TABLE (conv uuid, audit_number bigint, audit_hash bytea) LANGUAGE sql STABLE AS $$
    SELECT c.id, c.audit_number, c.audit_hash
    FROM zupa.waits w JOIN zupa.conversations c ON c.id = w.conversation WHERE w.id = undecided.wait
$$;

-- Settles a wait by an operator's word, with its entry in the audit, which is
-- chained to the head as the caller knew it: if that has moved nothing is written,
-- and the answer is NULL.
CREATE FUNCTION zupa.decide(
    the_wait uuid, said bigint, flush boolean, decided_by text, approved boolean, note text,
    link zupa.audit_item[], before bytea
) RETURNS json LANGUAGE plpgsql
SET search_path = pg_catalog
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    at_time bigint;
    the_conversation uuid;
    w record;
    due bigint;
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    SELECT c.id INTO the_conversation
    FROM zupa.conversations c WHERE c.id = (SELECT o.conversation FROM zupa.waits o
                                            WHERE o.id = the_wait) FOR UPDATE;
    at_time := zupa.now();
    SELECT o.kind, o.state, c.audit_number, c.audit_hash, o.claimed_by, o.claimed_at,
           o.claimed_until INTO w
    FROM zupa.waits o JOIN zupa.conversations c ON c.id = o.conversation WHERE o.id = the_wait;
    IF NOT FOUND THEN
        RETURN '{"was": "not_found"}';
    ELSIF w.kind <> 'decision' THEN
        RETURN json_build_object('was', 'not_theirs', 'kind', w.kind);
    ELSIF w.state <> 'open' THEN
        RETURN json_build_object('was', 'already', 'state', w.state);
    ELSIF w.claimed_until > at_time AND w.claimed_by <> decide.decided_by THEN
        RETURN json_build_object('was', 'claimed', 'by', w.claimed_by,
            'since', w.claimed_at - (at_time - said), 'until', w.claimed_until - (at_time - said));
    ELSIF w.audit_number <> link[1].number - 1 OR w.audit_hash <> before THEN
        RETURN NULL;
    END IF;
    UPDATE zupa.waits o SET state = 'decided', settled_at = at_time, note = decide.note,
        decided_by = decide.decided_by, approved = decide.approved,
        audit_number = link[1].number
    WHERE o.id = the_wait;
    PERFORM zupa.append_audit(the_conversation, NULL, link);
    SELECT s.due INTO due FROM zupa.settled(ARRAY[the_wait], at_time) s;
    RETURN json_build_object('was', 'done', 'conversation', the_conversation,
        'due_at', due - (at_time - said));
END
$$;

-- Claims a wait for an operator, for so long at most, or gives it back where `lasts`
-- is NULL; with its entry in the audit, chained as a decision's.
CREATE FUNCTION zupa.claim_wait(
    the_wait uuid, said bigint, flush boolean, claimer text, lasts bigint,
    link zupa.audit_item[], before bytea
) RETURNS json LANGUAGE plpgsql
SET search_path = pg_catalog
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    at_time bigint;
    the_conversation uuid;
    w record;
    stands boolean;
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    SELECT c.id INTO the_conversation
    FROM zupa.conversations c WHERE c.id = (SELECT o.conversation FROM zupa.waits o
                                            WHERE o.id = the_wait) FOR UPDATE;
    at_time := zupa.now();
    SELECT o.kind, o.state, c.audit_number, c.audit_hash, o.claimed_by, o.claimed_at,
           o.claimed_until INTO w
    FROM zupa.waits o JOIN zupa.conversations c ON c.id = o.conversation WHERE o.id = the_wait;
    IF NOT FOUND THEN
        RETURN '{"was": "not_found"}';
    ELSIF w.kind <> 'decision' THEN
        RETURN json_build_object('was', 'not_theirs', 'kind', w.kind);
    ELSIF w.state <> 'open' THEN
        RETURN json_build_object('was', 'already', 'state', w.state);
    END IF;
    stands := coalesce(w.claimed_until > at_time, false);
    IF stands AND w.claimed_by <> claimer THEN
        RETURN json_build_object('was', 'claimed', 'by', w.claimed_by,
            'since', w.claimed_at - (at_time - said), 'until', w.claimed_until - (at_time - said));
    ELSIF stands = (lasts IS NOT NULL) THEN
        RETURN '{"was": "unchanged"}';
    ELSIF w.audit_number <> link[1].number - 1 OR w.audit_hash <> before THEN
        RETURN NULL;
    END IF;
    UPDATE zupa.waits o SET claimed_by = CASE WHEN lasts IS NOT NULL THEN claimer END,
        claimed_at = CASE WHEN lasts IS NOT NULL THEN at_time END, claimed_until = at_time + lasts
    WHERE o.id = the_wait;
    PERFORM zupa.append_audit(the_conversation, NULL, link);
    RETURN '{"was": "done"}';
END
$$;
