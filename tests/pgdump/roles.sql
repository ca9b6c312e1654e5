-- Roles and tablespaces of the cluster that is dumped.  :places is where the
-- tablespaces may lie.
CREATE ROLE app LOGIN PASSWORD 'not a secret';
CREATE ROLE reader NOLOGIN;
CREATE ROLE "odd ""role"" PASSWORD 'x" LOGIN CONNECTION LIMIT 3
	VALID UNTIL '2031-01-01';
GRANT reader TO app WITH ADMIN OPTION;
ALTER ROLE app SET search_path TO shop, public;
ALTER ROLE app SET application_name TO 'a; \connect; -- Name: b';
COMMENT ON ROLE app IS 'the application';
\set fast :places '/fast'
\set big :places '/big; Type: x'
CREATE TABLESPACE fast OWNER app LOCATION :'fast';
CREATE TABLESPACE "big; Tablespace: x" LOCATION :'big';
ALTER TABLESPACE fast SET (random_page_cost = 1.5);
COMMENT ON TABLESPACE fast IS 'quick disks';
GRANT CREATE ON TABLESPACE fast TO app;
CREATE DATABASE shop OWNER app;
CREATE DATABASE "we""ird 'db; Type: x/y" ENCODING 'SQL_ASCII' TEMPLATE template0
	LC_COLLATE 'C' LC_CTYPE 'C' TABLESPACE fast;
CREATE DATABASE "restore.sql" TEMPLATE template0;
