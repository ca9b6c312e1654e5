# Whatever is damaged: repair makes the store sound, keeps what can be read,
# deletes nothing, and the same data again heals.
noise() { # SEED BYTES
	head -c "$2" /dev/zero | openssl enc -aes-128-ctr -K 0"$1" -iv 00 \
		2>/dev/null
}
mkdir -p d/many
noise 1 300000 >d/noise
noise 2 900000 >d/other
for i in $(seq 12); do noise "$i" 5000 >d/many/$i; done
settle
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
cp -a d d1
echo more >d/more
settle
quietly varve add -q -s a -t 2021-01-02 d
quietly varve pin -q a
mkdir e && noise 999 70000 >e/kept && quietly varve add -q -s b -t 2021-01-03 e
mv store whole
a1=a@2021-01-01T00-00-00Z a2=a@2021-01-02T00-00-00Z

type_of() { od -An -tu1 -j10 -N1 "$1" | tr -d ' '; }
pack_of() { # TYPE SOURCE: the largest its record names
	for p in $(sed -n 's/^pack=//p' $(grep -l "^source=$2" store/snapshots/*)); do
		p=store/packs/${p:0:2}/$p
		[ "$(type_of $p)" != $1 ] || stat -c '%s %n' $p
	done | sort -rn | head -n 1 | cut -d' ' -f2
}
flip() { # FILE AT
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	chmod u+w "$1"
	printf "\\$(printf %03o $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
harm() {
	data=$(pack_of 1 a) meta=$(pack_of 2 a)
	size=$(stat -c %s "$data")
	record=$(grep -l '^name=2021-01-01' store/snapshots/*)
	event=$(grep -l '^type=pin' store/state/*)
	case $1 in
	conf) flip store/varve.conf 40 ;;
	no-conf) rm store/varve.conf ;;
	record) flip "$record" 100 ;;
	no-record) rm "$record" ;;
	event) flip "$event" 30 ;;
	no-event) rm "$event" ;;
	header) flip "$data" 20 ;;
	index) flip "$data" $((size - 50)) ;;
	footer) flip "$data" $((size - 10)) ;;
	block) flip "$data" 2000 ;;
	last-block) flip "$data" $((size - 3000)) ;;
	meta) flip "$meta" 500 ;;
	meta-footer) flip "$meta" $(($(stat -c %s "$meta") - 1)) ;;
	cut) chmod u+w "$data"; truncate -s $((size / 2)) "$data" ;;
	no-data) rm "$data" ;;
	no-meta) rm "$meta" ;;
	directory) rm "$data"; mkdir "$data" ;;
	stray) echo what >store/packs/notes ;;
	several) flip "$data" 2000; rm "$meta" "$record"; rm store/varve.conf ;;
	esac
}
# What is whole restores to what was added; what is not is told by check, and
# the rest of it can be read.
sound() { # WHEN
	rm -rf b && varve restore -q --no-sync b b && diff -r e b ||
		echo "$1: b is not whole"
	varve check --read-data --all >checked 2>&1
	status=$?
	grep -v ": snapshot\|^snapshot\|^a@\|^varve\|^hint\|^Checked\|no snapshot needs\|^No err" checked
	for s in $a1 $a2; do
		(cd d && find . -type f | sed 's/^..//' | sort) | while read -r f; do
			[ $s = $a1 ] && [ $f = more ] && continue
			if varve cat $s:$f 2>/dev/null >back; then
				cmp -s d/$f back || echo "$1: WRONG bytes in $f"
				! grep -q "^$s:$f: its bytes" checked ||
					echo "$1: $s:$f is told as damaged"
			elif ! grep -q "^$s:$f: \|^$s:: every\|^$s:${f%/*}: every" checked; then
				echo "$1: $s:$f is not told"
			fi
		done
	done
	return $status
}
for how in conf no-conf record no-record event no-event header index footer \
	block last-block meta meta-footer cut no-data no-meta directory stray \
	several; do
	rm -rf store && cp -a whole store
	harm $how
	before=$(find store/packs store/quarantine -type f 2>/dev/null | wc -l)
	echo "== $how"
	varve check --read-data >/dev/null 2>&1 && echo "not found"
	cp -a store untouched
	varve repair -n --all >would 2>/dev/null
	foreseen=$?
	diff -r -x 'catalog.db-*' -x open -x prune untouched store >log ||
		cat log
	rm -rf untouched
	varve repair --all >did 2>err
	status=$?
	echo "[$status]"
	# "only show what would be done, and what is lost whatever is done"
	[ $foreseen = $status ] || echo "[$foreseen] was foreseen"
	sed -E 's#packs/[0-9a-f]{2}/#packs/XX/#; s/[0-9]+ of .*objects/N of M objects/
		s/; [0-9]+ that/; N that/; s/[0-9]{20}-[0-9a-f]{16}/EVENT/' did | grep -v ^a@
	diff would did || echo "not what was foreseen"
	[ ! -d store/quarantine ] || ls store/quarantine |
		sed -E 's/[0-9a-f]{32}/HEX/; s/[0-9]{20}-[0-9a-f]{16}/EVENT/'
	sound $how
	case $? in
	0) echo "whole" ;;
	*) echo "$(varve list --json | grep -c '"damage":"') are damaged" ;;
	esac
	echo "$(varve list --json a | grep -c '"pinned":true') is pinned"
	varve repair -q >out 2>&1
	echo "again: [$?]"
	quietly varve add -q -s a -t 2021-01-05 d1
	quietly varve add -q -s a -t 2021-01-06 d
	varve check --read-data -q && varve verify -q $a1 $a2 a && echo healed
	quietly varve rebuild -q
	varve verify -q $a1 $a2 a && echo "healed, rebuilt"
done 2>&1 | sed -E "s/object [0-9a-f]{40,}/object ID/"
# Nobody adds meanwhile.
rm -rf store && cp -a whole store
mkfifo pipe
tar -cf tar d
varve add -q -s slow - <pipe 2>/dev/null &
exec 7>pipe
head -c 700000 tar >&7
for i in $(seq 100); do
	grep -lq ^adding= store/open/* 2>/dev/null && break
	sleep 0.1
done
varve repair 2>err
echo "[$?]"
sed 's/process [0-9]* on .*/process N on HOST/' err
exec 7>&-
wait
t varve repair
t varve repair --read-data
t varve repair --json
