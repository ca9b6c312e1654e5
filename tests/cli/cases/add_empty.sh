# A snapshot without a file, where one before it holds some, is told and pushes
# no good one out: a glob that matched nothing, a volume that is not mounted.
tree full
mkdir -p volume/sub links
ln -s nowhere links/link
quietly varve init
# The first of its source may be as it is.
t varve add -q -s new -t 2021-01-01 volume
t varve add -q -s web -t 2021-01-01 full
tar -cf none.tar -T /dev/null
t varve add -q -s web -t 2021-01-02 none.tar
t varve add -q -s web -t 2021-01-03 volume
varve add --json -s web -t 2021-01-04 volume | grep -c '"files":0'
# It is the newest complete one; who takes it is told, and nothing is deleted for it.
t varve ls web
t varve ls web@2021-01-03
t varve restore -q web full
t varve restore -q --delete --yes web full
ls full
t varve add -q -s old -t 2021-01-01 links
t varve add -q -s old -t 2021-01-02 volume
# One that is before all with files has lost nothing.
t varve add -q -s web -t 2020-01-01 volume
# It fills no place, and stays as incomplete ones do.
t varve policy set web --keep-last 1
t varve forget --policy -n
t varve status | sed -E 's#[0-9]+ days #N days #'
t varve status -q --source web
t varve status -q --source web --max-age 1h | sed -E 's/[0-9]+ days old/N days old/'
t varve status --json --source web | grep -o '"empty_since":[^,}]*'
varve stats --prometheus | grep '^varve_source_last_good_[bf][a-z_]*{.*"web"'
# The next one with files ends it.
t varve add -q -s web -t 2021-01-05 full
t varve forget --policy -n
t varve status -q --source web
# So does forgetting what was before it.
t varve add -q -s web -t 2021-01-06 volume
quietly varve forget web@2021-01-05T00-00-00Z web@2021-01-01T00-00-00Z
t varve status -q --source web
t varve add -q -s web -t 2021-01-07 volume
