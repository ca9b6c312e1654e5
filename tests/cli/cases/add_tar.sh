tree d
archive d x.tar.gz
quietly varve init
t varve add x.tar.gz
t varve list
t varve add -s other x.tar.gz
t varve ls -ln x
t varve cat x:sub/two
gzip -dc x.tar.gz >x.tar
varve cat --original x >y.tar
cmp x.tar y.tar && echo same
# "With --stats it is said what was done": each name stands in the manual.
varve add --stats -s other x.tar.gz | grep -A9 '^chunks' >said
sed -E 's/[0-9]+/N/g' said
sed -E 's/\((N )?/, /g; s/[0-9]+//g; s/\)//g' said | tr ',' '\n' |
	sed 's/^ *//; s/ *$//' | while read -r name; do
	grep -qx "\.It Li $name\|\.Li $name\( .\)\?" "$MANUAL_SOURCE/add.mdoc" ||
		echo "not in the manual: '$name'"
done
