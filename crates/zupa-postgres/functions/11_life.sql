-- The two ends of a process's life with the store, its signs of life, and what
-- is forgotten in between.

-- A process starts: it is on the list, and what the dead have left is looked
-- at. Claims of processes that said goodbye are void; of those that show no
-- sign of life, judged. Answers also the verdicts that need an entry in the
-- audit, see zupa.bury.
CREATE FUNCTION zupa.recover(process uuid, said bigint, expires bigint)
RETURNS json LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    at_time CONSTANT bigint := zupa.now();
    ahead CONSTANT bigint := at_time - said;
    unclean boolean;
    resumed bigint := 0;
    doubts bigint;
    verdicts json[] := '{}';
    what text;
    left_behind record;
BEGIN
    INSERT INTO zupa.processes AS p (id, started_at, heartbeat_at, expires_at)
    VALUES (process, at_time, at_time, expires + ahead)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = at_time, expires_at = excluded.expires_at,
        ended_at = NULL;
    WITH dead AS (
        UPDATE zupa.processes p SET mourned = true
        WHERE p.id <> process AND p.ended_at IS NULL AND p.expires_at <= at_time AND NOT p.mourned
        RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM dead) INTO unclean;
    DELETE FROM zupa.processes p
    WHERE p.id <> process AND coalesce(p.ended_at, p.expires_at) < at_time - 7 * 86400000000
      AND NOT EXISTS (SELECT 1 FROM zupa.conversations c WHERE c.due_at IS NOT NULL AND c.holder = p.id);
    IF NOT unclean AND (SELECT p.ended_at IS NOT NULL FROM zupa.processes p WHERE p.id <> process
                        ORDER BY coalesce(p.ended_at, p.expires_at) DESC LIMIT 1) THEN
        -- Whoever was last ended well: nobody is suspected of anything.
        UPDATE zupa.turns t SET mode = 0 FROM zupa.conversations c
        WHERE c.due_at IS NOT NULL AND t.id = c.open_turn AND t.mode > 0;
    END IF;
    FOR left_behind IN
        SELECT c.id, EXISTS (SELECT 1 FROM zupa.processes p
                             WHERE p.id = c.holder AND p.ended_at IS NULL) AS by_death
        FROM zupa.conversations c
        WHERE c.due_at IS NOT NULL AND c.holder IS NOT NULL AND c.open_turn IS NOT NULL
          AND c.holder <> process
          AND zupa.held_until(c.holder, c.expires_at, process, at_time) IS NULL
        ORDER BY c.id FOR UPDATE OF c SKIP LOCKED
    LOOP
        what := NULL;
        IF left_behind.by_death THEN
            what := zupa.judge(left_behind.id, at_time);
        ELSE
            UPDATE zupa.conversations c SET holder = NULL, due_at = least(c.due_at, at_time)
            WHERE c.id = left_behind.id;
        END IF;
        IF what IS NULL THEN
            resumed := resumed + 1;
        ELSE
            verdicts := verdicts || zupa.verdict(left_behind.id, what);
            resumed := resumed + (what = 'split')::integer;
        END IF;
    END LOOP;
    WITH lost AS (
        UPDATE zupa.outbox o SET state = 'in_doubt', not_before = at_time
        WHERE o.open AND o.state = 'sending' AND o.not_before <= at_time RETURNING 1)
    SELECT count(*) INTO doubts FROM lost;
    RETURN json_build_object('unclean', unclean, 'resumed', resumed, 'in_doubt', doubts,
        'verdicts', verdicts);
END
$$;

-- Those who are suspected of deaths, in the order of their claims.
CREATE FUNCTION zupa.suspects() RETURNS TABLE (conversation uuid, mode integer)
LANGUAGE sql STABLE AS $$
    SELECT c.id, t.mode FROM zupa.conversations c JOIN zupa.turns t ON t.id = c.open_turn
    WHERE c.due_at IS NOT NULL AND c.holder IS NULL AND t.mode > 0 ORDER BY t.claimed_at
$$;

-- A sign of life; one that comes after the goodbye changes nothing. Answers the oldest schema whose builds may serve this one.
CREATE FUNCTION zupa.heartbeat(process uuid, said bigint, expires bigint, refused bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    at_time CONSTANT bigint := zupa.now();
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO zupa.processes AS p (id, started_at, heartbeat_at, expires_at, stale)
    VALUES (process, at_time, at_time, expires + at_time - said, refused)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = at_time, expires_at = excluded.expires_at,
        mourned = false, stale = greatest(p.stale, excluded.stale);
    RETURN (SELECT i.serves_from FROM zupa.installation i);
END
$$;

CREATE FUNCTION zupa.goodbye(process uuid) RETURNS void LANGUAGE sql AS $$
    UPDATE zupa.processes p SET ended_at = zupa.now() WHERE p.id = process
$$;

-- Forgets what is old: dedupe keys and raw payloads; never of an open inbound. One process at a time; answers how many rows went.
CREATE FUNCTION zupa.purge(keys_before bigint, raw_before bigint, bite bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    gone bigint := 0;
    went bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM 1 FROM zupa.jobs j WHERE j.name = 'purge' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    DELETE FROM zupa.processed_events e WHERE e.ctid = ANY (ARRAY(
        SELECT o.ctid FROM zupa.processed_events o
        WHERE o.accepted_at < keys_before AND NOT EXISTS (
            SELECT 1 FROM zupa.inbounds b WHERE b.event_id = o.event_id AND b.state = 'queued')
        ORDER BY o.accepted_at LIMIT bite));
    GET DIAGNOSTICS went = ROW_COUNT;
    gone := gone + went;
    UPDATE zupa.inbounds b SET raw = NULL WHERE b.ctid = ANY (ARRAY(
        SELECT o.ctid FROM zupa.inbounds o
        WHERE o.accepted_at < raw_before AND o.raw IS NOT NULL AND o.state <> 'queued'
        ORDER BY o.accepted_at LIMIT bite));
    GET DIAGNOSTICS went = ROW_COUNT;
    RETURN gone + went;
END
$$;

-- Forgets news whose message has not come. One process at a time; answers how many went.
CREATE FUNCTION zupa.forget_news(before bigint, bite bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    gone bigint := 0;
    went bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM 1 FROM zupa.jobs j WHERE j.name = 'purge' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    DELETE FROM zupa.receipts r WHERE r.ctid = ANY (ARRAY(
        SELECT o.ctid FROM zupa.receipts o WHERE o.at < before LIMIT bite));
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM zupa.early_news n WHERE n.ctid = ANY (ARRAY(
        SELECT o.ctid FROM zupa.early_news o WHERE o.at < before LIMIT bite));
    GET DIAGNOSTICS went = ROW_COUNT;
    RETURN gone + went;
END
$$;
