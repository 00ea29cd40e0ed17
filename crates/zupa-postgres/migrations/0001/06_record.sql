-- Stop 3, turn: the result of an effect.
--
-- Arrives: results, under the claims they were made.
-- Leaves: steps that later runs of the turn reuse.
-- If the process dies here: the step is there or not; without it the effect is
--   paid again, with it never.
CREATE FUNCTION zupa.record(items zupa.record_item[], at_time bigint) RETURNS boolean[]
LANGUAGE plpgsql AS $$
DECLARE
    answers boolean[];
BEGIN
    WITH fenced AS (
        SELECT i.*, c.id IS NOT NULL AS holds
        FROM unnest(items) WITH ORDINALITY AS i
        LEFT JOIN zupa.conversations c ON c.id = i.conversation AND c.epoch = i.epoch
            AND c.open_turn = i.turn AND c.holder IS NOT NULL
    ), written AS (
        INSERT INTO zupa.steps (turn_id, step_key, input, result, run, recorded_at)
        SELECT f.turn, f.key, f.input, f.result, f.run, at_time FROM fenced f WHERE f.holds
        ON CONFLICT (turn_id, step_key) DO UPDATE SET input = excluded.input,
            result = excluded.result, run = excluded.run, recorded_at = excluded.recorded_at)
    SELECT array_agg(f.holds ORDER BY f.ordinality) INTO answers FROM fenced f;
    RETURN answers;
END
$$;
