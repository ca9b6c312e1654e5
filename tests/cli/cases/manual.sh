# "man pages must agree with the option table": each option of --help is in
# the page, no other, each command has a page, and mandoc finds no fault.
pages=$VARVE_BUILD/docs/man
[ -d "$pages" ] || skip "no manual pages were built"
varve --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' >commands
while read -r c; do
	page=$pages/varve-$c.1
	[ -s "$page" ] || { echo "no page: $c"; continue; }
	varve "$c" --help | grep -oE '^  (-.|  )[, ] --[a-z-]+' |
		grep -oE -- '--[a-z-]+' | sort >want
	sed -n '/^The options are/,/^\.El/s/^\.It .*Fl Fl \([a-z-]*\).*/--\1/p' \
		"$page" | sort >have
	diff want have >/dev/null || { echo "$c differs"; diff want have; }
	varve help "$c" | head -n 1 | grep -q "varve $c" || echo "$c: usage"
	grep -q "Xr varve-$c 1" "$MANUAL_SOURCE/varve.1" ||
		echo "varve.1 does not name $c"
done <commands
if command -v mandoc >/dev/null; then
	for page in "$pages"/*.1 "$MANUAL_SOURCE/varve.1"; do
		mandoc -T lint -W warning "$page"
	done
fi
# All of them can be read where they were built.
cmp "$MANUAL_SOURCE/varve.1" "$pages/varve.1"
wc -l <commands
