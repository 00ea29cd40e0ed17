-- The functions of the path, as this build calls them. Not part of the history:
-- the newest migration, whichever it is, ends with these files in their order, and
-- leaves nothing of the functions and item types that were there before.
DO $$
DECLARE
    old record;
BEGIN
    FOR old IN SELECT t.tgname AS name, t.tgrelid::regclass AS of FROM pg_catalog.pg_trigger t
               JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
               WHERE c.relnamespace = 'zupa'::regnamespace AND NOT t.tgisinternal LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', old.name, old.of);
    END LOOP;
    FOR old IN SELECT p.oid::regprocedure AS name FROM pg_catalog.pg_proc p
               WHERE p.pronamespace = 'zupa'::regnamespace AND p.prokind = 'f' LOOP
        EXECUTE 'DROP FUNCTION ' || old.name;
    END LOOP;
    -- Some are made of others, which are older.
    FOR old IN SELECT t.oid::regtype AS name FROM pg_catalog.pg_type t
               JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
               WHERE t.typnamespace = 'zupa'::regnamespace AND c.relkind = 'c'
               ORDER BY t.oid DESC LOOP
        EXECUTE 'DROP TYPE ' || old.name || ' CASCADE';
    END LOOP;
END
$$;

