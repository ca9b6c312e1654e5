# The hint of check says what helps against what was found, and it does help.
noise() { # SEED BYTES
	head -c "$2" /dev/zero | openssl enc -aes-128-ctr -K 0"$1" -iv 00 \
		2>/dev/null
}
mkdir d
noise 1 300000 >d/noise
noise 2 900000 >d/other
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
quietly varve pin -q a
mv store whole

type_of() { od -An -tu1 -j10 -N1 "$1" | tr -d ' '; }
pack_of() { # TYPE
	for p in store/packs/*/*; do
		[ "$(type_of $p)" != $1 ] || echo $p
	done | head -n 1
}
flip() { # FILE AT
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	chmod u+w "$1"
	printf "\\$(printf %03o $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
for how in conf record no-record event no-event header index stray block \
	meta no-data no-pack repaired added; do
	rm -rf store && cp -a whole store
	data=$(pack_of 1) meta=$(pack_of 2)
	size=$(stat -c %s "$data")
	case $how in
	conf) flip store/varve.conf 40 ;;
	record) flip store/snapshots/* 100 ;;
	no-record) rm store/snapshots/* ;;
	event) flip "$(grep -l '^type=pin' store/state/*)" 30 ;;
	no-event) rm "$(grep -l '^type=pin' store/state/*)" ;;
	header) flip "$data" 20 ;;
	index) flip "$data" $((size - 50)) ;;
	stray) echo what >store/packs/notes ;;
	block | repaired | added) flip "$data" 2000 ;;
	meta) flip "$meta" 500 ;;
	no-data) rm "$data" ;;
	no-pack) rm "$data" "$meta" ;;
	esac
	varve check -q --read-data >out 2>&1
	case $how in
	repaired) varve repair -q >out 2>&1 ;;
	added) quietly varve add -q -s a -t 2021-01-02 d ;;
	esac
	echo "== $how"
	varve check -q --read-data >out 2>said
	echo "[$?]"
	grep ^hint said
	# It is done as it is said.
	! grep -q 'same data again' said || quietly varve add -q -s a d
	! grep -q 'varve repair' said || varve repair -q >out 2>&1
	varve check -q --read-data && varve verify -q a && echo sound
done 2>&1
