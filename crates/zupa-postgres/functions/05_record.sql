-- Stop 3, turn: an effect that is about to start, or its result.
--
-- Arrives: intents and results, under the claims they were made, with what is to be
--   said at once.
-- Leaves: steps that later runs of the turn reuse, and their side messages.
-- If the process dies here: the step is there or not, with what it says; without
--   it the effect is paid again, with it never.
CREATE FUNCTION zupa.record(items zupa.record_item[], at_time bigint, ahead bigint)
RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
    answers boolean[] := '{}';
    plain boolean;
BEGIN
    SELECT count(*) = count(DISTINCT (i.turn, i.key)) AND NOT bool_or(cardinality(i.say) > 0)
    INTO plain FROM unnest(items) AS i;
    IF plain THEN
        RETURN zupa.record_plain(items, at_time);
    END IF;
    -- Something is said, or handed in again beside what follows it.
    FOR place IN 1 .. cardinality(items) LOOP
        answers := answers || zupa.record_one(items[place], at_time, ahead);
    END LOOP;
    RETURN answers;
END
$$;

-- Different steps that say nothing, all at once. What is already there, the same or
-- more, stays.
CREATE FUNCTION zupa.record_plain(items zupa.record_item[], at_time bigint)
RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
    answers boolean[];
BEGIN
    WITH fenced AS (
        SELECT i.*, c.id IS NOT NULL AS holds
        FROM unnest(items) WITH ORDINALITY AS i
        LEFT JOIN zupa.conversations c ON c.id = i.conversation AND c.epoch = i.epoch
            AND c.open_turn = i.turn AND c.holder IS NOT NULL
    ), written AS (
        INSERT INTO zupa.steps AS s
            (turn_id, step_key, ordinal, input, class, result, run, recorded_at)
        SELECT f.turn, f.key, f.ordinal, f.input, f.class, f.result, f.run, at_time
        FROM fenced f WHERE f.holds
        ON CONFLICT (turn_id, step_key) DO UPDATE SET ordinal = excluded.ordinal,
            input = excluded.input, class = excluded.class, result = excluded.result,
            run = excluded.run, recorded_at = excluded.recorded_at
        WHERE s.input <> excluded.input OR s.result IS NULL AND excluded.result IS NOT NULL)
    SELECT array_agg(f.holds ORDER BY f.ordinality) INTO answers FROM fenced f;
    RETURN answers;
END
$$;

-- One step, and what it says unless it was there before: at the end of the
-- conversation's line, and of what the turn has said so far.
CREATE FUNCTION zupa.record_one(item zupa.record_item, at_time bigint, ahead bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    lines CONSTANT integer := cardinality(item.say);
    line bigint;
    held boolean;
BEGIN
    SELECT c.last_number, zupa.is_silenced(c.hold_kind, c.silenced_turn, c.open_turn)
    INTO line, held FROM zupa.conversations c
    WHERE c.id = item.conversation AND c.epoch = item.epoch AND c.open_turn = item.turn
      AND c.holder IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO zupa.steps AS s
        (turn_id, step_key, ordinal, input, class, result, run, recorded_at)
    VALUES (item.turn, item.key, item.ordinal, item.input, item.class, item.result, item.run,
        at_time)
    ON CONFLICT (turn_id, step_key) DO UPDATE SET ordinal = excluded.ordinal,
        input = excluded.input, class = excluded.class, result = excluded.result,
        run = excluded.run, recorded_at = excluded.recorded_at
    WHERE s.input <> excluded.input OR s.result IS NULL AND excluded.result IS NOT NULL;
    IF NOT FOUND OR lines = 0 THEN
        RETURN true;
    END IF;
    INSERT INTO zupa.outbox (conversation, number, turn_id, ordinal, lane, content, state, open,
        aside, attempts, not_before, committed_at, settled_at, reason)
    SELECT item.conversation, line + o.ordinality, t.id, t.said + o.ordinality - 1, o.lane,
        o.content, o.state, o.open, o.aside, (o.state = 'sending')::integer, o.answer_by + ahead,
        at_time, CASE WHEN o.state IN ('sent', 'cancelled') THEN at_time END,
        CASE WHEN held THEN 'held' END
    FROM zupa.turns t CROSS JOIN LATERAL
        unnest(CASE WHEN held THEN zupa.held_back(item.say) ELSE item.say END) WITH ORDINALITY AS o
    WHERE t.id = item.turn;
    UPDATE zupa.turns t SET said = t.said + lines, first_said = coalesce(t.first_said, line + 1)
    WHERE t.id = item.turn;
    UPDATE zupa.conversations c SET last_number = line + lines WHERE c.id = item.conversation;
    RETURN true;
END
$$;
