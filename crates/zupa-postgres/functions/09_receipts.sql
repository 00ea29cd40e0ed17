-- News about messages already known, or not known yet.
--
-- Arrives: statuses, edits and revokes, in any order, repeated at will.
-- Leaves: levels that only go up; changes to inbounds that no turn has; what is about
--   nothing known yet, kept.
-- If the process dies here: the platform tells again, or the level is lower
--   than it could be; no message depends on it.
CREATE FUNCTION zupa.receipt(items zupa.receipt_item[], at_time bigint, said bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    item zupa.receipt_item;
    b record;
BEGIN
    FOREACH item IN ARRAY items LOOP
        IF item.news = 'status' THEN
            PERFORM zupa.status(item.about, item.channel, item.tenant, item.level,
                item.proves_sent, item.turn, item.ordinal, at_time);
            CONTINUE;
        ELSIF item.names IS NOT NULL THEN
            PERFORM zupa.news_of_person(item, at_time, said);
            CONTINUE;
        END IF;
        IF item.news IN ('edit', 'revoke') AND NOT EXISTS (
            SELECT 1 FROM zupa.processed_events e
            WHERE e.platform_id = item.about AND e.scope = '' AND e.channel = item.channel
              AND e.tenant = item.tenant)
        THEN
            PERFORM zupa.keep_news(item, at_time);
            CONTINUE;
        END IF;
        -- An inbound that is queued and in no turn's range.
        SELECT n.conversation, n.number INTO b
        FROM zupa.processed_events e
        JOIN zupa.inbounds n ON n.event_id = e.event_id
        JOIN zupa.conversations c ON c.id = n.conversation
        LEFT JOIN zupa.turns t ON t.id = c.open_turn
        WHERE e.platform_id = item.about AND e.scope = '' AND e.channel = item.channel
          AND e.tenant = item.tenant AND n.state = 'queued' AND n.number > coalesce(t.last, 0);
        IF NOT FOUND THEN
            CONTINUE;
        END IF;
        IF item.news = 'edit' THEN
            -- As is_newer_edit has it.
            UPDATE zupa.inbounds n SET content = item.content,
                edited_at = coalesce(item.said_at, n.edited_at)
            WHERE n.conversation = b.conversation AND n.number = b.number
              AND (n.edited_at IS NULL OR item.said_at > n.edited_at);
        ELSIF item.news = 'revoke' THEN
            UPDATE zupa.inbounds n SET state = 'silent', reason = 'revoked'
            WHERE n.conversation = b.conversation AND n.number = b.number;
            UPDATE zupa.conversations c SET pending = c.pending - 1,
                opened_at = CASE WHEN c.pending > 1 THEN c.opened_at END,
                due_at = CASE WHEN c.pending > 1 OR c.open_turn IS NOT NULL THEN c.due_at END
            WHERE c.id = b.conversation;
        END IF;
    END LOOP;
END
$$;

-- Keeps the newest edit of a message that has not come, or that it was taken back, which
-- stays.
CREATE FUNCTION zupa.keep_news(item zupa.receipt_item, at_time bigint) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO zupa.early_news AS k (about, channel, tenant, content, said_at, at)
    VALUES (item.about, item.channel, item.tenant, item.content, item.said_at, at_time)
    ON CONFLICT (about, channel, tenant) DO UPDATE
        SET content = excluded.content, said_at = excluded.said_at
        WHERE k.content IS NOT NULL
          AND (excluded.content IS NULL OR k.said_at IS NULL OR excluded.said_at > k.said_at)
$$;

-- A message that the platform has seen was sent, whatever we believed.
CREATE FUNCTION zupa.status(
    about text, the_channel text, the_tenant text, level integer, proves_sent boolean,
    the_turn uuid, ordinal integer, at_time bigint
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF level = 3 AND the_turn IS NOT NULL THEN
        PERFORM zupa.give_up(status.about, the_channel, the_tenant, the_turn, status.ordinal,
            at_time);
    END IF;
    -- Side messages come before the answer's rows, and not all in one piece.
    UPDATE zupa.outbox o SET receipt = greatest(o.receipt, status.level),
        platform_id = coalesce(o.platform_id, status.about),
        settled_at = CASE WHEN zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent)
                          THEN coalesce(o.settled_at, at_time) ELSE o.settled_at END,
        state = CASE WHEN zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent) THEN 'sent' ELSE o.state END,
        reason = CASE WHEN NOT zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent) THEN o.reason END,
        open = o.open AND NOT zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent)
    FROM zupa.turns t JOIN zupa.conversations c ON c.id = t.conversation
    WHERE t.id = the_turn AND c.channel = the_channel AND c.tenant = the_tenant
      AND o.conversation = t.conversation AND o.turn_id = t.id
      AND o.number = coalesce(
          (SELECT l.number FROM zupa.outbox l
           WHERE l.turn_id = t.id AND l.late AND l.ordinal = status.ordinal),
          CASE WHEN status.ordinal >= t.said
          THEN t.first_outbound + status.ordinal - t.said
          ELSE (SELECT a.number FROM zupa.outbox a
                WHERE a.conversation = t.conversation AND a.number >= t.first_said
                  AND a.turn_id = t.id AND a.ordinal = status.ordinal
                ORDER BY a.number LIMIT 1) END);
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE zupa.outbox o SET receipt = greatest(o.receipt, status.level),
        settled_at = CASE WHEN zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent)
                          THEN coalesce(o.settled_at, at_time) ELSE o.settled_at END,
        state = CASE WHEN zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent) THEN 'sent' ELSE o.state END,
        reason = CASE WHEN NOT zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent) THEN o.reason END,
        open = o.open AND NOT zupa.was_sent(o.state, o.receipt, o.platform_id = status.about, status.level,
            proves_sent)
    FROM zupa.conversations c
    WHERE o.platform_id = status.about AND c.id = o.conversation
      AND c.channel = the_channel AND c.tenant = the_tenant;
    IF NOT FOUND THEN
        INSERT INTO zupa.receipts AS r (about, channel, tenant, level, at)
        VALUES (status.about, the_channel, the_tenant, status.level, at_time)
        ON CONFLICT (about, channel, tenant) DO UPDATE
            SET level = greatest(r.level, excluded.level);
    END IF;
END
$$;

-- Whether a delivery in this state was sent if a status of this level speaks of it, with the
-- id that its row knows or another one. What the platform has given up on was, if it arrived
-- all the same; that it had left before says nothing, and least of all of what an operator
-- has sent since.
CREATE FUNCTION zupa.was_sent(
    state text, receipt integer, is_known boolean, level integer, proves_sent boolean
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT proves_sent AND state <> 'cancelled'
        AND (level >= 4 OR state <> 'failed' AND NOT (receipt = 3 AND coalesce(is_known, false)))
$$;

-- Ends a delivery that the platform has given up on: one that was tried and is open. An
-- id that its row knows is of an attempt that was settled long ago.
CREATE FUNCTION zupa.give_up(
    about text, the_channel text, the_tenant text, the_turn uuid, the_ordinal integer,
    at_time bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    tried record;
BEGIN
    SELECT o.conversation, o.number, o.attempts INTO tried
    FROM zupa.turns t JOIN zupa.conversations c ON c.id = t.conversation
    JOIN zupa.outbox o ON o.conversation = t.conversation AND o.turn_id = t.id
    WHERE t.id = the_turn AND o.ordinal = the_ordinal AND c.channel = the_channel
      AND c.tenant = the_tenant AND o.open AND o.attempts > 0
      AND o.platform_id IS DISTINCT FROM about;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- What waits to be sent again may have left before. From now on its row knows this
    -- attempt, not one of an earlier life.
    UPDATE zupa.outbox o SET platform_id = give_up.about,
        state = CASE WHEN o.state IN ('queued', 'retry') THEN 'in_doubt' ELSE o.state END
    WHERE o.conversation = tried.conversation AND o.number = tried.number;
    PERFORM zupa.settle(ARRAY[ROW(tried.conversation, tried.number, tried.attempts, 'failed',
        false, NULL, 'invalid', NULL, 'the channel did not take it', 0)::zupa.settlement_item],
        at_time, 0);
END
$$;
