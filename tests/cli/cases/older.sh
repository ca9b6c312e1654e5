# Where the newest snapshot is damaged, incomplete or dated in the future, an
# older one is taken only with a word; nothing is deleted by it.
harm() { # the data packs that came since `packs` was listed
	for p in $(ls store/packs/*/*); do
		grep -qx "$p" packs && continue
		[ "$(od -An -tu1 -j10 -N1 "$p" | tr -d ' ')" = 1 ] || continue
		chmod u+w "$p"
		printf damage | dd of="$p" bs=1 seek=3000 conv=notrunc 2>/dev/null
	done
	varve check --read-data >/dev/null 2>&1
}
fresh() { ls store/packs/*/* >packs 2>/dev/null; }
noise() {
	head -c 70000 /dev/zero |
		openssl enc -aes-128-ctr -K 0"$1" -iv 00 2>/dev/null
}
mkdir d e
noise 1 >d/one
echo e >e/e
quietly varve init
quietly varve add -q -s etc -t 2021-01-01 --tag k=v d
quietly varve add -q -s etc -t 2021-01-02 d
fresh
noise 2 >d/two
quietly varve add -q -s etc -t 2021-01-03 --tag k=v d
quietly varve add -q -s hurt -t 2021-01-03 d
harm
varve list | sed 's/^.*  //'

# Each command that takes a SNAPSHOT says so, and to stderr.
t varve ls etc
t varve ls etc@latest
t varve ls etc@-1
t varve ls etc@k=v
t varve ls etc@2021-01
varve cat etc:one | cmp - d/one
t varve diff -q etc etc@2021-01-01T00-00-00Z
t varve verify -q etc
t varve find -q --snapshot etc one
t varve find -q --latest one
t varve list -q --notes etc
t varve pin -q etc
varve unpin -q etc 2>/dev/null
t varve tag etc
t varve ls --json etc 2>/dev/null | grep -c '^{.*}$'
quietly varve init --like store other
t varve copy -q --to other etc
t varve restore -q --no-sync etc back
ls back

# Its own time, an id and a prefix that fits no newer one name what is meant.
t varve ls etc@2021-01-03T00-00-00Z
t varve ls etc@2021-01-02
t varve ls etc@2021-01-01

# What deletes and what forgets does not go on with another.
cp back/one back/mine
t varve restore -q --no-sync --delete --yes etc back
t varve restore -q --no-sync --delete --dry-run etc@-1 back
t varve forget -q etc
ls back
t varve restore -q --no-sync --delete --yes etc@2021-01-02T00-00-00Z back
ls back

# Several kinds at once.
tar cf d.tar d
head -c 30000 d.tar >cut.tar
varve add -q -s etc -t 2021-01-04 cut.tar >/dev/null 2>&1
varve add -q -s etc -t 2021-01-05 cut.tar >/dev/null 2>&1
quietly varve add -q -s etc -t 2999-01-01 e
t varve ls etc
t varve ls etc@2021-01-04
t varve ls etc@2999
quietly varve add -q -s ahead -t 2021-01-01 e
quietly varve add -q -s ahead -t 2999-01-01 e
t varve ls ahead
t varve restore -q --no-sync --delete --yes ahead back

# None is good: what there is, and how it is reached.
varve add -q -s torn -t 2021-01-01 cut.tar >/dev/null 2>&1
quietly varve add -q -s later -t 2999-01-01 e
t varve ls hurt
t varve ls hurt@latest
t varve ls hurt@-1
t varve ls torn
t varve ls torn@2021
t varve restore -q torn back
t varve ls later
t varve ls torn@2020
varve add -q -s torn -t 2021-01-02 cut.tar >/dev/null 2>&1
t varve ls torn
t varve find -q --latest one
