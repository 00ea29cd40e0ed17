-- Stop 2, claim.
--
-- Arrives: wishes to take a conversation, with a fresh turn id.
-- Leaves: at most one holder per conversation, a raised epoch, and a turn row
--   with its range; a turn that is still open keeps its id and range.
-- If the process dies here: the claim is there or not. Once its time is over
--   and the process shows no sign of life, another one takes it over; the turn
--   stays open and runs again over the same range.

-- Until when a conversation is held, for this process; NULL: it is free. A
-- claim holds until its end, and as long as another process that has it lives.
-- Whoever said goodbye holds nothing.
CREATE FUNCTION zupa.held_until(
    holder uuid, claimed_until bigint, asking uuid, at_time bigint
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN holder IS NULL OR p.ended_at IS NOT NULL THEN NULL
        WHEN holder = asking THEN nullif(greatest(claimed_until, at_time), at_time)
        ELSE nullif(greatest(claimed_until, p.expires_at, at_time), at_time) END
    FROM (SELECT 1) AS one LEFT JOIN zupa.processes p ON p.id = holder
$$;

-- A process died while it ran this turn. Until its third run a turn is
-- innocent; then it is a suspect, or is divided if it has several inbounds; a
-- suspect that ran must run alone; one that died alone three times is proven.
-- Answers what is to be done with it, which needs an entry in the audit:
-- 'split', 'dead', or nothing. The claim is void in any case.
CREATE FUNCTION zupa.judge(conv uuid, at_time bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t record;
    several boolean;
BEGIN
    SELECT u.id, u.mode, u.runs, u.deaths_alone, u.first, u.last, u.state INTO STRICT t
    FROM zupa.conversations c JOIN zupa.turns u ON u.id = c.open_turn WHERE c.id = conv;
    IF t.state = 'running' THEN
        IF t.mode = 2 AND t.deaths_alone >= 2 THEN
            RETURN 'dead';
        ELSIF t.mode > 0 THEN
            UPDATE zupa.turns u SET mode = 2,
                deaths_alone = u.deaths_alone + (t.mode = 2)::integer WHERE u.id = t.id;
        ELSIF t.runs >= 3 THEN
            SELECT count(*) > 1 INTO several FROM zupa.inbounds b
            WHERE b.conversation = conv AND b.number BETWEEN t.first AND t.last
              AND b.state = 'queued';
            IF several THEN
                RETURN 'split';
            END IF;
            UPDATE zupa.turns u SET mode = 1 WHERE u.id = t.id;
        END IF;
    END IF;
    UPDATE zupa.conversations c SET holder = NULL,
        due_at = least(coalesce(c.due_at, at_time), at_time) WHERE c.id = conv;
    RETURN NULL;
END
$$;

-- What is said of a turn that needs an entry in the audit before it can end: the
-- caller chains the entry and comes back with it, see zupa.bury.
CREATE FUNCTION zupa.verdict(conv uuid, what text) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object('was', 'verdict', 'verdict', what, 'conversation', c.id,
        'turn', c.open_turn, 'epoch', c.epoch, 'audit_number', c.audit_number,
        'audit_hash', encode(c.audit_hash, 'hex'))
    FROM zupa.conversations c WHERE c.id = conv
$$;

-- Takes conversations, or says why not. Those that somebody is writing to at
-- this moment are passed over: they are held for a moment.
CREATE FUNCTION zupa.claim(items zupa.claim_item[], at_time bigint, ahead bigint)
RETURNS json[] LANGUAGE plpgsql AS $$
DECLARE
    a_moment CONSTANT bigint := 5000;
    answers json[] := '{}';
    item zupa.claim_item;
BEGIN
    FOREACH item IN ARRAY items LOOP
        PERFORM 1 FROM zupa.conversations c WHERE c.id = item.conversation
        FOR UPDATE SKIP LOCKED;
        IF NOT FOUND AND EXISTS
           (SELECT 1 FROM zupa.conversations c WHERE c.id = item.conversation) THEN
            answers := answers
                || json_build_object('was', 'held', 'until', at_time - ahead + a_moment);
        ELSE
            answers := answers || zupa.claim_one(item, at_time, ahead);
        END IF;
    END LOOP;
    RETURN answers;
END
$$;

CREATE FUNCTION zupa.claim_one(wish zupa.claim_item, at_time bigint, ahead bigint)
RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    c record;
    what text;
    stored integer;
BEGIN
    SELECT k.open_turn, k.pending, k.due_at, k.holder, k.state_version, k.hold_kind,
           zupa.held_until(k.holder, k.expires_at, wish.process, at_time) AS held_until
    INTO c FROM zupa.conversations k WHERE k.id = wish.conversation;
    IF NOT FOUND OR c.due_at IS NULL OR (c.open_turn IS NULL AND c.pending = 0) THEN
        RETURN '{"was": "nothing"}';
    ELSIF c.hold_kind IS NOT NULL THEN
        RETURN '{"was": "paused"}';
    ELSIF c.held_until IS NOT NULL THEN
        RETURN json_build_object('was', 'held', 'until', c.held_until - ahead);
    ELSIF c.due_at > at_time THEN
        RETURN json_build_object('was', 'not_yet', 'at', c.due_at - ahead);
    ELSIF c.state_version > wish.loads THEN
        RETURN '{"was": "newer"}';
    ELSIF c.open_turn IS NULL THEN
        RETURN (SELECT s.answer FROM zupa.start(ARRAY[wish], at_time, ahead) s);
    END IF;
    IF c.holder <> wish.process AND EXISTS (SELECT 1 FROM zupa.processes p
                                            WHERE p.id = c.holder AND p.ended_at IS NULL) THEN
        what := zupa.judge(wish.conversation, at_time);
        IF what IS NOT NULL THEN
            RETURN zupa.verdict(wish.conversation, what);
        END IF;
    END IF;
    SELECT t.mode INTO STRICT stored FROM zupa.turns t WHERE t.id = c.open_turn;
    IF stored > wish.mode THEN
        RETURN json_build_object('was', 'suspected', 'mode', stored);
    END IF;
    RETURN zupa.rerun(wish.conversation, wish.process, wish.expires_at + ahead, wish.mode, ahead);
END
$$;

-- Makes due what waits for a provider that has not named the time. Those that somebody is writing to at this moment
-- are passed over.
CREATE FUNCTION zupa.hasten(bite bigint) RETURNS SETOF uuid LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
DECLARE
    at_time bigint := zupa.now();
    waiting uuid[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    waiting := ARRAY(
        SELECT c.id FROM zupa.conversations c JOIN zupa.turns t ON t.id = c.open_turn
        WHERE c.due_at > at_time AND c.hold_kind IS NULL AND t.state = 'retry'
          AND t.provider_failures > 0 AND NOT t.asked
        ORDER BY c.due_at, c.id LIMIT bite FOR UPDATE OF c SKIP LOCKED);
    UPDATE zupa.turns t SET not_before = at_time
    FROM zupa.conversations c WHERE c.id = ANY (waiting) AND t.id = c.open_turn;
    UPDATE zupa.conversations c SET due_at = at_time WHERE c.id = ANY (waiting);
    RETURN QUERY SELECT unnest(waiting);
END
$$;

-- Whether a turn has had an inbound before: as one of several, or until it gave up.
CREATE FUNCTION zupa.coming(redriven boolean, number bigint, split_until bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN redriven THEN 'redriven' WHEN number <= split_until THEN 'divided'
                ELSE 'new' END
$$;

-- The last number that the next turn may take where something internal is pending.
CREATE FUNCTION zupa.range_end(conv uuid, consumed bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT greatest(min(b.number),
                            min(b.number) FILTER (WHERE b.origin = 'internal') - 1)
            FROM zupa.inbounds b
            WHERE b.conversation = conv AND b.number > range_end.consumed AND b.state = 'queued');
END
$$;

-- New turns take all that is pending from outside up to the next inbound that is internal
-- or that no door could read; that one is taken alone, and so is one of a range that was
-- split. The wishes are of different conversations, which are free and due.
CREATE FUNCTION zupa.start(
    wishes zupa.claim_item[], at_time bigint, ahead bigint
) RETURNS TABLE (conv uuid, answer json) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH pending AS (
        SELECT w.conversation AS conv, w.turn, w.process, w.expires_at + ahead AS until, w.mode,
               k.audit_number, k.audit_hash, k.tenant, k.channel, k.alias, k.open_waits,
               k.state_version, k.state, b.*, k.pending - b.taken AS rest
        FROM unnest(wishes) AS w
        JOIN zupa.conversations k ON k.id = w.conversation
        CROSS JOIN LATERAL (
            SELECT count(*)::integer AS taken, bool_or(q.origin = 'internal') AS is_internal,
                   min(q.number) AS first, max(q.number) AS last,
                   (array_agg(q.request_id))[1] AS request_id, (array_agg(q.trace_id))[1] AS trace_id,
                   json_agg(json_build_object('event', q.event_id, 'number', q.number,
                       'accepted_at', q.accepted_at - ahead, 'content', q.content,
                       'speaker', q.speaker,
                       'coming', zupa.coming(q.redriven, q.number, k.split_until))) AS inbounds
            FROM (SELECT r.* FROM (
                      SELECT i.number, i.event_id, i.accepted_at, i.content, i.request_id,
                             i.trace_id, i.origin, i.redriven, i.speaker,
                             row_number() OVER up_to_here AS place,
                             count(*) FILTER (WHERE starts_with(i.content, '{"kind":"undecodable"'))
                                 OVER up_to_here AS unread
                      FROM zupa.inbounds i
                      WHERE i.conversation = w.conversation AND i.number > k.consumed
                        AND i.state = 'queued'
                        AND i.number <= CASE WHEN k.internals = 0 THEN k.last_number
                                             ELSE zupa.range_end(k.id, k.consumed) END
                      WINDOW up_to_here AS (ORDER BY i.number)) r
                  WHERE r.unread = 0 OR r.place = 1
                  ORDER BY r.number
                  LIMIT CASE WHEN k.split_until > k.consumed THEN 1 END) q) b
    ), held AS (
        UPDATE zupa.conversations k SET epoch = k.epoch + 1, holder = p.process,
            expires_at = p.until, open_turn = p.turn,
            pending = p.rest,
            internals = k.internals - coalesce(p.is_internal, false)::integer,
            opened_at = CASE WHEN p.rest > 0 THEN k.opened_at END,
            closes_at = CASE WHEN p.rest > 0 THEN k.closes_at END
        FROM pending p WHERE k.id = p.conv
        RETURNING k.id, k.epoch
    ), begun AS (
        INSERT INTO zupa.turns (id, conversation, first, last, epoch, process, mode, state, runs,
            claimed_at, request_id, trace_id)
        SELECT p.turn, p.conv, p.first, p.last, h.epoch, p.process, p.mode, 'running', 1, at_time,
            p.request_id, p.trace_id
        FROM pending p JOIN held h ON h.id = p.conv
    )
    SELECT p.conv, json_build_object('was', 'taken', 'conversation', p.conv, 'turn', p.turn,
        'tenant', p.tenant, 'channel', p.channel, 'alias', p.alias, 'epoch', h.epoch,
        'runs', 1, 'failures', 0, 'provider_failures', 0,
        'audit_number', p.audit_number, 'audit_hash', encode(p.audit_hash, 'hex'),
        'request_id', p.request_id, 'trace_id', p.trace_id, 'inbounds', p.inbounds,
        'state_version', p.state_version, 'state', p.state,
        'waits', CASE WHEN p.open_waits > 0 OR p.is_internal
                      THEN zupa.waits_for(p.conv, p.first, ahead) END,
        -- Not EXISTS: a plan for many would rather read all open deliveries there are.
        'outbox_busy', coalesce((SELECT true FROM zupa.outbox o
            WHERE o.conversation = p.conv AND o.open LIMIT 1), false))
    FROM pending p JOIN held h ON h.id = p.conv;
END
$$;

-- The open turn runs again, over the same range, with what it recorded.
--
-- Always flushed: a claim that a crash of the server takes back would be made
-- again with the same epoch and the same turn, and nothing would tell the two
-- runs apart. A new turn has a new id, which does.
CREATE FUNCTION zupa.rerun(
    conv uuid, asking uuid, until bigint, wished integer, ahead bigint
) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    answer json;
BEGIN
    SET LOCAL synchronous_commit TO DEFAULT;
    UPDATE zupa.conversations k SET epoch = k.epoch + 1, holder = asking, expires_at = until
    WHERE k.id = conv;
    UPDATE zupa.turns t SET epoch = k.epoch, process = asking, mode = wished, state = 'running',
        runs = t.runs + 1, not_before = NULL
    FROM zupa.conversations k WHERE k.id = conv AND t.id = k.open_turn;
    SELECT json_build_object('was', 'taken', 'conversation', k.id, 'turn', t.id,
        'tenant', k.tenant, 'channel', k.channel, 'alias', k.alias, 'epoch', k.epoch,
        'runs', t.runs, 'failures', t.failures, 'provider_failures', t.provider_failures,
        'audit_number', k.audit_number, 'audit_hash', encode(k.audit_hash, 'hex'),
        'request_id', t.request_id, 'trace_id', t.trace_id,
        'inbounds', (SELECT json_agg(json_build_object('event', b.event_id, 'number', b.number,
                'accepted_at', b.accepted_at - ahead, 'content', b.content,
                'speaker', b.speaker, 'coming', zupa.coming(b.redriven, b.number, k.split_until)) ORDER BY b.number)
            FROM zupa.inbounds b WHERE b.conversation = k.id
                AND b.number BETWEEN t.first AND t.last AND b.state = 'queued'),
        'steps', (SELECT json_agg(json_build_object('key', s.step_key, 'ordinal', s.ordinal,
                'input', encode(s.input, 'hex'), 'class', s.class, 'result', s.result)
                ORDER BY s.ordinal, s.recorded_at)
            FROM zupa.steps s WHERE s.turn_id = t.id),
        'said', t.said, 'state_version', k.state_version, 'state', k.state,
        'waits', zupa.waits_for(k.id, t.first, ahead),
        -- Not EXISTS: a plan for many would rather read all open deliveries there are.
        'outbox_busy', coalesce((SELECT true FROM zupa.outbox o
            WHERE o.conversation = k.id AND o.open LIMIT 1), false))
    INTO STRICT answer
    FROM zupa.conversations k JOIN zupa.turns t ON t.id = k.open_turn WHERE k.id = conv;
    RETURN answer;
END
$$;

-- Takes offers up: as claims, but never of a turn that is open, which may have
-- to run in another way, nor where a human has the conversation, nor of a state that
-- the one who offers cannot load. One answer for each item; NULL: not taken.
CREATE FUNCTION zupa.take_up(
    items zupa.inbound_item[], queued uuid[], at_time bigint, ahead bigint
) RETURNS json[] LANGUAGE plpgsql AS $$
DECLARE
    answers json[] := array_fill(NULL::json, ARRAY[cardinality(items)]);
    wishes zupa.claim_item[];
    places bigint[];
    started record;
BEGIN
    -- The first offer for each conversation counts.
    SELECT array_agg(ROW(o.conv, o.turn, o.process, o.until, 0, o.loads)::zupa.claim_item),
           array_agg(o.place)
    INTO wishes, places
    FROM (SELECT DISTINCT ON (k.id) k.id AS conv, i.offer_turn AS turn,
                 i.offer_process AS process, i.offer_expires_at AS until,
                 i.offer_loads AS loads, i.ordinality AS place
          FROM unnest(items) WITH ORDINALITY AS i
          JOIN zupa.conversations k ON k.id = queued[i.ordinality]
          WHERE i.offer_turn IS NOT NULL AND k.open_turn IS NULL AND k.pending > 0
            AND k.hold_kind IS NULL AND k.due_at <= at_time AND coalesce(k.state_version <= i.offer_loads, true)
          ORDER BY k.id, i.ordinality) o;
    IF wishes IS NOT NULL THEN
        FOR started IN
            SELECT s.answer, places[w.ordinality] AS place
            FROM zupa.start(wishes, at_time, ahead) s
            JOIN unnest(wishes) WITH ORDINALITY AS w ON w.conversation = s.conv
        LOOP
            answers[started.place] := started.answer;
        END LOOP;
    END IF;
    RETURN answers;
END
$$;

-- Prolongs claims that are still the one.
CREATE FUNCTION zupa.renew(items zupa.renewal_item[], ahead bigint) RETURNS json[]
LANGUAGE plpgsql AS $$
DECLARE
    answers json[] := '{}';
    item record;
BEGIN
    FOR item IN SELECT * FROM unnest(items) LOOP
        UPDATE zupa.conversations k SET expires_at = item.expires_at + ahead
        WHERE k.id = item.conversation AND k.epoch = item.epoch AND k.open_turn = item.turn
          AND k.holder IS NOT NULL;
        answers := answers || to_json(FOUND);
    END LOOP;
    RETURN answers;
END
$$;
