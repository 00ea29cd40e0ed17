-- Idempotency keys; and large values that are kept packed.
--
-- Builds before this one could not read a state, a result or a wait that is packed: they
-- may not serve beside it, and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 5;

-- One row for each key of an operator's act: a try that is at it, or its answer.
CREATE TABLE zupa.idempotency_keys (
    key          bytea PRIMARY KEY,      -- SHA-256 of scope and key: the key itself is not kept
    request      bytea NOT NULL,         -- SHA-256 of what was asked for
    holder       uuid NOT NULL,          -- the try
    expires_at   bigint NOT NULL,        -- of the lease, or of the keeping
    status       integer,                -- NULL: a try is at it
    content_type text,
    body         bytea
);

CREATE INDEX idempotency_keys_expiry ON zupa.idempotency_keys (expires_at);
