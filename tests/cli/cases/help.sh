# "Help within 80 columns, an example last, then the manual page's name."
varve --help >all || echo "--help fails"
awk 'length > 80' all
commands=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' all)
for c in $commands; do
	varve "$c" --help >help 2>err || echo "$c --help fails"
	varve help "$c" | cmp - help
	[ -s err ] && echo "$c talks"
	awk -v c="$c" 'length > 80 { print c ": " $0 }' help
	[ "$(tail -n 1 help)" = "Manual page: varve-$c(1)" ] ||
		echo "$c: no manual page named last"
	tail -n 6 help | grep -q '^Examples\?:' || echo "$c: no example"
	head -n 1 help | grep -q "^usage: varve $c" || echo "$c: no usage"
done
echo "$commands" | tr '\n' ' '
echo
t varve --version
t varve help nosuch
t varve help chekc
t varve help pg audit | head -n 9
t varve help pg nosuch
t varve help ls SNAPSHOT
varve cat --help
