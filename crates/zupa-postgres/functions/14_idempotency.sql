-- Idempotency keys: one row for each, a try that is at it or its answer.
--
-- Arrives: tries of acts, their answers.
-- Leaves: the first try's row, until its lease or its keeping is over.
-- If the process dies here: the transaction is there or not; a try that is left behind
--   ends with its lease.

-- Begins an act, or answers how its key stands; status is NULL while a try is at it.
-- The unique key decides, and whoever comes at the same time waits for it here; what is
-- over is as if it were not there.
CREATE FUNCTION zupa.begin_act(
    the_key bytea, the_request bytea, the_holder uuid, said bigint, lease_until bigint
) RETURNS TABLE (fresh boolean, same boolean, status integer, content_type text, body bytea)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    at_time CONSTANT bigint := zupa.now();
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO zupa.idempotency_keys AS k (key, request, holder, expires_at)
    VALUES (the_key, the_request, the_holder, lease_until + at_time - said)
    ON CONFLICT (key) DO UPDATE SET request = excluded.request, holder = excluded.holder,
        expires_at = excluded.expires_at, status = NULL, content_type = NULL, body = NULL
    WHERE k.expires_at <= at_time;
    IF FOUND THEN
        RETURN QUERY SELECT true, true, NULL::integer, NULL::text, NULL::bytea;
        RETURN;
    END IF;
    RETURN QUERY SELECT false, k.request = the_request, k.status, k.content_type, k.body
    FROM zupa.idempotency_keys k WHERE k.key = the_key;
END
$$;

-- Keeps an answer, if the try still has its key.
CREATE FUNCTION zupa.keep_answer(
    the_key bytea, the_holder uuid, said bigint, until bigint, flush boolean,
    the_status integer, the_type text, the_body bytea
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    UPDATE zupa.idempotency_keys k SET status = the_status, content_type = the_type,
        body = the_body, expires_at = until + zupa.now() - said
    WHERE k.key = the_key AND k.holder = the_holder;
    RETURN FOUND;
END
$$;

-- Frees the key of a try that failed.
CREATE FUNCTION zupa.free_key(the_key bytea, the_holder uuid) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    DELETE FROM zupa.idempotency_keys k
    WHERE k.key = the_key AND k.holder = the_holder AND k.status IS NULL
$$;

-- Forgets keys that are free by their time; answers how many.
CREATE FUNCTION zupa.forget_keys(bite bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    at_time CONSTANT bigint := zupa.now();
    gone bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM zupa.idempotency_keys k WHERE k.key = ANY (ARRAY(
        SELECT o.key FROM zupa.idempotency_keys o WHERE o.expires_at <= at_time
        ORDER BY o.expires_at LIMIT bite FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
