-- News about a person.
--
-- Arrives: that a human wrote to them by hand, that they have another address, what they
--   want to hear; their addresses and their conversation locked.
-- Leaves: a hold, another address of the conversation, a wish, each with its entry in the
--   audit.
-- If the process dies here: the platform tells again.
CREATE FUNCTION zupa.news_of_person(item zupa.receipt_item, at_time bigint, said bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- No later than it came.
    happened CONSTANT bigint := least(item.said_at, at_time);
    also CONSTANT text[] := item.names[2:];
    conv uuid;
    c record;
BEGIN
    IF item.news = 'echo' AND EXISTS (
        SELECT 1 FROM zupa.outbox o JOIN zupa.conversations k ON k.id = o.conversation
        WHERE o.platform_id = item.about AND k.channel = item.channel AND k.tenant = item.tenant)
    THEN
        RETURN;
    END IF;
    conv := zupa.conversation_of(item.fresh, item.tenant, item.channel, item.names[1], also,
        at_time);
    PERFORM zupa.note_contest(conv, item.tenant, item.channel, also, said);
    SELECT k.hold_kind, k.handed_back_at, k.alias, k.alias_at, k.opted_out, k.opted_at INTO c
    FROM zupa.conversations k WHERE k.id = conv;
    IF item.news = 'echo' AND coalesce(happened > c.handed_back_at, true) THEN
        IF c.hold_kind IS NULL THEN
            PERFORM zupa.take(conv, 'human', 'human', happened,
                zupa.chained(conv, said, 'human', 'conversation.held'), at_time);
        ELSE
            UPDATE zupa.conversations k SET human_at = greatest(k.human_at, happened)
            WHERE k.id = conv;
        END IF;
    ELSIF item.news = 'moved' AND happened >= coalesce(c.alias_at, happened) THEN
        UPDATE zupa.conversations k SET alias = item.names[1], alias_at = happened
        WHERE k.id = conv;
        IF c.alias <> item.names[1] THEN
            PERFORM zupa.append_audit(conv, NULL,
                zupa.chained(conv, said, 'person', 'conversation.moved'));
        END IF;
    ELSIF item.news = 'wish' AND coalesce(happened > c.opted_at, true) THEN
        UPDATE zupa.conversations k SET opted_out = item.opts_out, opted_at = happened
        WHERE k.id = conv;
        IF c.opted_out <> item.opts_out THEN
            PERFORM zupa.append_audit(conv, NULL, zupa.chained(conv, said, 'person',
                CASE WHEN item.opts_out THEN 'conversation.opted_out'
                     ELSE 'conversation.opted_in' END));
        END IF;
    END IF;
END
$$;

-- Says once in the audit that addresses of one person lead to several conversations.
CREATE FUNCTION zupa.note_contest(
    conv uuid, the_tenant text, the_channel text, also text[], said bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(also) = 0 OR NOT EXISTS (
        SELECT 1 FROM zupa.aliases k
        WHERE k.alias = ANY (also) AND k.channel = the_channel AND k.tenant = the_tenant
          AND k.conversation <> conv)
    THEN
        RETURN;
    END IF;
    UPDATE zupa.conversations c SET contested = true WHERE c.id = conv AND NOT c.contested;
    IF FOUND THEN
        PERFORM zupa.append_audit(conv, NULL,
            zupa.chained(conv, said, 'runtime', 'conversation.contested'));
    END IF;
END
$$;

-- An entry of these words, bound behind the head of a conversation that is locked: as
-- AuditHead::append does it, whose JSON this is.
CREATE FUNCTION zupa.chained(conv uuid, said bigint, actor text, action text)
RETURNS zupa.audit_item[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY[ROW(e.number, said, actor, action, '', NULL, e.config, NULL, NULL,
        sha256(convert_to('["' || conv || '",' || e.number || ',"' || encode(e.before, 'hex')
            || '",{"at":' || said || ',"actor":"' || actor || '","action":"' || action
            || '","reason":"","turn":null,"config":"' || encode(e.config, 'hex')
            || '","commitment":null}]', 'UTF8')))::zupa.audit_item]
    FROM (SELECT c.audit_number + 1 AS number, c.audit_hash AS before,
                 decode(repeat('00', 32), 'hex') AS config
          FROM zupa.conversations c WHERE c.id = conv) e
$$;

-- Ends deliveries that would be sent, and that the person does not want to hear.
CREATE FUNCTION zupa.cancel_unwanted(items zupa.attempt_item[], at_time bigint) RETURNS void
LANGUAGE sql AS $$
    UPDATE zupa.outbox o SET state = 'cancelled', open = false, reason = 'opt_out',
        not_before = NULL, settled_at = at_time
    FROM unnest(items) AS i
    WHERE o.conversation = i.conversation AND o.number = i.number
      AND (o.lane = 'proactive' OR o.unasked)
      AND o.state IN ('queued', 'retry')
      -- Not a join, as for holds.
      AND (SELECT c.opted_out FROM zupa.conversations c WHERE c.id = i.conversation)
$$;
