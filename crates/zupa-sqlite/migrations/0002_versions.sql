-- Two versions of the binary on one file, and signs of life that others can
-- judge.

-- The oldest schema version whose binaries may still serve this schema. A
-- migration that an older binary could not live with raises it to its own
-- version in the same transaction.
ALTER TABLE installation ADD COLUMN serves_from INTEGER NOT NULL DEFAULT 1;
-- From when on the process may be taken for dead, as it said itself.
ALTER TABLE installation ADD COLUMN expires_at INTEGER;
-- Writes of the process that were refused because its claim was lost.
ALTER TABLE installation ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
