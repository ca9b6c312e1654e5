plain() { sed -E 's/[0-9.]+ (B|[KM]iB)/SIZE/g; s/[0-9]+ packs?/N packs/g'; }
facts() { sed -E 's/"id":"[0-9a-f]+"/"id":"ID"/'; }
tree d
quietly varve init
day=0
for hour in 00 06 23; do
	for day in 09 10 11; do
		quietly varve add -q -s db -t "2021-01-${day}T$hour:30:00Z" \
			--tag "hour=$hour" --tag "day=$day" d
	done
done
# "a rule within a time counts from the newest good one, and keeps all, or the
# newest of each hour, day, week, month or year"
t varve forget -n --keep-within 1d --keep-within-daily 2w
t varve forget -n --keep-within-weekly 1w --tz America/New_York
# "a reason for each": all of them.
t varve forget -n --keep-last 2 --keep-daily 2 --keep-monthly 1 --keep-tag hour=00
t varve forget -n --json --keep-daily 2 --keep-tag day=09 --tz Asia/Tokyo | facts
# "--group-by": what is judged together.
t varve forget -n --keep-last 1 --group-by source,tag:hour
quietly varve add -q -s web -t 2021-01-12 d
t varve forget -n -q --keep-last 1 --group-by tag:hour
t varve forget -n --keep-last 2 --group-by none 2>&1 | tail -n 4
t varve forget -n --keep-last 1 --group-by host 2>&1 | sed -E '2s/host [^:]*/host HOST/' | head -n 3
# What is no rule is told, and nothing is done.
t varve forget --keep-within 0s
t varve forget --keep-within-daily soon
t varve forget --keep-tag =x
t varve forget --keep-daily 3 --group-by moon
t varve forget --keep-daily 3 --tz Mars/Base
# "refuses a policy that keeps nothing"
t varve forget --keep-daily 0
t varve policy set db --keep-daily 0
t varve forget --policy --group-by host
# "An incomplete or damaged one, or one dated in the future, pushes no good one
# out."
varve add -q -s cut -t 2021-01-01 d
varve add -q -s cut -t 2021-01-02 --command sh -c 'tar cf - d; exit 1' 2>/dev/null
varve add -q -s cut -t 2999-01-01 d
t varve forget -n --keep-last 1 --source cut
t varve list --names cut
# "--dry-run --prune" tells what a prune would then give back.
for i in 1 2 3; do
	openssl rand 300000 >d/new
	quietly varve add -q -s big -t "2021-02-0$i" d
done
t varve prune -n
t varve forget -n -q --keep-last 1 --source big --prune --max-unused 0 --force --json >would
t varve forget -q big@2021-02-01 big@2021-02-02
t varve prune --max-unused 0 --force --json >was
diff <(grep -o '"bytes_removed":[0-9]*' would) <(grep -o '"bytes_removed":[0-9]*' was) && echo same
grep -c '"dry_run":true' would
grep -o '"snapshots_removed":[0-9]*' would was
# A misspelt line of cron is told of, not taken for one that has nothing to do.
t varve forget -q --keep-last 1 --source biig
t varve forget --keep-last 1 --source 'x/*' --prune
t varve forget -n --policy --source nope
t varve forget -q --keep-last 1 --source 'b*'
