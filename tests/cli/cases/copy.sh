plain() { sed -E 's/[0-9.]+ (B|[KM]iB)/SIZE/g; s/^20[0-9-]+ [0-9:]+/TIME/'; }
quietly varve init
quietly varve init --like store like
quietly varve init other
tree d
archive d a.tar.gz
quietly varve add -s web/etc -t 2021-01-01 d
quietly varve add -s web/etc -t 2021-01-02 --tag k=v d
quietly varve add -s t -t 2021-01-01 a.tar.gz
head -c 2000 a.tar.gz >cut.tar.gz
varve add -s cut -t 2021-01-01 cut.tar.gz >/dev/null 2>&1

# Wrong use.
t varve copy web/etc
t varve copy --to like
t varve copy --to like --all web/etc
t varve copy --to like --all --source 'web*'
t varve copy --to like --newer web/etc
t varve copy --to store --all
t varve copy --to nowhere --all
echo file >file
t varve copy --to file --all
mkdir empty
t varve copy --to empty --all
t varve copy --to like nobody
t varve copy --to like --source 'nobody*'
t varve copy --to like --all --min-free lots
t varve copy --to like --all --level 20

# What is there is not copied again; all that is not there is.
t varve copy --to like -n web/etc t
t varve list --store like
t varve copy --to like web/etc@2021-01-01 2>&1 | plain
t varve copy --to like web/etc@2021-01-01
t varve copy --to like -n --all
t varve copy --to like --source 'web/*' 2>&1 | plain
t varve copy --to like --all --quiet
t varve copy --to like --all
t varve copy --to like --all --json | sed -E 's/"id".*//'
t varve copy --to like -n --json web/etc | sed -E 's/"id".*"there"/…"there"/'
t varve list --store like
t varve tag --store like web/etc
t varve log --store like | plain
t varve verify --store like web/etc t 2>&1 | plain

# Incomplete ones by their own name only.
t varve copy --to like cut
t varve copy --to like cut@2021-01-01T00-00-00Z 2>&1 | plain
t varve list --store like cut

# Back again, and where secrets differ.
t varve copy --store like --to store --all
t varve copy --to other t 2>&1 | plain
t varve copy --to other t
t varve copy --to other --quiet --verify --all
t varve list --store other
varve cat --original --store other t | cmp - <(zcat a.tar.gz)

# What was forgotten there is not brought back by --all, but by its name.
t varve forget -q --store other t@2021-01-01
t varve copy --to other --all
t varve copy --to other t 2>&1 | plain
t varve list --all --store other t

# What was never there, however old: a backup may come late.  What was pruned
# there is not brought back, but without --newer.
quietly varve add -s new -t 2021-01-03 d
t varve copy --to other --newer -n --source new
quietly varve add -s web/etc -t 2020-12-31 d
t varve copy --to other --newer -n --source 'web/*'
t varve copy --to other --newer -q --source 'web/*'
t varve list --store other web/etc
quietly varve forget -q --store other web/etc@2021-01-01
quietly varve prune -q --store other
t varve copy --to other --newer -n --source 'web/*'
t varve copy --to other -n --source 'web/*'
quietly varve rebuild -q --store other
t varve copy --to other --newer -n --source 'web/*'
t varve log --store other | grep -c ' copied '

# What is damaged or incomplete is left out with a word, and is no success.
head -c 70000 /dev/zero >e
openssl enc -aes-128-ctr -K 01 -iv 00 <e 2>/dev/null >d/noise
ls store/packs/*/* >packs
quietly varve add -s hurt -t 2021-01-03 d
for p in $(ls store/packs/*/*); do
	grep -qx "$p" packs || [ "$(od -An -tu1 -j10 -N1 "$p")" -ne 1 ] || {
		chmod u+w "$p"
		printf damage | dd of="$p" bs=1 seek=3000 conv=notrunc 2>/dev/null
	}
done
varve check --read-data >/dev/null 2>&1
t varve copy --to other -q --source hurt
t varve copy --to other -q --source cut
t varve copy --to other -q --all
t varve copy --to other --json --newer --all | sed -E 's/"id".*//'
t varve copy --to other -q hurt@2021-01-03T00-00-00Z >/dev/null 2>&1
quietly varve forget -q hurt@2021-01-03T00-00-00Z
t varve copy --to other -q --all
quietly varve copy --to other -q cut@2021-01-01T00-00-00Z
t varve copy --to other -q --all
