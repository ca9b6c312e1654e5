# A directory that cannot be read is one entry that is lost: the others come
# back, and nothing is deleted where it is not known what belongs there.
v() { # names of packs are random
	local status
	varve "$@" 2>err
	status=$?
	sed 's#packs/../#packs/XX/#; s/offset [0-9]*/offset N/' err >&2
	return $status
}
mkdir -p d/many d/zeal
for i in $(seq 10); do seq $i 3000 >d/many/$i; done
echo first >d/alpha
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
packs=$(ls store/packs/*/*)
echo more >d/more
seq 5 >d/zeal/five
quietly varve add -q -s a -t 2021-01-02 d
for p in $packs; do
	[ "$(od -An -tu1 -j10 -N1 $p | tr -d ' ')" = 1 ] || rm $p
done
t v restore -q --no-sync a back
(cd back && find . -type f | sort)
cmp d/zeal/five back/zeal/five
cp back/alpha back/many/mine
t v restore -q --no-sync --incomplete --delete --yes a@2021-01-02T00-00-00Z back
ls back back/many
t v verify -q a@2021-01-02T00-00-00Z
