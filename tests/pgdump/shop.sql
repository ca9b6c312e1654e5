-- An object of each kind that pg_dump of PostgreSQL 15 knows, but for security
-- labels, for which no provider is packaged.
COMMENT ON DATABASE shop IS 'a comment of the database
--
-- PostgreSQL database dump complete
--
';
ALTER DATABASE shop SET statement_timeout = '1h';
ALTER ROLE app IN DATABASE shop SET work_mem = '8MB';
GRANT CONNECT ON DATABASE shop TO reader;

CREATE SCHEMA shop AUTHORIZATION app;
COMMENT ON SCHEMA shop IS 'what is sold';
GRANT USAGE ON SCHEMA shop TO reader;
CREATE SCHEMA tables;
CREATE SCHEMA "a/b%c.d";
CREATE SCHEMA ".hidden";

-- extensions, foreign data
CREATE EXTENSION hstore SCHEMA public;
CREATE EXTENSION file_fdw;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER other TYPE 't' VERSION '1' FOREIGN DATA WRAPPER nothing
	OPTIONS (host 'it''s "there"');
CREATE USER MAPPING FOR app SERVER other OPTIONS (user 'u', password 'p');
CREATE FOREIGN TABLE shop.passwd (name text, x text, uid text, gid text,
	gecos text, home text, shell text)
	SERVER files OPTIONS (filename '/nowhere', format 'text', delimiter ':');
COMMENT ON FOREIGN TABLE shop.passwd IS 'not read';

SET client_min_messages = warning;
-- types
CREATE TYPE shop.colour AS ENUM ('red', 'it''s', '\', 'a;b');
CREATE TYPE shop.pair AS (a int, b text COLLATE "C");
CREATE TYPE shop.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE shop.shell;
CREATE TYPE shop.base;
CREATE FUNCTION shop.base_in(cstring) RETURNS shop.base
	LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION shop.base_out(shop.base) RETURNS cstring
	LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE shop.base (INPUT = shop.base_in, OUTPUT = shop.base_out,
	LIKE = text);
CREATE DOMAIN shop.positive AS integer DEFAULT 1 NOT NULL
	CONSTRAINT over_zero CHECK (VALUE > 0);
COMMENT ON DOMAIN shop.positive IS 'more than nothing';
COMMENT ON CONSTRAINT over_zero ON DOMAIN shop.positive IS 'one at least';
CREATE COLLATION shop.german (provider = icu, locale = 'de-u-co-phonebk');
CREATE CONVERSION shop.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;

-- tables
CREATE TABLE shop.item (
	id bigint GENERATED ALWAYS AS IDENTITY (START 100) PRIMARY KEY,
	name text NOT NULL UNIQUE,
	colour shop.colour DEFAULT 'red',
	price numeric(12, 2) CHECK (price >= 0),
	doubled numeric GENERATED ALWAYS AS (price * 2) STORED,
	made timestamptz DEFAULT '2026-01-01 00:00:00+00',
	tags public.hstore, raw bytea, nothing int);
INSERT INTO shop.item (name, colour, price, tags, raw) VALUES
	('plain', 'it''s', 1.5, 'a=>1', '\x00ff5c2e0a'),
	(E'tab\there', '\', 2, NULL, NULL),
	(E'new\nline', NULL, 3, '', ''),
	(E'\\.', 'a;b', 4, NULL, '\x5c2e0a'),
	(E'\n\\.\n', 'red', 5, NULL, NULL),
	(E'\\N', 'red', NULL, NULL, NULL),
	(E'back\\slash\b\f\r\v', 'red', 6, NULL, NULL),
	('', 'red', 7, NULL, NULL),
	(E'--\n-- Name: item; Type: TABLE; Schema: shop; Owner: app\n--\n', 'red',
	 8, NULL, NULL),
	('COPY shop.item (id) FROM stdin;', 'red', 9, NULL, NULL),
	(E'--\n-- PostgreSQL database dump complete\n--\n', 'red', 10, NULL, NULL),
	('''; $$ $_$ /* -- "', 'red', 11, NULL, NULL),
	('grüße €uro 漢字', 'red', 12, NULL, NULL),
	('pg_dump: error: not one', 'red', 13, NULL, NULL);
CREATE TABLE shop.lines (line text);
INSERT INTO shop.lines VALUES ('pg_dump'), (''), ('-- x'), ('--'), (E'\\'),
	('\restrict x'), (';'), (NULL), ('\connect postgres');
INSERT INTO shop.lines SELECT repeat('x', n % 977) || n
	FROM generate_series(1, 3000) n;
CREATE TABLE shop.empty (a int, b int);
CREATE TABLE shop.no_columns ();
INSERT INTO shop.no_columns DEFAULT VALUES;
INSERT INTO shop.no_columns DEFAULT VALUES;
CREATE UNLOGGED TABLE shop.unlogged (a int) WITH (fillfactor = 70);
CREATE TABLE shop.parent (a int, note text DEFAULT 'p');
CREATE TABLE shop.child (c int) INHERITS (shop.parent);
ALTER TABLE shop.child ALTER a SET DEFAULT 7;
INSERT INTO shop.child VALUES (1, 'n', 2);
CREATE TABLE shop.typed OF shop.pair (PRIMARY KEY (a));
CREATE TABLE shop.log (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_2025 PARTITION OF shop.log
	FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.log_2026 PARTITION OF shop.log
	FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') TABLESPACE fast;
CREATE TABLE shop.log_rest PARTITION OF shop.log DEFAULT;
INSERT INTO shop.log SELECT date '2025-06-01' + n, 'day ' || n
	FROM generate_series(0, 600) n;
CREATE INDEX log_at ON shop.log (at);
CREATE TABLE shop.orders (id serial PRIMARY KEY,
	item bigint REFERENCES shop.item ON DELETE CASCADE,
	amount shop.positive, during tstzrange,
	CONSTRAINT apart EXCLUDE USING gist (during WITH &&))
	TABLESPACE "big; Tablespace: x";
INSERT INTO shop.orders (item, amount) SELECT 100 + n % 5, 1 + n % 9
	FROM generate_series(1, 500) n;
ALTER TABLE shop.orders ADD CONSTRAINT later CHECK (amount < 1000) NOT VALID;
ALTER TABLE shop.orders ALTER amount SET STATISTICS 500;
ALTER TABLE shop.orders CLUSTER ON orders_pkey;
ALTER TABLE shop.item REPLICA IDENTITY FULL;
CREATE TABLE shop.view_first (a int);
COMMENT ON TABLE shop.item IS E'a comment\n--\n-- Name: x; Type: TABLE; Schema: shop; Owner: app\n--\n';
COMMENT ON COLUMN shop.item.name IS 'with ; and '' and \ and $$';
COMMENT ON CONSTRAINT apart ON shop.orders IS 'no two at once';
GRANT SELECT, INSERT ON shop.item TO reader WITH GRANT OPTION;
GRANT UPDATE (price) ON shop.item TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- indexes, statistics, sequences
CREATE INDEX item_upper ON shop.item (upper(name) COLLATE "C" DESC NULLS LAST)
	INCLUDE (price) WHERE price > 1;
CREATE UNIQUE INDEX item_tail ON shop.item ((name || ';--')) TABLESPACE fast;
COMMENT ON INDEX shop.item_upper IS 'an index';
ALTER INDEX shop.item_upper ALTER COLUMN 1 SET STATISTICS 300;
CREATE STATISTICS shop.both ON name, price FROM shop.item;
COMMENT ON STATISTICS shop.both IS 'together';
CREATE SEQUENCE shop.count INCREMENT -2 MAXVALUE 1000 START 1000 CYCLE;
SELECT nextval('shop.count');
CREATE SEQUENCE shop.owned OWNED BY shop.lines.line;

-- functions
CREATE FUNCTION shop.body(a int, b text DEFAULT 'x;y', VARIADIC c int[] = '{}')
	RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = shop AS
$_$
BEGIN
	-- ; not the end
	EXECUTE $q$ SELECT '$_' $q$;
	EXECUTE 'COPY shop.item FROM stdin;';
	RETURN $$
--
-- Name: decoy; Type: TABLE; Schema: shop; Owner: app
--

COPY shop.item (id) FROM stdin;
1
\.

--
-- PostgreSQL database dump complete
--
$$;
END
$_$;
CREATE FUNCTION shop.atomic(a int) RETURNS int LANGUAGE sql
BEGIN ATOMIC
	SELECT 1;
	SELECT CASE WHEN a > 1 THEN 2 ELSE (SELECT count(*)::int FROM shop.item) END;
END;
CREATE PROCEDURE shop.doing(INOUT a int) LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO shop.empty VALUES (1, 2);
	SELECT 1 AS "end; begin";
END;
CREATE FUNCTION shop.quoted() RETURNS text LANGUAGE sql AS
	'SELECT ''$x$; '' || E''\''\\'' -- ';
CREATE FUNCTION shop.trig() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN RETURN NEW; END';
CREATE FUNCTION shop.event() RETURNS event_trigger LANGUAGE plpgsql AS
	'BEGIN END';
CREATE FUNCTION shop.add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE
	RETURN a + b;
CREATE AGGREGATE shop.total(int) (SFUNC = shop.add, STYPE = int,
	INITCOND = '0');
COMMENT ON AGGREGATE shop.total(int) IS 'all of it';
CREATE OPERATOR shop.@+ (LEFTARG = int, RIGHTARG = int,
	FUNCTION = shop.add);
COMMENT ON OPERATOR shop.@+ (int, int) IS 'adds';
CREATE OPERATOR FAMILY shop.fam USING btree;
CREATE OPERATOR CLASS shop.cls FOR TYPE int USING btree FAMILY shop.fam AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	FUNCTION 1 btint4cmp(int, int);
CREATE FUNCTION shop.to_int(shop.pair) RETURNS int LANGUAGE sql IMMUTABLE
	RETURN ($1).a;
CREATE CAST (shop.pair AS int) WITH FUNCTION shop.to_int(shop.pair);
COMMENT ON CAST (shop.pair AS int) IS 'the first';
CREATE FUNCTION shop.handler(internal) RETURNS table_am_handler
	LANGUAGE internal AS 'heap_tableam_handler';
CREATE ACCESS METHOD another TYPE TABLE HANDLER shop.handler;
CREATE TABLE shop.elsewhere (a int) USING another;
INSERT INTO shop.elsewhere VALUES (1);
CREATE FUNCTION shop.call_handler() RETURNS language_handler LANGUAGE c
	AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE LANGUAGE sqlish HANDLER shop.call_handler;
CREATE FUNCTION shop.from_sql(internal) RETURNS internal
	LANGUAGE internal IMMUTABLE AS 'array_unnest_support';
CREATE TRANSFORM FOR shop.pair LANGUAGE sqlish
	(FROM SQL WITH FUNCTION shop.from_sql(internal));

-- views, rules, triggers, policies
CREATE VIEW shop.cheap WITH (security_barrier) AS
	SELECT id, name, ';' || E'\n--\n-- Name: v; Type: VIEW; Schema: s; Owner: o\n--\n'
	AS note FROM shop.item WHERE price < 5 WITH LOCAL CHECK OPTION;
ALTER VIEW shop.cheap ALTER name SET DEFAULT 'v';
CREATE MATERIALIZED VIEW shop.summary AS
	SELECT item, count(*) AS n FROM shop.orders GROUP BY item;
CREATE UNIQUE INDEX summary_item ON shop.summary (item);
CREATE MATERIALIZED VIEW shop.unfilled AS SELECT 1 AS a WITH NO DATA;
CREATE VIEW shop.grouped AS
	SELECT id, name, price FROM shop.item GROUP BY id;
CREATE RULE quiet AS ON DELETE TO shop.view_first DO INSTEAD
	(INSERT INTO shop.empty VALUES (1, 1); DELETE FROM shop.empty;);
CREATE RULE "_RETURN" AS ON SELECT TO shop.view_first DO INSTEAD SELECT 1 AS a;
CREATE TRIGGER "touch; Type: x" BEFORE UPDATE OF price ON shop.item
	FOR EACH ROW WHEN (OLD.price IS DISTINCT FROM NEW.price)
	EXECUTE FUNCTION shop.trig();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON shop.orders
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.trig();
ALTER TABLE shop.orders DISABLE TRIGGER late;
COMMENT ON TRIGGER late ON shop.orders IS 'not now';
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP TABLE')
	EXECUTE FUNCTION shop.event();
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON shop.item FOR SELECT TO reader USING (price > 1);
COMMENT ON POLICY mine ON shop.item IS 'not the cheap';

SET client_min_messages = error;
-- text search, replication
CREATE TEXT SEARCH TEMPLATE shop.simple_t (LEXIZE = dsimple_lexize,
	INIT = dsimple_init);
CREATE TEXT SEARCH DICTIONARY shop.dict (TEMPLATE = shop.simple_t);
CREATE TEXT SEARCH PARSER shop.parser (START = prsd_start,
	GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH CONFIGURATION shop.config (PARSER = shop.parser);
ALTER TEXT SEARCH CONFIGURATION shop.config ADD MAPPING FOR word
	WITH shop.dict;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION "some" FOR TABLE shop.item (id, name), shop.orders
	WHERE (id > 1);
CREATE PUBLICATION whole FOR TABLES IN SCHEMA public, tables;
COMMENT ON PUBLICATION "some" IS 'not all';
CREATE SUBSCRIPTION from_there CONNECTION 'dbname=nowhere' PUBLICATION p
	WITH (connect = false, slot_name = NONE);

-- large objects: none, one part, several
SELECT lo_create(4000000001);
SELECT lo_from_bytea(20001, '\x00010203ff5c2e0a');
SELECT lo_from_bytea(20002, (SELECT string_agg(decode(md5(n::text), 'hex'), '')
	FROM generate_series(1, 150000) n));
COMMENT ON LARGE OBJECT 20001 IS 'bytes';
GRANT SELECT ON LARGE OBJECT 20001 TO reader;
ALTER LARGE OBJECT 20002 OWNER TO app;

-- names that a path, a comment or a scanner may stumble over
CREATE TABLE "a/b%c.d"."x/../y" (a int);
CREATE TABLE "a/b%c.d".".." (a int);
CREATE TABLE "a/b%c.d"."t; Type: VIEW; Schema: z; Owner: q" (a int);
CREATE TABLE "a/b%c.d"."new
line" ("col
umn" int);
CREATE TABLE "a/b%c.d"."new line" (a int);
INSERT INTO "a/b%c.d"."new
line" VALUES (1);
INSERT INTO "a/b%c.d"."new line" VALUES (2);
CREATE TABLE "a/b%c.d"."quote""d 'x' $$" (a int);
CREATE TABLE "a/b%c.d"."FROM stdin;" (a int);
INSERT INTO "a/b%c.d"."FROM stdin;" VALUES (3);
CREATE TABLE "a/b%c.d"."x.copy" (a int);
CREATE TABLE "a/b%c.d"."x.rows" (a int);
CREATE TABLE "a/b%c.d".x (a int);
CREATE TABLE "a/b%c.d"."-- c" (a int);
CREATE TABLE "a/b%c.d"."/* c" (a int);
CREATE TABLE "a/b%c.d"."\." (a int);
CREATE TABLE ".hidden".".t" (a int);
CREATE TABLE tables.tables (a int);
CREATE FUNCTION "a/b%c.d"."f/g"("p/q" int) RETURNS int LANGUAGE sql
	RETURN "p/q";
CREATE FUNCTION tables.long(timestamp with time zone, timestamp with time zone,
	timestamp with time zone, timestamp with time zone,
	timestamp with time zone, timestamp with time zone,
	timestamp with time zone, timestamp with time zone,
	timestamp with time zone, timestamp with time zone) RETURNS int
	LANGUAGE sql RETURN 1;
