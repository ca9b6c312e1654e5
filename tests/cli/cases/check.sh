tree d
head -c 300000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null >d/noise
touch -d '2021-01-02 03:04:05' d d/noise
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
t varve check -q
t varve check --read-data -q
t varve rebuild -q
t varve list --names
rm store/catalog.db*
t varve list --names
# A bit flipped in the largest pack: named, and status 4.
pack=$(find store/packs -type f -size +100k)
chmod u+w "$pack"
size=$(stat -c %s "$pack")
at=$((size / 2))
byte=$(od -An -tu1 -j $at -N 1 "$pack")
printf "\\$(printf %03o $((byte ^ 16)))" |
	dd of="$pack" bs=1 seek=$at conv=notrunc 2>/dev/null
varve check --read-data >out 2>err
echo "[$?] $([ -s out ] && echo faults are named)"
tail -n 2 err | head -n 1 | sed 's/[0-9]* object/N object/'
# It is told by path, remembered, and shown from then on.
grep ^a@ out
t varve list --json | grep -o '"damage":"[^"]*"'
varve status -q --source a >out
echo "[$?]"
sed 's/check, of [^,]*,/check, of TIME,/' out
varve cat a:file 2>err
echo "[$?]"
head -n 1 err
at=a@2021-01-01T00-00-00Z
varve cat $at:noise >/dev/null 2>err
echo "[$?]"
varve cat $at:file >/dev/null 2>err
echo "[$?]"
varve verify $at >/dev/null 2>err
echo "[$?]"
grep -c "'noise'\|noise" err
# Nothing is remembered twice, and also a check that reads no data tells of it.
events=$(grep -l '^type=damage' store/state/* | wc -l)
varve check >out 2>err
echo "[$?]"
grep ^a@ out
[ "$(grep -l '^type=damage' store/state/* | wc -l)" = "$events" ] && echo once
# The same data again heals, also what was shown as damaged.
t varve add -q -s a -t 2021-01-02 d
varve cat a:noise | cmp - d/noise && echo healed
varve list | sed 's/^.*  //'
t varve verify -q $at
# The pack is as it was: that is said as long as it lies there.
varve check --read-data >out 2>err
echo "[$?]"
grep -c ^a@ out
# What verify meets is remembered as well; what can be read again is not.
varve repair -q >/dev/null
quietly varve add -q --reread -s b -t 2021-01-03 d
pack=$(ls -S store/packs/*/* | head -n 1)
cp "$pack" good
chmod u+w "$pack"
printf damage | dd of="$pack" bs=1 seek=200000 conv=notrunc 2>/dev/null
varve verify b >/dev/null 2>&1
echo "[$?]"
varve list --json b | grep -c '"damage":"[^"]* a block.s payload is damaged'
cp good "$pack"
t varve check -q
varve list b | sed 's/^.*  //'
# A file that needs what is known to be damaged is read again, also where the
# snapshot it is compared with was not met with.
quietly varve add -q -s c -t 2021-01-04 d
touch d/more
quietly varve add -q -s c -t 2021-01-05 d
printf damage | dd of="$pack" bs=1 seek=200000 conv=notrunc 2>/dev/null
varve verify c@2021-01-05 >/dev/null 2>&1
varve list --names c@2021-01-04 >/dev/null 2>&1
quietly varve add -q -s c -t 2021-01-06 d
t varve verify -q c@2021-01-06
