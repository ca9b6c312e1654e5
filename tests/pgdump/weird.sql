-- A database in SQL_ASCII, with bytes that are no UTF-8, and old strings.
SET client_encoding = 'SQL_ASCII';
CREATE TABLE plain (a text, b bytea);
INSERT INTO plain VALUES (E'latin \xe9\xe8', '\xe9'), (E'\x01\x02', NULL);
CREATE TABLE "näme" (a int);
INSERT INTO "näme" VALUES (1);
COMMENT ON TABLE plain IS E'\xff\xfe';
SELECT lo_from_bytea(7, '\xdeadbeef');
ALTER DATABASE "we""ird 'db; Type: x/y" SET standard_conforming_strings = off;
CREATE FUNCTION old() RETURNS text LANGUAGE sql AS 'SELECT ''a\''';
CREATE VIEW v AS SELECT '\'::text AS a, 'x''y\\'::text AS b, $$\'$$::text AS c;
