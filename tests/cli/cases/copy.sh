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
t varve copy --to like --all --json
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
t varve forget -q --store other t
t varve copy --to other --all
t varve copy --to other t 2>&1 | plain
t varve list --all --store other t

# Only what is newer than what is there.
quietly varve add -s new -t 2021-01-03 d
t varve copy --to other --newer -n --all
quietly varve add -s web/etc -t 2020-12-31 d
t varve copy --to other --newer -q --all
t varve copy --to other -n --all
