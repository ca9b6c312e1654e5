# A damaged catalog is no damage of what it speaks of: nobody remembers any.
mkdir d
seq 1 9000 >d/a
seq 5 >d/b
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
# Where it has the first chunk: each entry is an id and a place.
python3 - store/packs/*/* <<'END'
import sys
for pack in sys.argv[1:]:
    with open(pack, 'rb') as f:
        bytes = f.read()
    if bytes[10] == 1:
        at = bytes.index(b'VBLK')
        chunk = bytes[at + 24:at + 46]
with open('store/catalog.db', 'r+b') as f:
    bytes = bytearray(f.read())
    at = 0
    while (at := bytes.find(chunk, at)) >= 0:
        bytes[at + 24] ^= 4
        at += 1
    f.seek(0)
    f.write(bytes)
END
cp store/catalog.db damaged
said() { sed -n "s/.*\(catalog.db' is damaged\).*/\1/p" "$@" | sort -u; }
for what in "check --read-data" "verify a" "restore -q --no-sync a back" \
	"repair --read-data"; do
	rm -rf store/catalog.db* && cp damaged store/catalog.db
	varve $what >out 2>err
	rc=$?
	# 3 where it meets the damage later than at the root
	case $what in restore*) [ $rc -ne 3 ] || rc=4 ;; esac
	echo "$what [$rc]"
	said out err
	grep -l '^type=damage' store/state/*
done
quietly varve rebuild -q
t varve check -q --read-data
t varve verify -q a
