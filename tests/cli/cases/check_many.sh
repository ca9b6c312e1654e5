# What many snapshots share is told once for all of them, what is much is told
# in part, and --all and --json name all of it.
mkdir -p d/etc d/log
seq 1 9000 >d/etc/numbers
seq 5 >d/log/day
quietly varve init
for day in 1 2 3 4 5; do
	seq $day >>d/log/day
	quietly varve add -q -s web/one -t 2021-01-0$day d
	pack=$(ls -t store/packs/*/* | head -n 1)
done
quietly varve forget -q web/one@2021-01-02
# All files of another source, each by itself, and what they share with it.
mkdir e && cp d/etc/numbers e/numbers
for i in $(seq 10 34); do seq $i $((i + 50)) >e/$i; done
quietly varve add -q -s web/two -t 2021-01-03 e
cp -a store whole
# The packs of data: all of them are gone.
for pack in store/packs/*/*; do
	[ "$(od -An -tu1 -j10 -N1 "$pack" | tr -d ' ')" != 1 ] || rm "$pack"
done
# Into how many chunks a file is cut depends on the store's secret.
plain() { sed 's#packs/[0-9a-f]*/#packs/XX/#; s/[0-9]* objects/N objects/' "$@"; }
t varve check >out 2>err
plain out
tail -n 2 err | plain
varve check --all >all 2>/dev/null
varve check --json >json 2>/dev/null
grep ^web all | head -n 3
echo "$(grep -c ^web all) lines, $(grep -c '"damaged":"' json) of JSON"
tail -n 1 json | tr , '\n' | grep 'damaged_[^o]\|distinct'
grep -c '"fault"' json
# "only show what would be done, and what is lost whatever is done"
t varve repair -n 2>err | plain
tail -n 3 err
varve repair -n >would 2>/dev/null
varve repair >did 2>err
diff would did && tail -n 2 err
# Faults themselves: of each kind so many.
rm -rf store && cp -a whole store
for i in $(seq 23); do quietly varve tag -q web/two k$i=$i; done
rm $(grep -l '^type=tag' store/state/*) store/snapshots/*
varve check >out 2>err
sed 's/[0-9]\{20\}-[0-9a-f]\{16\}/EVENT/' out | uniq -c | sed 's/^ *//'
tail -n 2 err
varve check --all 2>/dev/null | grep -c 'state/.* is missing'
# What is not known before is foreseen where all is read; and a check that
# reads nothing counts the same as one that has read all.
rm -rf store && cp -a whole store
for pack in store/packs/*/*; do
	[ "$(od -An -tu1 -j10 -N1 "$pack" | tr -d ' ')" = 1 ] || continue
	chmod u+w "$pack"
	at=$(grep -abo VBLK "$pack" | head -n 1 | cut -d: -f1)
	printf damage | dd of="$pack" bs=1 seek=$((at + 100)) conv=notrunc \
		2>/dev/null
done
varve repair -n --read-data >would 2>/dev/null
echo "[$?]"
grep -l '^type=damage' store/state/*
varve check --read-data >read 2>read.err
varve check >known 2>known.err
diff read known
diff <(tail -n 2 read.err) <(tail -n 2 known.err) && tail -n 2 known.err | plain
varve repair --read-data >did 2>/dev/null
diff would did && echo "as foreseen"
