-- How fast a conversation may be sent to.

-- The burst that it is in, or was in last: the attempt that began it, and how many there
-- were; NULL: none. An older binary knows no pace, and may serve.
ALTER TABLE conversations ADD COLUMN paced_from INTEGER;
ALTER TABLE conversations ADD COLUMN paced INTEGER;
