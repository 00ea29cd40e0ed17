-- Stop 5, deliver: attempts and their settlements.
--
-- Arrives: wishes to send, results of sends.
-- Leaves: an attempt on record before the wire; states that only move forward.
-- If the process dies here: an attempt on record without a result is in doubt
--   when its time is over.

-- When a conversation may be sent to again, by its door's pace, and the burst with one
-- more attempt in it; see core's pace.rs. NULL: now.
CREATE FUNCTION zupa.pace(
    conv uuid, every bigint, burst integer, slack bigint, at_time bigint,
    OUT until bigint, OUT paced_from bigint, OUT paced integer
) LANGUAGE plpgsql AS $$
DECLARE
    over bigint;
BEGIN
    SELECT c.paced_from, c.paced INTO paced_from, paced FROM zupa.conversations c
    WHERE c.id = conv AND c.paced_from <= at_time;
    over := paced_from + every * paced + slack;
    IF paced_from IS NULL OR at_time >= over THEN
        paced_from := at_time;
        paced := 1;
    ELSIF at_time < paced_from + every - slack AND paced < burst THEN
        paced := paced + 1;
    ELSE
        until := over;
    END IF;
END
$$;

-- Whether a delivery waits for the person, and goes on doing so: nothing was heard since, and
-- it has not waited for long enough.
CREATE FUNCTION zupa.is_awaited(
    state text, reason text, over bigint, since bigint, heard bigint, at_time bigint
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT state = 'retry' AND reason IS NOT DISTINCT FROM 'window_closed' AND over > at_time
        AND coalesce(heard, 0) <= coalesce(since, 0)
$$;

-- What becomes of a delivery to a person who has not been heard for long: it ends without an
-- attempt, or waits, or stays as it is. NULL: it is somebody else's by now.
CREATE FUNCTION zupa.window_closed(
    conv uuid, the_number bigint, tried integer, closed text, at_most bigint, heard bigint,
    at_time bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    o record;
BEGIN
    SELECT k.state, k.reason, k.not_before, k.lane, k.committed_at INTO o FROM zupa.outbox k
    JOIN zupa.conversations c ON c.id = k.conversation
    WHERE k.conversation = conv AND k.number = the_number AND k.attempts = tried
      AND k.state IN ('queued', 'retry') AND c.hold_kind IS NULL
      AND NOT (c.opted_out AND (k.lane = 'proactive' OR k.unasked));
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF closed = 'stays' THEN
        RETURN 'closed';
    ELSIF closed = 'waits' THEN
        IF o.state = 'queued' OR o.reason IS DISTINCT FROM 'window_closed' THEN
            -- Since it was said, or since an operator tried it again.
            o.not_before := CASE WHEN o.lane = 'late' THEN at_time ELSE o.committed_at END + at_most;
        END IF;
        IF o.not_before > at_time THEN
            UPDATE zupa.outbox k SET state = 'retry', reason = 'window_closed',
                not_before = o.not_before, heard_at = heard
            WHERE k.conversation = conv AND k.number = the_number;
            RETURN 'closed';
        END IF;
        closed := 'failed';
    END IF;
    -- There is one way for deliveries to end, and it begins here.
    UPDATE zupa.outbox k SET state = 'in_doubt'
    WHERE k.conversation = conv AND k.number = the_number;
    PERFORM zupa.settle(ARRAY[ROW(conv, the_number, tried, closed, false, NULL, 'window_closed',
        NULL, CASE closed WHEN 'failed' THEN 'the channel did not take it' END,
        0)::zupa.settlement_item], at_time, 0);
    RETURN 'ended';
END
$$;

-- Puts deliveries on record as being on the wire, if nobody did so before, no human has the
-- conversation, and what their door's platform asks for is so. Those that are too early wait
-- for their time, and others for the person.
CREATE FUNCTION zupa.attempt(items zupa.attempt_item[], at_time bigint, ahead bigint)
RETURNS json[]
LANGUAGE plpgsql AS $$
DECLARE
    answers json[] := '{}';
    item record;
    heard bigint;
    became text;
    until bigint;
    burst_from bigint;
    burst_count integer;
    lost boolean := false;
BEGIN
    FOR item IN SELECT * FROM unnest(items) LOOP
        SELECT c.heard_at INTO heard FROM zupa.conversations c WHERE c.id = item.conversation;
        IF coalesce(at_time >= heard + item.open_for, item.open_for IS NOT NULL) THEN
            became := zupa.window_closed(item.conversation, item.number, item.attempt - 1,
                item.closed, item.at_most, heard, at_time);
            lost := lost OR became IS NULL;
            answers := answers || coalesce(to_json(became), to_json(false));
            CONTINUE;
        END IF;
        until := NULL;
        IF item.every IS NOT NULL THEN
            SELECT * INTO until, burst_from, burst_count
            FROM zupa.pace(item.conversation, item.every, item.burst, item.slack, at_time);
        END IF;
        IF until IS NOT NULL THEN
            UPDATE zupa.outbox o SET state = 'retry', not_before = until, reason = 'paced'
            WHERE o.conversation = item.conversation AND o.number = item.number
              AND o.state IN ('queued', 'retry') AND o.attempts = item.attempt - 1
              AND NOT EXISTS (SELECT 1 FROM zupa.conversations c
                              WHERE c.id = item.conversation
                                AND (c.hold_kind IS NOT NULL
                                     OR c.opted_out AND (o.lane = 'proactive' OR o.unasked)));
            lost := lost OR NOT FOUND;
            answers := answers || CASE WHEN FOUND THEN json_build_object('until', until - ahead)
                                       ELSE to_json(false) END;
            CONTINUE;
        END IF;
        UPDATE zupa.outbox o SET state = 'sending', open = true, attempts = item.attempt,
            not_before = item.answer_by + ahead, tried_at = at_time
        WHERE o.conversation = item.conversation AND o.number = item.number
          AND o.state IN ('queued', 'retry') AND o.attempts = item.attempt - 1
          AND NOT EXISTS (SELECT 1 FROM zupa.conversations c
                          WHERE c.id = item.conversation
                            AND (c.hold_kind IS NOT NULL
                                 OR c.opted_out AND (o.lane = 'proactive' OR o.unasked)));
        lost := lost OR NOT FOUND;
        answers := answers || to_json(FOUND);
        IF FOUND AND item.every IS NOT NULL THEN
            UPDATE zupa.conversations c SET paced_from = burst_from, paced = burst_count
            WHERE c.id = item.conversation;
        END IF;
    END LOOP;
    IF lost THEN
        PERFORM zupa.cancel_unwanted(items, at_time);
        -- What a hold has not found, because it was on the wire then.
        UPDATE zupa.outbox o SET state = 'cancelled', open = false, reason = 'held',
            not_before = NULL, settled_at = at_time
        FROM unnest(items) AS i
        WHERE o.conversation = i.conversation AND o.number = i.number
          AND o.state IN ('queued', 'retry')
          -- Not a join: a plan would rather begin with all that are held.
          AND (SELECT c.hold_kind FROM zupa.conversations c WHERE c.id = i.conversation)
              IS NOT NULL;
    END IF;
    RETURN answers;
END
$$;

-- Writes what happened to attempts. A late 'sent' is true whatever we believed;
-- anything else must speak of the attempt on the wire or in doubt.
CREATE FUNCTION zupa.settle(items zupa.settlement_item[], at_time bigint, ahead bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    item record;
BEGIN
    -- News that overtook this answer was kept under the platform's id.
    UPDATE zupa.outbox o SET state = 'sent', open = false, not_before = NULL,
        reason = NULL, settled_at = at_time, platform_id = coalesce(i.platform_id, o.platform_id),
        receipt = CASE WHEN i.platform_id IS NULL THEN o.receipt
            ELSE greatest(o.receipt, (SELECT r.level FROM zupa.receipts r
                JOIN zupa.conversations c ON c.channel = r.channel AND c.tenant = r.tenant
                WHERE c.id = i.conversation AND r.about = i.platform_id)) END
    FROM unnest(items) AS i
    WHERE i.state = 'sent' AND o.conversation = i.conversation AND o.number = i.number
      AND o.state NOT IN ('sent', 'failed', 'cancelled');
    FOR item IN SELECT * FROM unnest(items) AS i WHERE i.state <> 'sent' LOOP
        IF item.failed IS NOT NULL THEN
            INSERT INTO zupa.failures (kind, source, ordinal, turn_id, run, at, class, message,
                not_before, counted)
            SELECT 'delivery', o.turn_id, o.ordinal, o.turn_id, o.attempts, at_time,
                CASE item.state WHEN 'unknown' THEN 'unknown' ELSE item.reason END,
                item.failed, item.not_before + ahead, true
            FROM zupa.outbox o
            WHERE o.conversation = item.conversation AND o.number = item.number
              AND o.attempts = item.attempt AND o.state IN ('sending', 'in_doubt');
        END IF;
        IF item.state IN ('retry', 'queued') THEN
            -- It was on the wire, or in doubt, when a human took over.
            UPDATE zupa.outbox o SET state = 'cancelled', open = false, reason = 'held',
                not_before = NULL, settled_at = at_time
            WHERE o.conversation = item.conversation AND o.number = item.number
              AND o.attempts = item.attempt AND o.state IN ('sending', 'in_doubt')
              AND o.reason = 'taken_over';
            CONTINUE WHEN FOUND;
        END IF;
        UPDATE zupa.outbox o SET state = item.state, open = item.open,
            not_before = item.not_before + ahead,
            reason = CASE WHEN item.state = 'in_doubt' AND o.reason = 'taken_over'
                          THEN o.reason ELSE item.reason END,
            doubled = o.doubled + item.doubled,
            settled_at = CASE WHEN NOT item.open THEN at_time END
        WHERE o.conversation = item.conversation AND o.number = item.number
          AND o.attempts = item.attempt AND o.state IN ('sending', 'in_doubt');
        IF FOUND AND item.state = 'failed' THEN
            UPDATE zupa.outbox o SET state = 'cancelled', open = false,
                reason = 'an earlier part failed', settled_at = at_time
            FROM zupa.outbox f
            WHERE f.conversation = item.conversation AND f.number = item.number
              AND o.conversation = f.conversation AND o.turn_id = f.turn_id
              AND o.number > f.number AND o.state IN ('queued', 'retry')
              -- A side message is no part of the reply.
              AND NOT f.aside AND NOT o.aside;
        END IF;
    END LOOP;
END
$$;
