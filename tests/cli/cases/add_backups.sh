# A directory of archives is a tree of files; and the same again is said to be so.
tree d
archive d x.tar.gz
mkdir backups
for day in 20 21 22; do
	echo $day >d/day
	archive d backups/etc-2021-01-$day.tar.gz
done
echo sums >backups/SHA256SUMS
add() { # and what is said of the snapshot: the rest is the other cases'
	t varve add "$@" | grep '^[$[]\|^Snap'
}
quietly varve init
add -s b -t 2021-01-22 backups
add -s b -t 2021-01-23 --expand backups
add -q -s b -t 2021-01-24 backups
# Once, whatever is given; and not where they are few, or one archive is added.
mkdir 2021-01-25-00-00-00 2021-01-26-00-00-00
cp -r backups 2021-01-25-00-00-00 && cp -r backups 2021-01-26-00-00-00
add -s b 2021-01-2?-00-00-00
cp -r d mixed && cp x.tar.gz mixed
add -s m -t 2021-01-22 mixed
# What was said to do shows what is in them, and shares it.
add -s etc backups/etc-*
# A twin, of the same time; and the same at another.
add x.tar.gz
add x.tar.gz
add -t 2021-02-01 x.tar.gz
varve add --json x.tar.gz 2>/dev/null | grep -o '"same_as":"[^"]*"'
varve list --names x
add -q x.tar.gz
echo other >d/file && archive d x.tar.gz
add x.tar.gz
varve add --json -t 2021-03-01 --source new x.tar.gz 2>/dev/null | grep -c same_as
