-- News that comes before its message, and news about the person.

-- Edits and revokes, until their message comes: the newest one of each message.
CREATE TABLE early_news (
    about   TEXT NOT NULL,          -- the platform's id of the message
    channel TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    content TEXT,                   -- of an edit; NULL: it was taken back
    said_at INTEGER,                -- when the person changed it, by the platform
    at      INTEGER NOT NULL,       -- when it came
    PRIMARY KEY (about, channel, tenant)
) STRICT, WITHOUT ROWID;

-- When the person made the edit that counts, by the platform.
ALTER TABLE inbounds ADD COLUMN edited_at INTEGER;

-- When the conversation was handed back last: what a human said before takes it from
-- nobody.
ALTER TABLE conversations ADD COLUMN handed_back_at INTEGER;
-- When the message was sent that named the address replies go to.
ALTER TABLE conversations ADD COLUMN alias_at INTEGER;
-- Addresses of the person lead to other conversations, too, and the audit says so.
ALTER TABLE conversations ADD COLUMN contested INTEGER NOT NULL DEFAULT 0;
-- The person wants to hear nothing that they have not asked for; and when they last said
-- what they want.
ALTER TABLE conversations ADD COLUMN opted_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN opted_at INTEGER;

-- An older binary would send what nobody wants to hear.
UPDATE installation SET serves_from = 12;
