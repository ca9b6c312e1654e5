tree d
quietly varve init
for day in 01 02 03 08; do
	quietly varve add -q -s a/x -t "2021-01-$day" d
	quietly varve add -q -s b -t "2021-01-$day" d
done
t varve policy show
t varve policy set 'a/*' --keep-daily 3
t varve policy set 'a/x' --keep-last 2 --keep-within 26h --tz Europe/Berlin
t varve policy show | sed -E 's/[0-9-]+ [0-9:]+  USER/TIME  USER/; s/ [0-9-]{10} [0-9:]{8} / TIME /'
t varve forget --policy
# "only show what 'forget --policy' would forget": and that is what it forgets.
t varve policy set 'a/*' --keep-last 1 --dry-run
t varve policy set a/x --keep-last 3 -n
t varve policy set 'no/*' --keep-last 3 -n
t varve policy set b --max-age 26h -n
t varve policy remove a/x -n
t varve policy set b --keep-last 1 -n 2>/dev/null >would
t varve policy show --json | grep -c '"source"'
varve policy set -q b --keep-last 1
varve forget --policy -n --source b 2>/dev/null | diff <(tail -n +2 would) - && echo same
varve policy remove -q b
t varve policy remove a/x
t varve policy remove a/x
t varve policy show --json | sed -E 's/"set":"[^"]*","user":"[^"]*","host":"[^"]*"/X/'
t varve policy set b
t varve policy set
t varve policy frob
t varve tag b one=1 two=2
t varve tag b
t varve tag b one=
t varve tag --json b
t varve list --names --tag two=2
t varve ls b@two=2
t varve tag b nokey
# What is replaced is told, and loudly where nobody would be called any more.
t varve policy set a/x --keep-daily 3 --max-age 26h
t varve policy set a/x --keep-daily 7
varve policy set -q a/x --keep-daily 7 --max-age 26h
t varve policy set -q a/x --keep-daily 5
t varve tag b nokey
