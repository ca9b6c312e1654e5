-- A database with entries of every kind that an archive has, and names and rows
-- that are hard to print.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
DROP ROLE IF EXISTS "select", "Odd ""one""", plain_role;
CREATE ROLE "select";
CREATE ROLE "Odd ""one""";
CREATE ROLE plain_role;
COMMENT ON DATABASE :"db" IS 'of the database itself';
ALTER DATABASE :"db" SET work_mem = '5MB';

CREATE SCHEMA app AUTHORIZATION plain_role;
GRANT ALL ON SCHEMA app TO "Odd ""one""", plain_role;
CREATE SCHEMA "user";
CREATE SCHEMA "Two
lines";
COMMENT ON SCHEMA app IS E'it''s\nof two lines';

CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE app.pair AS (a integer, b text);
CREATE TYPE app.span AS RANGE (subtype = integer);
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE COLLATION app.german FROM "C";
CREATE SEQUENCE app.counter START 7;
SELECT setval('app.counter', 4711);

CREATE TABLE app.account (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL DEFAULT 'nobody',
	state app.mood,
	worth numeric(10, 2) CHECK (worth >= 0),
	made timestamptz DEFAULT now()
);
ALTER TABLE app.account OWNER TO "Odd ""one""";
COMMENT ON TABLE app.account IS 'whose';
COMMENT ON COLUMN app.account.name IS 'what';
INSERT INTO app.account (name, state, worth, made)
	SELECT 'n' || i, 'ok', i, '2020-01-01' FROM generate_series(1, 300) i;
CREATE TABLE "user"."order" (
	"when" date, "Column with ""quotes""" text, note text,
	account integer REFERENCES app.account
);
INSERT INTO "user"."order" VALUES
	('2020-02-29', E'tab\there', E'back\\slash\nline', 1),
	(NULL, '', '\.', 2), ('0044-03-15 BC', '\N', E'\\.\n', NULL),
	('2021-01-01', 'ünï', repeat('x', 70000), 3);
CREATE TABLE "Two
lines"."a
b; Type: TABLE" ("c
d" integer);
INSERT INTO "Two
lines"."a
b; Type: TABLE" VALUES (1), (2);
CREATE TABLE app.empty (nothing integer);
CREATE TABLE app.no_columns ();
INSERT INTO app.no_columns DEFAULT VALUES;
CREATE TABLE app.child (extra text) INHERITS (app.empty);
INSERT INTO app.child VALUES (1, 'inherits');
CREATE TABLE app.part (k integer, v text) PARTITION BY RANGE (k);
CREATE TABLE app.part_low PARTITION OF app.part FOR VALUES FROM (0) TO (10);
CREATE TABLE app.part_rest PARTITION OF app.part DEFAULT;
INSERT INTO app.part VALUES (1, 'low'), (100, 'rest');
CREATE UNLOGGED TABLE app.hasty (b bytea);
INSERT INTO app.hasty VALUES ('\x00ff5c2e0a');
CREATE TABLE app.noise AS
	SELECT i, md5(i::text) AS a, md5((i * 7)::text) AS b
	FROM generate_series(1, 5000) i;
CREATE INDEX noise_a ON app.noise (a) INCLUDE (b);
CREATE UNIQUE INDEX noise_i ON app.noise (i);
ALTER TABLE app.noise CLUSTER ON noise_i;
CREATE STATISTICS app.both ON a, b FROM app.noise;
COMMENT ON INDEX app.noise_a IS 'an index';

CREATE VIEW app.seen AS SELECT id, name FROM app.account;
ALTER VIEW app.seen OWNER TO plain_role;
CREATE MATERIALIZED VIEW app.kept AS SELECT count(*) AS n FROM app.noise;
CREATE FUNCTION app.twice(i integer, OUT o integer) LANGUAGE sql AS
	$$ SELECT i * 2 -- Name: x; Type: TABLE
$$;
ALTER FUNCTION app.twice OWNER TO plain_role;
CREATE FUNCTION app."Odd name"(text, VARIADIC integer[]) RETURNS void
	LANGUAGE plpgsql AS 'BEGIN
--
-- Name: fake; Type: TABLE; Schema: app; Owner: nobody
--

END';
CREATE PROCEDURE app.proceed(i integer) LANGUAGE plpgsql AS 'BEGIN END';
CREATE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer);
CREATE FUNCTION app.same(app.pair, app.pair) RETURNS boolean LANGUAGE sql
	IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = app.pair,
	RIGHTARG = app.pair);
CREATE OPERATOR FAMILY app.family USING hash;
CREATE OPERATOR CLASS app.class FOR TYPE app.mood USING hash
	FAMILY app.family AS FUNCTION 1 hashenum(anyenum);
CREATE FUNCTION app.mood_text(app.mood) RETURNS text LANGUAGE sql
	AS 'SELECT $1::text || ''!''';
CREATE CAST (app.mood AS text) WITH FUNCTION app.mood_text(app.mood);
CREATE CONVERSION app.convert FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY app.dictionary (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION app.config (COPY = simple);
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper;
CREATE USER MAPPING FOR plain_role SERVER elsewhere;
CREATE FOREIGN TABLE app.abroad (i integer) SERVER elsewhere;
CREATE FUNCTION app.trigger() RETURNS trigger LANGUAGE plpgsql
	AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER watch BEFORE UPDATE ON app.account
	FOR EACH ROW EXECUTE FUNCTION app.trigger();
COMMENT ON TRIGGER watch ON app.account IS 'a trigger';
CREATE RULE nothing AS ON DELETE TO app.empty DO INSTEAD NOTHING;
CREATE POLICY own ON app.account FOR SELECT TO plain_role
	USING (name = CURRENT_USER);
ALTER TABLE app.account ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION app.event() RETURNS event_trigger LANGUAGE plpgsql
	AS 'BEGIN END';
CREATE EVENT TRIGGER happens ON ddl_command_start
	EXECUTE FUNCTION app.event();
ALTER EVENT TRIGGER happens DISABLE;
COMMENT ON EVENT TRIGGER happens IS 'an event trigger';
CREATE PUBLICATION publish FOR TABLE app.noise WHERE (i > 5), app.part;
CREATE PUBLICATION publish_schema FOR TABLES IN SCHEMA app;
CREATE SUBSCRIPTION subscribe CONNECTION 'dbname=nowhere'
	PUBLICATION publish WITH (connect = false);

GRANT SELECT, UPDATE (name) ON app.account TO "select";
GRANT USAGE ON SCHEMA app TO PUBLIC;
REVOKE ALL ON FUNCTION app.twice FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.twice TO plain_role WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO plain_role;
GRANT USAGE ON FOREIGN SERVER elsewhere TO plain_role;

SELECT lo_create(4100000001);
SELECT lo_from_bytea(5001, '\x00010203');
SELECT lo_from_bytea(5002, decode(repeat('00ff', 24576), 'hex'));
SELECT lo_from_bytea(5003, decode(repeat('5c', 16384), 'hex'));
ALTER LARGE OBJECT 5002 OWNER TO "Odd ""one""";
GRANT SELECT ON LARGE OBJECT 5001 TO "select";
COMMENT ON LARGE OBJECT 5001 IS 'large';
