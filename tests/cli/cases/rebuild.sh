# "rebuild recovers as much as packs allow."
noise() { # SEED BYTES
	head -c "$2" /dev/zero | openssl enc -aes-128-ctr -K 0"$1" -iv 00 \
		2>/dev/null
}
mkdir -p d/many e
noise 1 300000 >d/noise
for i in $(seq 200); do noise "$i" 20000 >d/many/$i; done
noise 999 70000 >e/kept
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
quietly varve add -q -s b -t 2021-01-02 e
quietly varve pin -q b
mv store whole
type_of() { od -An -tu1 -j10 -N1 "$1" | tr -d ' '; }
data_pack() { # the largest
	for p in store/packs/*/*; do
		[ "$(type_of $p)" != 1 ] || stat -c '%s %n' $p
	done | sort -rn | head -n 1 | cut -d' ' -f2
}
for how in nothing no-catalog catalog-zeros catalog-flipped no-pack cut-pack \
	no-record repaired-record; do
	rm -rf store back && cp -a whole store
	pack=$(data_pack)
	record=$(grep -l '^source=a' store/snapshots/*)
	case $how in
	no-catalog) rm store/catalog.db* ;;
	catalog-zeros) head -c 20000 /dev/zero >store/catalog.db ;;
	catalog-flipped)
		printf damage | dd of=store/catalog.db bs=1 seek=9000 \
			conv=notrunc 2>/dev/null ;;
	no-pack) rm $pack ;;
	cut-pack)
		chmod u+w $pack
		truncate -s $(($(stat -c %s $pack) / 2)) $pack ;;
	no-record) rm "$record" ;;
	repaired-record)
		rm "$record"
		varve repair -q ;;
	esac
	echo "== $how"
	varve rebuild -q 2>err
	echo "[$?]"
	varve list --names
	varve verify -q b || echo "b is not whole"
	varve list --json b | grep -c '"pinned":true'
	varve check -q --all >checked 2>/dev/null
	echo "check [$?]"
	# What check does not name can be read.
	varve list --names a 2>/dev/null | while read -r s; do
		for f in noise many/1 many/7 many/50 many/93 many/120 many/180; do
			if grep -q "^$s:$f: its bytes" checked; then
				varve cat $s:$f >/dev/null 2>&1 &&
					echo "$f can be read"
			else
				varve cat $s:$f | cmp - d/$f
			fi
		done
	done
	case $how in
	cut-pack)
		n=$(grep -c ': its bytes' checked)
		[ $n -gt 20 ] && [ $n -lt 180 ] || echo "$n of 201 are lost" ;;
	esac
	quietly varve add -q -s a -t 2021-01-05 d
	varve check -q >/dev/null 2>&1
	echo "check [$?]"
	varve list --names | while read -r s; do varve verify -q $s; done
done
