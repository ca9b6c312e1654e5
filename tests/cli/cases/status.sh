tree d
quietly varve init
t varve status
quietly varve add -q -s old -t 2021-01-01 d
quietly varve add -q -s new d
t varve status -q
t varve status -q --max-age 26h | sed -E 's/[0-9]+ days old/N days old/'
t varve status --max-age 26h --source new | sed -E 's/  2[0-9TZ:-]+ +[0-9]+ s /  NOW  AGE /'
t varve status --max-age soon
t varve status --source nosuch
varve add -q -s bad -t 2021-01-02 --command sh -c 'tar cf - d; exit 1'
t varve status -q
t varve status --json --source bad
varve add -q -s old -t 2021-01-02 --command sh -c 'tar cf - d; exit 1'
t varve status -q --source old
quietly varve add -q -s ahead -t 2999-01-01 d
t varve status --source ahead
t varve status --json --source ahead
quietly varve add -q -s ahead -t 2021-01-01 d
t varve status -q --source ahead
# "per source max-age via policy": the option goes before it.
ages() { sed -E 's/[0-9]+ days old/N days old/'; }
quietly varve policy set 'ol*' --keep-last 3 --max-age 26h
quietly varve policy set new --max-age 2d
quietly varve policy set old --keep-last 4
t varve status -q --source old | ages
t varve status -q --source old --max-age 36500d
t varve status -q --source new
t varve status --json --source new | grep -o '"max_age_seconds":[0-9]*,"late":[a-z]*'
# "a source that has a policy but no snapshot at all is reported"
quietly varve policy set never/ran --max-age 26h
quietly varve policy set 'lab/*' --keep-daily 7
t varve status -q --source 'n*'
t varve status --source 'lab/*'
t varve status --json --source never/ran
quietly varve policy remove never/ran
t varve status -q --source 'n*'
