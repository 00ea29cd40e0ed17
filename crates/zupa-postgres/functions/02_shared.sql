-- What several stops need: the time, the locks, the hints, and what a hold means.

-- The one clock of all processes. Leases, windows and retries are in its time;
-- callers' times are moved by the difference to it.
CREATE FUNCTION zupa.now() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- Whether a process still shows signs of life. One that said goodbye does not.
CREATE FUNCTION zupa.lives(process uuid, at_time bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM zupa.processes p
                   WHERE p.id = process AND p.ended_at IS NULL AND p.expires_at > at_time)
$$;

-- Takes the rows of all conversations of a batch, in the order of their ids, so
-- that no two batches wait for each other in a circle. Those that are only to be
-- claimed are not waited for, see zupa.claim. Answers whether there were new
-- names.
--
-- Names that nobody knows are taken first, in their own order: whoever brings
-- the same new name at the same time waits here, and then finds it known. So are
-- the platform's ids that one call may learn while another one asks for them, and the
-- messages that one call may accept while another one brings an edit of them: those by
-- a few locks, which acceptances share. News of a message that is known, or comes with it,
-- needs none: it finds its message, and must stop nobody while it waits for a row.
CREATE FUNCTION zupa.lock(
    conversations uuid[], settlements zupa.settlement_item[], receipts zupa.receipt_item[],
    inbounds zupa.inbound_item[], names text[], channels text[], tenants text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    found uuid[] := conversations;
    inserted bigint := 0;
BEGIN
    IF cardinality(names) > 0 THEN
        INSERT INTO zupa.aliases (alias, channel, tenant)
        SELECT DISTINCT n.alias, n.channel, n.tenant
        FROM unnest(names, channels, tenants) AS n(alias, channel, tenant)
        WHERE NOT EXISTS (SELECT 1 FROM zupa.aliases k WHERE k.alias = n.alias
                          AND k.channel = n.channel AND k.tenant = n.tenant)
        ORDER BY n.alias, n.channel, n.tenant
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS inserted = ROW_COUNT;
        found := found || ARRAY(
            SELECT k.conversation FROM unnest(names, channels, tenants) AS n(alias, channel, tenant)
            JOIN zupa.aliases k USING (alias, channel, tenant) WHERE k.conversation IS NOT NULL);
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('zupa.platform_id'), p.id) FROM (
        SELECT DISTINCT hashtext(s.platform_id) AS id
        FROM (SELECT platform_id FROM unnest(settlements) WHERE platform_id IS NOT NULL
              UNION ALL SELECT about FROM unnest(receipts)) s ORDER BY id) p;
    PERFORM CASE WHEN p.is_news
                 THEN pg_advisory_xact_lock(hashtext('zupa.early_news'), p.id)
                 ELSE pg_advisory_xact_lock_shared(hashtext('zupa.early_news'), p.id) END
    FROM (SELECT s.id, bool_or(s.is_news) AS is_news
          FROM (SELECT hashtext(platform_id) & 63 AS id, false AS is_news
                FROM unnest(inbounds) WHERE scope = ''
                UNION ALL SELECT hashtext(r.about) & 63, true FROM unnest(receipts) AS r
                WHERE r.news IN ('edit', 'revoke')
                  AND NOT EXISTS (SELECT 1 FROM zupa.processed_events e
                                  WHERE e.platform_id = r.about AND e.scope = ''
                                    AND e.channel = r.channel AND e.tenant = r.tenant)
                  AND NOT EXISTS (SELECT 1 FROM unnest(inbounds) AS i
                                  WHERE i.platform_id = r.about AND i.scope = ''
                                    AND i.channel = r.channel AND i.tenant = r.tenant)) s
          GROUP BY s.id ORDER BY s.id) p;
    IF cardinality(receipts) > 0 THEN
        found := found || ARRAY(
            SELECT t.conversation FROM unnest(receipts) AS r
            JOIN zupa.turns t ON t.id = r.turn
            UNION ALL
            SELECT o.conversation FROM unnest(receipts) AS r
            JOIN zupa.outbox o ON o.platform_id = r.about
            UNION ALL
            SELECT b.conversation FROM unnest(receipts) AS r
            JOIN zupa.processed_events e ON e.platform_id = r.about AND e.scope = ''
                AND e.channel = r.channel AND e.tenant = r.tenant
            JOIN zupa.inbounds b ON b.event_id = e.event_id);
    END IF;
    IF cardinality(found) > 0 THEN
        PERFORM 1 FROM zupa.conversations c WHERE c.id = ANY (found) ORDER BY c.id FOR UPDATE;
    END IF;
    RETURN inserted > 0;
END
$$;

-- A hint for every process, see wakeup.rs: whoever makes a conversation due may be
-- one that runs no turns.
CREATE FUNCTION zupa.call(conv uuid) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('zupa', json_build_object(
        'from', '00000000-0000-0000-0000-000000000000', 'due', conv)::text)
$$;

-- Whether nothing of a turn may leave: a human has its conversation, or has answered
-- what the turn is about.
CREATE FUNCTION zupa.is_silenced(hold_kind text, silenced uuid, turn uuid) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT hold_kind IS NOT NULL OR coalesce(silenced = turn, false)
$$;

-- The rows of a turn that is silenced, as they are written.
CREATE FUNCTION zupa.held_back(items zupa.outbound_item[]) RETURNS zupa.outbound_item[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(ROW(o.lane, o.content, 'cancelled', false, NULL, o.aside)::zupa.outbound_item
                     ORDER BY o.ordinality)
    FROM unnest(items) WITH ORDINALITY AS o
$$;

-- The conversations of a batch that somebody else keeps locked, and the names that
-- lead to them; NULL: none. Takes nothing and waits for nobody.
CREATE FUNCTION zupa.stuck(
    conversations uuid[], names text[], channels text[], tenants text[]
) RETURNS json LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    wanted uuid[];
    free uuid[];
BEGIN
    wanted := conversations || ARRAY(
        SELECT k.conversation FROM unnest(names, channels, tenants) AS n(alias, channel, tenant)
        JOIN zupa.aliases k USING (alias, channel, tenant));
    free := ARRAY(SELECT c.id FROM zupa.conversations c WHERE c.id = ANY (wanted)
                  FOR UPDATE SKIP LOCKED);
    IF NOT EXISTS (SELECT 1 FROM zupa.conversations c
                   WHERE c.id = ANY (wanted) AND c.id <> ALL (free)) THEN
        RETURN NULL;
    END IF;
    RETURN json_build_object(
        'conversations', ARRAY(SELECT c.id FROM zupa.conversations c
                               WHERE c.id = ANY (wanted) AND c.id <> ALL (free)),
        'names', coalesce((
            SELECT json_agg(json_build_object('tenant', k.tenant, 'channel', k.channel,
                                              'alias', k.alias))
            FROM unnest(names, channels, tenants) AS n(alias, channel, tenant)
            JOIN zupa.aliases k USING (alias, channel, tenant)
            WHERE k.conversation <> ALL (free)), '[]'));
END
$$;
