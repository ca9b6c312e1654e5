tree d
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
# Another prune: its lock is held, for two seconds.
hold() { flock store/prune sleep "$1" & until ! flock -n store/prune true; do sleep 0.05; done; }
hold 2
t varve prune
t varve prune -q --wait=100s && echo waited
wait
hold 1
t varve prune --wait=0s
t varve forget -q --keep-last 1 --prune --wait && echo waited
wait
hold 3
t varve prune -q --wait=1s
wait
# Who is there while the catalog is made anew.
reader() { varve add -q -s b --command sh -c "tar -cf - d; sleep $1" & until [ -n "$(ls store/open)" ]; do sleep 0.05; done; sleep 0.3; }
reader 2
varve rebuild 2>&1 | sed -E 's/ by .*/ by WHO/'
t varve rebuild -q --wait && echo waited
wait
t varve list b | wc -l
# Adds and checks are never in each other's way.
t varve add -q -s a -t 2021-01-02 --wait=1m d
t varve check -q --wait=1m
t varve check --wait=soon
t varve list --wait
# A signal ends the waiting.
hold 3
: >err
varve prune --wait 2>err &
until grep -q Waiting err; do sleep 0.05; done
kill -TERM $!
wait $!
echo "[$?]"
cat err
wait
