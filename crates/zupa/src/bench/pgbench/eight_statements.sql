-- One turn as eight statements. No two clients share a conversation.
\set turn :turn + 1
\set conversation :client_id * 16 + :turn % 16
\set number 2 * :turn
\set question_number :number - 1
BEGIN;
INSERT INTO dedupe VALUES ('bench-' || :client_id::text || '-' || :turn::text, :conversation) ON CONFLICT DO NOTHING;
INSERT INTO messages VALUES (:conversation, :question_number, :question);
INSERT INTO messages VALUES (:conversation, :number, :answer);
INSERT INTO checkpoints VALUES (:conversation, :turn, :state) ON CONFLICT (conversation) DO UPDATE SET turn = excluded.turn, state = excluded.state;
INSERT INTO audit VALUES (:conversation, :turn, 'turn.answered', '\x0000000000000000000000000000000000000000000000000000000000000001');
INSERT INTO outbox VALUES (:conversation, :number, :answer, 'sent');
COMMIT;
