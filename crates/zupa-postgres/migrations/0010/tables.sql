-- News that comes before its message, and news about the person.
--
-- Builds before this one would send what nobody wants to hear, and their statements are
-- prepared with item types that this migration makes anew: they may not serve beside it,
-- and end with their next sign of life.

SELECT pg_advisory_xact_lock(hashtext('zupa.migrations'));

UPDATE zupa.installation SET serves_from = 10;

-- Edits and revokes, until their message comes: the newest one of each message.
CREATE TABLE zupa.early_news (
    about   text NOT NULL,                       -- the platform's id of the message
    channel text NOT NULL,
    tenant  text NOT NULL,
    content text,                                -- of an edit; NULL: it was taken back
    said_at bigint,                              -- when the person changed it, by the platform
    at      bigint NOT NULL,                     -- when it came
    PRIMARY KEY (about, channel, tenant)
);

ALTER TABLE zupa.inbounds
    ADD COLUMN edited_at bigint;                 -- of the edit that counts, by the platform

ALTER TABLE zupa.conversations
    ADD COLUMN handed_back_at bigint,            -- last
    ADD COLUMN alias_at bigint,                  -- of the message that named the alias
    ADD COLUMN contested boolean NOT NULL DEFAULT false,  -- the audit says: addresses of the
                                                 -- person lead to other conversations, too
    ADD COLUMN opted_out boolean NOT NULL DEFAULT false,  -- of what nobody asked for
    ADD COLUMN opted_at bigint;                  -- when the person last said so, or not
