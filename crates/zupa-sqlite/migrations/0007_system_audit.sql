-- The audit of what is about no conversation.

-- Where chains end that have no conversation's row to keep that. Entries of the stream
-- `system` stand in `audit` under sixteen zero bytes.
CREATE TABLE audit_heads (
    stream TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    hash   BLOB NOT NULL
) STRICT, WITHOUT ROWID;
