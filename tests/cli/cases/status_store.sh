# Damage that no snapshot suffers from is the store's: status and doctor tell of
# it until a check finds it gone.
plain() { sed -E 's/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/; s/, [0-9]+ s old/, N s old/'; }
tell() {
	varve status -q --source s >said
	echo "[$?]"
	plain <said
	varve status --json --source s >said
	echo "[$?]"
	grep last_check said | plain
	varve doctor 2>/dev/null | grep ' damage ' | plain
}
harm() { # FILE AT
	cp -p "$1" good
	chmod u+w "$1"
	printf damage | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
heal() { # FILE
	cp -p good "$1"
}
mkdir d
echo one >d/one
quietly varve init
quietly varve add -q -s s -t 2021-01-01 d
quietly varve pin s
tell
quietly varve check -q
tell

# A pack's header, which no snapshot needs.
pack=$(ls -S store/packs/*/* | head -n 1)
harm "$pack" 60
tell
varve check -q >/dev/null 2>&1
varve list | sed 's/^.*  //'
tell
heal "$pack"
tell
quietly varve check -q
tell

# A record, and an event.
for file in store/snapshots/* $(grep -l ^type=pin store/state/*); do
	harm "$file" 30
	varve check -q >/dev/null 2>&1
	tell
	quietly varve repair -q
	tell
done

# A snapshot's own damage is told of as well, with the same status.
seq 100000 >d/two
ls store/packs/*/* >packs
quietly varve add -q -s s -t 2021-01-02 d
rm $(ls store/packs/*/* | grep -vxF -f packs)
varve check -q >/dev/null 2>&1
# what is told first of all that one pack had is chance
tell | sed 's/Z: .*/Z: WHY/; s/_errors":[0-9]*/_errors":N/'
