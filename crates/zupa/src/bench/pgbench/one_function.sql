-- One turn as one call, which is one transaction. No two clients share a
-- conversation.
\set turn :turn + 1
\set conversation :client_id * 16 + :turn % 16
SELECT turn('bench-' || :client_id::text || '-' || :turn::text, :conversation, :turn, :question, :answer, :state);
