tree d
quietly varve init
for day in 01 02 03 08 09 15; do
	quietly varve add -q -s a -t "2021-01-$day" d
	quietly varve add -q -s b/x -t "2021-01-${day}T12:00:00Z" d
done
t varve forget -n --keep-daily 2
t varve list --names
t varve forget -q --keep-weekly 2 --source a
t varve list --names a
t varve list -a a | cut -c 11-
t varve undelete a@2021-01-08
t varve undelete a@2021-01-08
t varve pin a@2021-01-08
t varve forget a@2021-01-08
t varve forget --keep-last 1
t varve unpin a@2021-01-08
t varve forget a@2021-01-08 b/x@2021-01-15
# What is no name of one snapshot would forget the newest: 'varve forget a' is a
# rule that was not finished.
quietly varve add -q -s a -t 2021-01-15T08:00:00Z d
for spec in a a@latest a@-1 a@2021 a@2021-01 a@2021-01-15 a@kind=x a@ b/x@-1; do
	t varve forget "$spec"
	t varve forget -q -n "$spec" 2>/dev/null
done
t varve list --names
t varve forget -n "a@2021-01-15 08:00:00"
t varve forget -n "id:$(varve list --json a | sed -n '$s/.*"id":"\([0-9a-f]*\)".*/\1/p')"
t varve forget nosuch a@2021-01-15T00-00-00Z
t varve forget a@2021-01-15
t varve list
t varve forget
t varve forget a --keep-last 1
t varve forget --keep-last x
t varve log | sed -E 's/^[0-9-]+ [0-9:]+/TIME/'
