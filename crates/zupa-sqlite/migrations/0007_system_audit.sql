-- The audit of what is about no conversation.

-- Where chains end that have no conversation's row to keep that. Entries of the stream
-- `system` stand in `audit` under sixteen zero bytes.
CREATE TABLE audit_heads (
    stream TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    hash   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- An older binary would take a copy with such entries for a broken one.
UPDATE installation SET serves_from = 7;
