-- News about messages already known, or not known yet.
--
-- Arrives: statuses, edits and revokes, in any order, repeated at will.
-- Leaves: levels that only go up; changes to inbounds that no turn has.
-- If the process dies here: the platform tells again, or the level is lower
--   than it could be; no message depends on it.
CREATE FUNCTION zupa.receipt(items zupa.receipt_item[], at_time bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    item record;
    b record;
BEGIN
    FOR item IN SELECT * FROM unnest(items) LOOP
        IF item.news = 'status' THEN
            PERFORM zupa.status(item.about, item.channel, item.tenant, item.level,
                item.proves_sent, item.turn, item.ordinal, at_time);
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
            UPDATE zupa.inbounds n SET content = item.content
            WHERE n.conversation = b.conversation AND n.number = b.number;
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

-- A message that the platform has seen was sent, whatever we believed.
CREATE FUNCTION zupa.status(
    about text, the_channel text, the_tenant text, level integer, proves_sent boolean,
    the_turn uuid, ordinal integer, at_time bigint
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- Side messages come before the answer's rows, and not all in one piece.
    UPDATE zupa.outbox o SET receipt = greatest(o.receipt, status.level),
        platform_id = coalesce(o.platform_id, status.about),
        settled_at = coalesce(o.settled_at, at_time),
        state = CASE WHEN proves_sent AND o.state NOT IN ('failed', 'cancelled')
                     THEN 'sent' ELSE o.state END,
        reason = CASE WHEN NOT proves_sent OR o.state IN ('failed', 'cancelled')
                      THEN o.reason END,
        open = o.open AND NOT proves_sent
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
        settled_at = coalesce(o.settled_at, at_time),
        state = CASE WHEN proves_sent AND o.state NOT IN ('failed', 'cancelled')
                     THEN 'sent' ELSE o.state END,
        reason = CASE WHEN NOT proves_sent OR o.state IN ('failed', 'cancelled')
                      THEN o.reason END,
        open = o.open AND NOT proves_sent
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
