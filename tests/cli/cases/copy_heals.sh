# A copy that is damaged where it is, is healed by a good one from the other
# store: in either direction, and where their secrets differ.
plain() { sed -E 's/[0-9.]+ (B|[KM]iB)/SIZE/g; s/[0-9]+ (object|pack)s?\b/N \1s/g; s/[0-9a-f]{44}/OBJECT/; s/ at offset [0-9]+/ at OFFSET/'; }
noise() { # SEED BYTES
	head -c "$2" /dev/zero | openssl enc -aes-128-ctr -K 0"$1" -iv 00 \
		2>/dev/null
}
type_of() { od -An -tu1 -j10 -N1 "$1" | tr -d ' '; }
damaged() { # STORE
	varve list --store "$1" --json | grep -c '"state":"damaged"'
}
hurt() { # STORE TYPE AT: each pack of that type
	for p in "$1"/packs/*/*; do
		[ "$(type_of "$p")" = "$2" ] || continue
		[ "$(stat -c %s "$p")" -gt $(($3 + 100)) ] || continue
		chmod u+w "$p"
		printf damage | dd of="$p" bs=1 seek="$3" conv=notrunc \
			2>/dev/null
	done
	varve check --store "$1" -q --read-data >/dev/null 2>&1
	echo "$1: check [$?], $(damaged "$1") damaged"
}
sound() { # STORE
	varve check -q --read-data --store "$1" >/dev/null 2>&1
	varve repair -q --store "$1" >/dev/null 2>&1
	varve check -q --read-data --store "$1" && varve verify -q --store "$1" \
		doc doc@2021-01-01 && echo "$1 is sound"
}
mkdir d
noise 1 300000 >d/noise
seq 1 20000 >d/numbers
quietly varve init
quietly varve init --like store like
quietly varve init other
quietly varve add -q -s doc -t 2021-01-01 d
noise 2 1000 >d/more
quietly varve add -q -s doc -t 2021-01-02 d

for to in like other; do
	echo "== $to"
	quietly varve copy -q --all --to $to
	# A chunk that both have: the first heals the second with it.
	hurt $to 1 3000
	t varve copy --source doc --newer -n --to $to
	t varve copy --source doc -n --json --to $to | sed -E 's/"id".*"there"/…"there"/'
	t varve copy --source doc --newer --quiet --to $to
	damaged $to
	sound $to
	# Metadata, by its name; back again from there.
	hurt $to 2 300
	t varve copy doc@2021-01-02 --verify --to $to 2>&1 | plain
	t varve copy --all --json --to $to | sed -E 's/"id".*"there"/…"there"/; s/:[0-9]+/:N/g'
	sound $to
	hurt store 1 4000
	t varve copy --store $to --all --to store 2>&1 | plain
	t varve copy --store $to --all --to store
	sound store
done

# "--reread ... also mends an earlier copy that has rotted": which nobody knew.
for p in like/packs/*/*; do
	[ "$(type_of "$p")" = 1 ] || continue
	chmod u+w "$p"
	printf damage | dd of="$p" bs=1 seek=5000 conv=notrunc 2>/dev/null
done
t varve copy doc@2021-01-01 --to like
t varve copy doc@2021-01-01 --reread --verify --to like 2>&1 | plain
t varve copy doc@2021-01-01 --reread --verify --to like
sound like

# Damaged here and there: nothing can be healed, and it is no success.
hurt like 1 3000
hurt store 1 3000
t varve copy doc@2021-01-01T00-00-00Z -q --to like 2>&1 | plain
t varve copy --all -q --to like
