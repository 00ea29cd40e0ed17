-- One batch, one transaction, one round trip.

-- Applies a batch in the order that the port promises: settlements, receipts,
-- records, ends, inbounds, attempts, claims, offers, renewals.
CREATE FUNCTION zupa.write(
    said bigint,              -- the caller's time
    flush boolean,            -- false: rides along with the next commit that is flushed
    patience text,            -- lock_timeout
    conversations uuid[],     -- of everything but inbounds, receipts and claims
    names text[], channels text[], tenants text[],  -- every alias of the inbounds
    settlements zupa.settlement_item[], receipts zupa.receipt_item[],
    records zupa.record_item[], finishes zupa.finish_item[], inbounds zupa.inbound_item[],
    attempts zupa.attempt_item[], claims zupa.claim_item[], renewals zupa.renewal_item[]
) RETURNS json LANGUAGE plpgsql
-- Plans are made when the tables are empty and are kept: they have to be right
-- for tables that have grown. Names are those of the server alone.
SET search_path = pg_catalog
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    at_time bigint;
    ahead bigint;
    new_names boolean;
    accepted record;
    answer_record boolean[];
    answer_finish json[];
    answer_accept json[];
    answer_attempt json[];
    answer_claim json[];
    answer_taken json[];
    answer_renew json[];
BEGIN
    IF NOT flush THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    PERFORM set_config('lock_timeout', patience, true);
    new_names := zupa.lock(conversations, settlements, receipts, inbounds, names, channels,
        tenants);
    -- After the wait for the locks: what was written meanwhile is not in the future.
    at_time := zupa.now();
    ahead := at_time - said;
    IF cardinality(settlements) > 0 THEN
        PERFORM zupa.settle(settlements, at_time, ahead);
    END IF;
    IF cardinality(receipts) > 0 THEN
        PERFORM zupa.receipt(receipts, at_time, said);
    END IF;
    IF cardinality(records) > 0 THEN
        answer_record := zupa.record(records, at_time, ahead);
    END IF;
    IF cardinality(finishes) > 0 THEN
        answer_finish := zupa.finish(finishes, at_time, ahead);
    END IF;
    IF cardinality(inbounds) > 0 THEN
        SELECT * INTO accepted FROM zupa.accept(inbounds, at_time, ahead);
        answer_accept := accepted.answers;
    END IF;
    IF new_names THEN
        -- What duplicates, conflicts and echoes of ours named leads nowhere.
        DELETE FROM zupa.aliases k
        USING unnest(names, channels, tenants) AS n(alias, channel, tenant)
        WHERE k.alias = n.alias AND k.channel = n.channel AND k.tenant = n.tenant
          AND k.conversation IS NULL;
    END IF;
    IF cardinality(attempts) > 0 THEN
        answer_attempt := zupa.attempt(attempts, at_time, ahead);
    END IF;
    IF cardinality(claims) > 0 THEN
        answer_claim := zupa.claim(claims, at_time, ahead);
    END IF;
    IF cardinality(inbounds) > 0 THEN
        answer_taken := zupa.take_up(inbounds, accepted.queued, at_time, ahead);
    END IF;
    IF cardinality(renewals) > 0 THEN
        answer_renew := zupa.renew(renewals, ahead);
    END IF;
    RETURN json_build_object('ahead', ahead, 'record', answer_record, 'finish', answer_finish,
        'accept', answer_accept, 'attempt', answer_attempt, 'claim', answer_claim,
        'taken', answer_taken, 'renew', answer_renew);
END
$$;
