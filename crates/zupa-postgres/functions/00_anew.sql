-- The functions of the path, as this build calls them. Not part of the history:
-- the newest migration, whichever it is, ends with these files in their order, and
-- leaves nothing of the functions and item types that were there before.
DO $$
DECLARE
    old record;
BEGIN
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

