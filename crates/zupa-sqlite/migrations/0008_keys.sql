-- Idempotency keys; and large values that are kept packed.

-- One row for each key of an operator's act: a try that is at it, or its answer.
CREATE TABLE idempotency_keys (
    key          BLOB NOT NULL,      -- SHA-256 of scope and key: the key itself is not kept
    request      BLOB NOT NULL,      -- SHA-256 of what was asked for
    holder       BLOB NOT NULL,      -- the try
    expires_at   INTEGER NOT NULL,   -- of the lease, or of the keeping
    status       INTEGER,            -- NULL: a try is at it
    content_type TEXT,
    body         BLOB
) STRICT;

CREATE UNIQUE INDEX idempotency_keys_key ON idempotency_keys (key);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- An older binary could not read a state, a result or a wait that is packed.
UPDATE installation SET serves_from = 8;
