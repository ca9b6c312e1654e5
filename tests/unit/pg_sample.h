/* pg_sample: dumps as pg_dump and pg_dumpall write them, made up, for tests. */
#ifndef VARVE_PG_SAMPLE_H
#define VARVE_PG_SAMPLE_H

#define PG_KEY "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890"

/* What pg_dump writes, with much that looks like something else. */
static const char pg_sample[] =
	"--\n-- PostgreSQL database dump\n--\n\n"
	"\\restrict " PG_KEY "\n\n"
	"-- Dumped from database version 15.18 (Debian)\n"
	"-- Dumped by pg_dump version 16.1\n\n"
	"-- Started on 2026-01-02 03:04:05 UTC\n\n"
	"SET statement_timeout = 0;\n"
	"SET client_encoding = 'UTF8';\n"
	"SET standard_conforming_strings = on;\n"
	"SELECT pg_catalog.set_config('search_path', '', false);\n\n"
	"--\n-- TOC entry 6 (class 2615 OID 16386)\n"
	"-- Name: s; Type: SCHEMA; Schema: -; Owner: bob\n--\n\n"
	"CREATE SCHEMA s;\n\n\nALTER SCHEMA s OWNER TO bob;\n\n"
	"--\n-- Name: f(integer); Type: FUNCTION; Schema: s; Owner: -\n--\n\n"
	"CREATE FUNCTION s.f(integer) RETURNS text\n    LANGUAGE sql\n"
	"    AS $_$\n--\n-- Name: no; Type: TABLE; Schema: s; Owner: -\n--\n\n"
	"COPY s.no FROM stdin;\n$_ $$\n\\.\n$_$;\n\n\n"
	"--\n-- Name: g(); Type: FUNCTION; Schema: s; Owner: -\n--\n\n"
	"CREATE FUNCTION s.g() RETURNS int LANGUAGE sql\n    BEGIN ATOMIC\n"
	" SELECT CASE WHEN true THEN 1 ELSE 2 END;\n SELECT 2;\nEND;\n\n\n"
	"SET default_tablespace = '';\n\n"
	"SET default_table_access_method = heap;\n\n"
	"--\n-- Name: t; Type: TABLE; Schema: s; Owner: -; Tablespace: fast\n"
	"--\n\n"
	"CREATE TABLE s.t (\n    a integer DEFAULT ';'''::text,\n"
	"    \"b;\"\"--\" text /* ; /* ; */ ' */ -- ; '\n);\n\n\n"
	"--\n-- Name: TABLE t; Type: COMMENT; Schema: s; Owner: -\n--\n\n"
	"COMMENT ON TABLE s.t IS 'a\n--\n-- Name: x; Type: TABLE; Schema: s; "
	"Owner: -\n--\n\n';\n\n\n"
	"--\n-- TOC entry 3350 (class 0 OID 16398)\n-- Dependencies: 217 16\n"
	"-- Data for Name: t; Type: TABLE DATA; Schema: s; Owner: bob\n--\n\n"
	"COPY s.t (a, \"b;\"\"--\") FROM stdin;\n"
	"1\tx\n"
	"--\n-- Name: x; Type: TABLE; Schema: s; Owner: -\n--\n\n"
	"\\\\.\n\\N\n\\.x\n\\\n;'$$\n\n"
	"\\.\n\n\n"
	"--\n-- Data for Name: empty; Type: TABLE DATA; Schema: s; Owner: -\n"
	"--\n\nCOPY s.empty (a) FROM stdin;\n\\.\n\n\n"
	"--\n-- Data for Name: rows; Type: TABLE DATA; Schema: s; Owner: -\n"
	"--\n\nINSERT INTO s.rows VALUES (1, 'a;');\n"
	"INSERT INTO s.rows VALUES (2, E'\\';');\n\n\n"
	"--\n-- Data for Name: none; Type: TABLE DATA; Schema: s; Owner: -\n"
	"--\n\n\n\n"
	"--\n-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -\n--\n\n"
	"BEGIN;\n\n"
	"SELECT pg_catalog.lo_open('16396', 131072);\n"
	"SELECT pg_catalog.lowrite(0, '\\x00010aFF');\n"
	"SELECT pg_catalog.lowrite(0, '\\x02');\n"
	"SELECT pg_catalog.lo_close(0);\n\n"
	"SELECT pg_catalog.lo_open('4000000001', 131072);\n"
	"SELECT pg_catalog.lo_close(0);\n\n"
	"COMMIT;\n\n"
	"--\n-- Name: t t_pkey; Type: CONSTRAINT; Schema: s; Owner: -\n--\n\n"
	"ALTER TABLE ONLY s.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (a);\n\n\n"
	"--\n-- Name: w; Type: NEW KIND; Schema: -; Owner: -\n--\n\n"
	"CREATE WIDGET w;\n\n\n"
	"-- Completed on 2026-01-02 03:04:06 UTC\n\n"
	"--\n-- PostgreSQL database dump complete\n--\n\n"
	"\\unrestrict " PG_KEY "\n\n";

#define DUMP(head, body)                                                \
	"--\n-- PostgreSQL database dump\n--\n\n" head                   \
	"SET client_encoding = 'LATIN1';\n\n" body                       \
	"--\n-- PostgreSQL database dump complete\n--\n\n"
#define ENTRY(name, type)                                               \
	"--\n-- Name: " name "; Type: " type "; Schema: -; Owner: -\n--\n\n"

static const char pg_cluster[] =
	"--\n-- PostgreSQL database cluster dump\n--\n\n"
	"SET client_encoding = 'UTF8';\n\n"
	"--\n-- Roles\n--\n\n"
	"CREATE ROLE \"a PASSWORD 'x'\";\n"
	"ALTER ROLE \"a PASSWORD 'x'\" WITH LOGIN;\n\n"
	"--\n-- Databases\n--\n\n"
	"--\n-- Database \"template1\" dump\n--\n\n"
	"\\connect template1\n\n" DUMP("", "")
	"--\n-- Database \"a \"/b\" dump\n--\n\n"
	DUMP("", ENTRY("a \"/b", "DATABASE") "CREATE DATABASE \"a \"\"/b\";\n\n"
	     "\\connect -reuse-previous=on \"dbname='a \"\"/b'\"\n\n"
	     ENTRY("DATABASE a \"/b", "COMMENT") "COMMENT ON DATABASE x;\n\n"
	     ENTRY("e", "EXTENSION") "CREATE EXTENSION e;\n\n"
	     ENTRY("DATABASE a \"/b", "ACL") "GRANT x;\n\n")
	"--\n-- PostgreSQL database cluster dump complete\n--\n\n";

#endif
