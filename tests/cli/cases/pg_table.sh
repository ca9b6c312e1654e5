# One table of plain dumps that are cut off.
quietly varve init
database() { # NAME ROWS
	cat <<-END
	\\connect $1

	--
	-- PostgreSQL database dump
	--

	SET standard_conforming_strings = on;

	--
	-- Name: item; Type: TABLE; Schema: public; Owner: me
	--

	CREATE TABLE public.item (
	    id integer
	);

	--
	-- Data for Name: item; Type: TABLE DATA; Schema: public; Owner: me
	--

	COPY public.item (id) FROM stdin;
	$(seq "$2")
	\\.

	--
	-- Name: item item_pkey; Type: CONSTRAINT; Schema: public; Owner: me
	--

	ALTER TABLE ONLY public.item
	    ADD CONSTRAINT item_pkey PRIMARY KEY (id);

	--
	-- PostgreSQL database dump complete
	--

	END
}
{
	printf -- '--\n-- PostgreSQL database cluster dump\n--\n\n'
	database a 3
	database b 5000
} >all.sql
printf -- '--\n-- PostgreSQL database cluster dump complete\n--\n' >>all.sql
quietly varve add -q -s whole -t 2021-01-01 all.sql
head -c 20000 all.sql >rows.sql
sed '/^\\connect b/,$ { /item_pkey; Type/,$ d }' all.sql >keys.sql
for cut in rows keys; do
	varve add -q -s $cut -t 2021-01-01 $cut.sql
	echo "[$?]"
	varve cat $cut@2021-01-01T00-00-00Z:toc.json 2>&1
	# "a table that is whole in it": its database has its mark
	varve pg table -d a $cut@2021-01-01T00-00-00Z item >one
	echo "[$?]"
	varve pg table -d a whole item | cmp - one
	t varve pg table -d b $cut@2021-01-01T00-00-00Z item
	t varve pg table -q -d b --incomplete $cut@2021-01-01T00-00-00Z item >one
	# the row in which it was cut is half a value
	grep -c '^[0-9]' one
	grep '^[0-9]' one | tail -n 1
	tail -n 2 one
	t varve pg table $cut@2021-01-01T00-00-00Z gone
done
# A dump that has its mark, of a command that failed: nobody knows of what.
varve add -q -s failed -t 2021-01-01 --command sh -c 'cat all.sql; exit 1'
t varve pg table -d a failed@2021-01-01T00-00-00Z item
# Damage on the way ends in the same: the end of psql's input alone would be
# committed by its -1.
{
	sed '/^1$/,$ d' all.sql
	head -c 900000 /dev/urandom | base64
	sed -n '/^\\\.$/,$ p' all.sql
} >large.sql
quietly varve add -q -s large -t 2021-01-01 large.sql
pack=$(find store/packs -type f -size +500k)
printf XXXX | dd of="$pack" bs=1 seek=500000 conv=notrunc status=none
varve pg table -d a large item 2>said >one
echo "[$?]"
tail -n 3 one
