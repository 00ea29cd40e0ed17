-- What one turn leaves, in the least that holds it. Made anew for each run.
DROP SCHEMA IF EXISTS zupa_bench CASCADE;
CREATE SCHEMA zupa_bench;
SET search_path = zupa_bench;

CREATE TABLE dedupe (id text PRIMARY KEY, conversation bigint NOT NULL);

CREATE TABLE messages (
    conversation bigint NOT NULL,
    number       bigint NOT NULL,
    body         text NOT NULL,
    PRIMARY KEY (conversation, number)
);

-- Room for the next version of a row beside it, and no time spent on packing it.
CREATE TABLE checkpoints (
    conversation bigint PRIMARY KEY,
    turn         bigint NOT NULL,
    state        text NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE checkpoints ALTER state SET STORAGE PLAIN;

CREATE TABLE audit (
    conversation bigint NOT NULL,
    number       bigint NOT NULL,
    action       text NOT NULL,
    hash         bytea NOT NULL,
    PRIMARY KEY (conversation, number)
);

CREATE TABLE outbox (
    conversation bigint NOT NULL,
    number       bigint NOT NULL,
    body         text NOT NULL,
    state        text NOT NULL,
    PRIMARY KEY (conversation, number)
);

-- The six writes of a turn, in one call.
CREATE FUNCTION turn(
    the_id text, the_conversation bigint, the_turn bigint, question text, answer text, the_state text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dedupe VALUES (the_id, the_conversation) ON CONFLICT DO NOTHING;
    INSERT INTO messages VALUES (the_conversation, 2 * the_turn - 1, question);
    INSERT INTO messages VALUES (the_conversation, 2 * the_turn, answer);
    INSERT INTO checkpoints AS c VALUES (the_conversation, the_turn, the_state)
    ON CONFLICT (conversation) DO UPDATE SET turn = excluded.turn, state = excluded.state;
    INSERT INTO audit VALUES (the_conversation, the_turn, 'turn.answered',
        '\x0000000000000000000000000000000000000000000000000000000000000001');
    INSERT INTO outbox VALUES (the_conversation, 2 * the_turn, answer, 'sent');
END
$$;
