# "It is no good backup any more": one that was damaged as it was backed up.
tree d
quietly varve init
for day in 01 02 03; do
	echo "$day" >d/day
	quietly varve add -q -s db -t "2021-01-$day" d
done
t varve cat db:day
quietly varve tag db@2021-01-03 'flawed=found 2021-02-01: 000012.sst: block 3'
t varve list --names db
# "is passed over where a source is named without a time, with a warning"
t varve cat db:day
t varve cat db@latest:day
t varve cat db@-1:day
t varve cat db@2021-01-03:day
t varve cat db@2021-01-03T00-00-00Z:day
t varve status --source db | sed -E 's/ +[0-9]+ days / AGE /'
t varve status -q --source db
t varve status --json --source db | grep -o '"bad.*'
# What deletes takes no other one in its place.
mkdir to
t varve restore -y --delete db to
# A good one is not forgotten for it.
t varve forget -n --keep-last 1 --source db
# "takes it back"
quietly varve tag db@2021-01-03T00-00-00Z flawed=
t varve cat db:day
t varve forget -n --keep-last 1 --source db
# Where there is no other.
quietly varve tag db@2021-01-01 flawed=x
quietly varve tag db@2021-01-02 flawed=y
quietly varve tag db@2021-01-03 flawed=z
t varve cat db:day
t varve status -q --source db
t varve forget -n --keep-last 1 --source db
