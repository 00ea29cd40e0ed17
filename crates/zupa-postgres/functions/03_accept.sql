-- Stop 1, accept.
--
-- Arrives: inbounds with fresh event ids and fresh conversation ids, their
--   aliases and conversations locked.
-- Leaves: ledger row, aliases, conversation and inbound of a first sighting; a
--   count for a duplicate.
-- If the process dies here: the transaction is there or not; the channel was
--   not told, so it delivers again and the ledger decides.

-- Answers what became of each item, and its conversation if it is queued.
CREATE FUNCTION zupa.accept(
    items zupa.inbound_item[], at_time bigint, ahead bigint,
    OUT answers json[], OUT queued uuid[]
) LANGUAGE plpgsql AS $$
DECLARE
    first_sightings uuid[];
    news zupa.early_item[];
    item record;
BEGIN
    -- The unique key decides, in one statement.
    WITH first AS (
        INSERT INTO zupa.processed_events
            (platform_id, scope, channel, tenant, event_id, digest, accepted_at)
        SELECT i.platform_id, i.scope, i.channel, i.tenant, i.event, i.digest, at_time
        FROM unnest(items) WITH ORDINALITY AS i ORDER BY i.ordinality
        ON CONFLICT DO NOTHING RETURNING event_id)
    SELECT coalesce(array_agg(event_id), '{}') INTO first_sightings FROM first;
    -- What came before its message. News names no scope.
    WITH come AS (
        DELETE FROM zupa.early_news n USING unnest(items) AS i
        WHERE n.about = i.platform_id AND n.channel = i.channel AND n.tenant = i.tenant
          AND i.scope = '' AND i.event = ANY (first_sightings)
        RETURNING i.event, n.content, n.said_at)
    SELECT array_agg(ROW(c.event, c.content, c.said_at)::zupa.early_item) INTO news FROM come c;
    -- Names that are new, or bring new ones along.
    FOR item IN
        SELECT i.* FROM unnest(items) WITH ORDINALITY AS i
        JOIN zupa.aliases k USING (alias, channel, tenant)
        WHERE i.event = ANY (first_sightings)
          AND (k.conversation IS NULL OR cardinality(i.also) > 0)
        ORDER BY i.ordinality
    LOOP
        PERFORM zupa.note_contest(
            zupa.conversation_of(item.conversation, item.tenant, item.channel, item.alias,
                item.also, at_time),
            item.tenant, item.channel, item.also, at_time - ahead);
    END LOOP;
    answers := array_fill(NULL::json, ARRAY[cardinality(items)]);
    queued := array_fill(NULL::uuid, ARRAY[cardinality(items)]);
    FOR item IN SELECT * FROM zupa.enqueue(items, first_sightings, news, at_time, ahead) LOOP
        IF item.ended IS NOT NULL THEN
            answers[item.place] := json_build_object('was', item.ended, 'conversation', item.conv,
                'number', item.number);
        ELSE
            queued[item.place] := item.conv;
            answers[item.place] := json_build_object('was', 'queued', 'conversation', item.conv,
                'number', item.number, 'due_at', item.due - ahead);
        END IF;
    END LOOP;
    IF cardinality(first_sightings) < cardinality(items) THEN
        FOR item IN
            SELECT i.* FROM unnest(items) WITH ORDINALITY AS i
            WHERE i.event <> ALL (first_sightings) ORDER BY i.ordinality
        LOOP
            answers[item.ordinality] := zupa.duplicate(item.tenant, item.channel, item.alias,
                item.also, item.platform_id, item.scope, item.digest);
        END LOOP;
    END IF;
END
$$;

-- Gives inbounds their numbers, moves the burst windows, and writes the rows.
-- Inbounds that come while a turn is open gather for the next one and do not
-- touch its time, and those behind an internal one, which is due at once, do not
-- put it off. One that came too late, or was taken back before, has a number and has
-- ended.
CREATE FUNCTION zupa.enqueue(
    items zupa.inbound_item[], first_sightings uuid[], news zupa.early_item[], at_time bigint,
    ahead bigint
) RETURNS TABLE (place bigint, conv uuid, number bigint, due bigint, ended text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH numbered AS (
        SELECT i.*, c.id AS conv,
               CASE WHEN i.platform_time < i.expires_before + ahead THEN 'expired'
                    WHEN w.event IS NOT NULL AND w.content IS NULL THEN 'revoked' END AS ended,
               w.content AS edited, w.said_at,
               c.last_number + row_number() OVER (PARTITION BY c.id ORDER BY i.ordinality) AS number
        FROM unnest(items) WITH ORDINALITY AS i
        JOIN zupa.aliases k USING (alias, channel, tenant)
        JOIN zupa.conversations c ON c.id = k.conversation
        LEFT JOIN unnest(news) AS w ON w.event = i.event
        WHERE i.event = ANY (first_sightings)
    ), written AS (
        INSERT INTO zupa.inbounds (conversation, number, event_id, platform_id, platform_time,
            speaker, accepted_at, state, reason, content, edited_at, raw, request_id, trace_id)
        SELECT n.conv, n.number, n.event, n.platform_id, n.platform_time, n.speaker, at_time,
            CASE n.ended WHEN 'revoked' THEN 'silent' WHEN 'expired' THEN 'expired'
                         ELSE 'queued' END,
            CASE n.ended WHEN 'revoked' THEN 'revoked' END,
            CASE WHEN n.ended IS NULL THEN coalesce(n.edited, n.content) ELSE n.content END,
            CASE WHEN n.ended IS NULL THEN n.said_at END, n.raw, n.request_id, n.trace_id
        FROM numbered n
    ), gathered AS (
        -- The last one's window is the conversation's.
        SELECT n.conv, count(*) AS numbers, count(*) FILTER (WHERE n.ended IS NULL)::integer AS queued,
               max(n.silence) AS silence, max(n.max_wait) AS max_wait, max(n.max_count) AS max_count,
               (array_agg(n.alias ORDER BY least(n.platform_time, at_time) DESC, n.ordinality DESC)
                FILTER (WHERE n.ended IS NULL))[1] AS alias,
               max(least(n.platform_time, at_time)) FILTER (WHERE n.ended IS NULL) AS alias_at,
               max(least(n.platform_time, at_time)) AS heard_at
        FROM numbered n GROUP BY n.conv
    ), windows AS (
        SELECT g.conv, g.numbers, g.queued, g.alias, g.alias_at, g.heard_at,
               coalesce(c.opened_at, at_time) AS opened,
               CASE WHEN g.silence = 0 OR c.pending + g.queued >= g.max_count THEN at_time
                    ELSE least(at_time + g.silence, coalesce(c.opened_at, at_time) + g.max_wait)
               END AS closes
        FROM gathered g JOIN zupa.conversations c ON c.id = g.conv
    ), moved AS (
        UPDATE zupa.conversations c SET last_number = c.last_number + w.numbers,
            pending = c.pending + w.queued,
            opened_at = CASE WHEN w.queued > 0 THEN w.opened ELSE c.opened_at END,
            closes_at = CASE WHEN w.queued > 0 THEN w.closes ELSE c.closes_at END,
            due_at = CASE WHEN w.queued > 0 AND c.open_turn IS NULL AND c.internals = 0
                          THEN w.closes ELSE c.due_at END,
            -- Replies go where the newest message came from.
            alias = CASE WHEN w.alias_at >= coalesce(c.alias_at, w.alias_at) THEN w.alias
                         ELSE c.alias END,
            alias_at = greatest(c.alias_at, w.alias_at),
            heard_at = greatest(c.heard_at, w.heard_at)
        FROM windows w WHERE c.id = w.conv
        RETURNING c.id, coalesce(c.due_at, w.closes) AS due
    )
    SELECT n.ordinality, n.conv, n.number, m.due, n.ended
    FROM numbered n JOIN moved m ON m.id = n.conv;
END
$$;

-- Counts the duplicate on the first sighting and keeps newly revealed aliases;
-- another content under the same id changes nothing.
CREATE FUNCTION zupa.duplicate(
    the_tenant text, the_channel text, primary_alias text, also text[],
    the_platform_id text, the_scope text, the_digest bytea
) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    first_seen record;
    conv uuid;
BEGIN
    SELECT e.event_id, e.digest INTO STRICT first_seen FROM zupa.processed_events e
    WHERE e.platform_id = the_platform_id AND e.scope = the_scope
      AND e.channel = the_channel AND e.tenant = the_tenant;
    IF first_seen.digest <> the_digest THEN
        RETURN json_build_object('was', 'conflict', 'event', first_seen.event_id);
    END IF;
    UPDATE zupa.inbounds b SET duplicates = b.duplicates + 1
    WHERE b.event_id = first_seen.event_id RETURNING b.conversation INTO conv;
    IF conv IS NOT NULL THEN
        PERFORM zupa.know(conv, the_tenant, the_channel, primary_alias, also);
    END IF;
    RETURN json_build_object('was', 'duplicate', 'event', first_seen.event_id);
END
$$;

-- Lets those names of a conversation lead to it that lead nowhere yet. Names
-- that lead elsewhere stay as they are: nothing is merged.
CREATE FUNCTION zupa.know(
    conv uuid, the_tenant text, the_channel text, primary_alias text, also text[]
) RETURNS void LANGUAGE sql AS $$
    UPDATE zupa.aliases k SET conversation = conv
    WHERE k.alias = ANY (array_prepend(primary_alias, also)) AND k.channel = the_channel
      AND k.tenant = the_tenant AND k.conversation IS NULL
$$;

-- The conversation that an alias leads to, the primary one first; a new one if
-- none does.
CREATE FUNCTION zupa.conversation_of(
    fresh uuid, the_tenant text, the_channel text, primary_alias text, also text[], at_time bigint
) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    conv uuid;
BEGIN
    SELECT k.conversation INTO conv
    FROM zupa.aliases k
    WHERE k.alias = primary_alias AND k.channel = the_channel AND k.tenant = the_tenant;
    IF conv IS NULL AND cardinality(also) > 0 THEN
        SELECT k.conversation INTO conv
        FROM unnest(also) WITH ORDINALITY AS n(alias, place)
        JOIN zupa.aliases k ON k.alias = n.alias
            AND k.channel = the_channel AND k.tenant = the_tenant
        WHERE k.conversation IS NOT NULL ORDER BY n.place LIMIT 1;
    END IF;
    IF conv IS NULL THEN
        conv := fresh;
        INSERT INTO zupa.conversations (id, tenant, channel, alias, created_at)
        VALUES (fresh, the_tenant, the_channel, primary_alias, at_time);
        PERFORM zupa.know(conv, the_tenant, the_channel, primary_alias, also);
    ELSIF cardinality(also) > 0 THEN
        PERFORM zupa.know(conv, the_tenant, the_channel, primary_alias, also);
    END IF;
    RETURN conv;
END
$$;
