#!/bin/bash
# varve pso status: each thing that is planted is told, and nothing else.
# usage: status.sh VARVE
name=status
varve=$(realpath "${1:?usage: status.sh VARVE}")
. "$(dirname "$0")/prelude"
v init -q
v pso capture -q -s lab/pso --values w/values.yaml \
	--kubectl "$mine/../pso/kubectl" --ca-file ca.pem

# What is not in order: STATE CHECK, and words of it.
told() { # WHAT STATUS WANTED-LINES CHANGE... [-- OPTION...]
	local what=$1 want=$2 lines=$3 changes=() rc
	shift 3
	while [ $# -gt 0 ] && [ "$1" != -- ]; do changes+=("$1") && shift; done
	[ $# -eq 0 ] || shift
	fleet "${changes[@]}"
	pso status "$@" >out 2>log
	rc=$?
	grep -vE '^(ok|note) |^PSO|^\(meta' out >got
	printf '%s' "$lines" >want
	[ $rc -eq "$want" ] || echo "status $rc" >>log
	diff want got >>log && [ $rc -eq "$want" ]
	verdict $? "$what"
}
told "a healthy one" 0 ''
grep -q 'metadata alone: no volume' out
verdict $? "says that it is metadata"
[ "$(grep -c '^ok       backend ' out)" = 3 ] &&
	grep -q 'fa-alpha has 2 of 5; without it 3 are up, 3 must be: 0 to spare' out &&
	grep -q 'node-c.lab.example has 1 of 5; without it 4 are up, 3 must be: 1 to spare' out
verdict $? "and what is to spare of each array and node"
# Planted together; each alone where there is time for more.
told "planted together" 1 \
	"warn     intrusion     Live, 4/5 ready
warn     ranges        40, of them 3 under-replicated, 0 unavailable
BAD      replica       k8s_lab-pso-db_0000000005 is Suspect
warn     replica       k8s_lab-pso-db_0000000009 is wanted, and not told of
warn     statefulsets  5 pso-db-N, and the intrusion wants 6 replicas: usual are as many, 5 or 7
BAD      deployments   pso-db-cockroach-operator is not there
warn     node          node-a.lab.example has 2 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     node          node-b.lab.example has 2 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     backend       fa-alpha has 3 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     backend       fa-gamma has 2 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     backends      unevenly spread: from 1 to 3 replicas
BAD      unusable      20 volumes -u (317.0 GiB): at 20 PSO's operator stops replacing replicas; 'varve pso volumes' tells which may go
warn     version       6.1.1 (the chart's label): install at least 6.2.1, whose db-reconstructor is better
warn     snapshots     volumesnapshotclasses.snapshot.storage.k8s.io does not serve v1beta1; volumesnapshotcontents.snapshot.storage.k8s.io does not serve v1beta1; volumesnapshots.snapshot.storage.k8s.io does not serve v1beta1; PSO's snapshots need them
" under-replicated suspect few-ready six old-version no-operator cap \
	definitions-v1 snapshots
grep -q 'Suspect for 3600 s (maxSuspectSeconds)' out
verdict $? "and how long a replica may be Suspect"
told "a datastore that is down" 1 \
	'BAD      intrusion     Down, 5/5 ready
BAD      as of         it tells of 2 h ago: its operator writes it no more
BAD      ranges        40, of them 0 under-replicated, 1 unavailable: metadata is lost while that is so
BAD      pods          pso-db-4-0 is Running and not ready
BAD      pods          4 of 5 of the datastore are running and ready
warn     node          node-a.lab.example has 2 of 5; without it 2 are up, and 3 must be: losing it stops the datastore
warn     node          node-b.lab.example has 2 of 5; without it 2 are up, and 3 must be: losing it stops the datastore
warn     backend       fa-alpha has 5 of 5; without it 0 are up, and 3 must be: losing it stops the datastore
warn     backends      unevenly spread: from 0 to 5 replicas
warn     snapshots     there is no VolumeSnapshotClass of pure-csi: the chart makes it only where v1beta1 was served as it was installed; PSO'"'"'s snapshots need them
' unavailable stale not-live pod-not-ready uneven no-class snapshots
grep -q '^note     meaning .*provisioning, snapshots, attaching and detaching fail' out
verdict $? "and what does not work then"
told "all on one node, no definitions, and 16 volumes put aside" 0 \
	'warn     node          node-a.lab.example has 5 of 5; without it 0 are up, and 3 must be: losing it stops the datastore
warn     nodes         replicas are on 1 node; with at least 3, one that goes down does not stop the datastore
warn     unusable      16 volumes -u (313.0 GiB), of 20 at which the operator stops
' one-node no-definitions near-cap
grep -q '^note     snapshots .*is not installed.*no snapshot of PSO' out
verdict $? "which is a note where there are no snapshots"
told "seven of three nodes" 0 '' seven
grep -q 'node-a.lab.example has 3 of 7; without it 4 are up, 4 must be: 0 to spare' out
verdict $? "of which one may go down"
told "no intrusion" 1 'BAD      intrusion     there is no intrusion
' no-intrusion
if often; then
told "under-replicated ranges" 0 \
	'warn     ranges        40, of them 3 under-replicated, 0 unavailable
' under-replicated
told "unavailable ranges" 1 \
	'BAD      ranges        40, of them 0 under-replicated, 1 unavailable: metadata is lost while that is so
' unavailable
grep -q '^note     meaning .*provisioning, snapshots, attaching and detaching fail' out
verdict $? "and what does not work then"
told "a replica that is Suspect" 1 \
	'BAD      replica       k8s_lab-pso-db_0000000005 is Suspect
' suspect
grep -q 'Suspect for 3600 s (maxSuspectSeconds)' out
verdict $? "and for how long it may be"
told "a replica that is not ready" 0 'warn     intrusion     Live, 4/5 ready
' few-ready
told "a pod that is not ready" 1 \
	'BAD      pods          pso-db-4-0 is Running and not ready
BAD      pods          4 of 5 of the datastore are running and ready
warn     node          node-a.lab.example has 2 of 5; without it 2 are up, and 3 must be: losing it stops the datastore
warn     node          node-b.lab.example has 2 of 5; without it 2 are up, and 3 must be: losing it stops the datastore
warn     backend       fa-alpha has 2 of 5; without it 2 are up, and 3 must be: losing it stops the datastore
' pod-not-ready
told "an intrusion of two hours ago" 1 \
	'BAD      as of         it tells of 2 h ago: its operator writes it no more
' stale
told "all on one node" 0 \
	'warn     node          node-a.lab.example has 5 of 5; without it 0 are up, and 3 must be: losing it stops the datastore
warn     nodes         replicas are on 1 node; with at least 3, one that goes down does not stop the datastore
' one-node
told "arrays that have too many" 0 \
	'warn     backend       fa-alpha has 5 of 5; without it 0 are up, and 3 must be: losing it stops the datastore
warn     backends      unevenly spread: from 0 to 5 replicas
' uneven
told "six replicas" 0 \
	'warn     replica       k8s_lab-pso-db_0000000009 is wanted, and not told of
warn     statefulsets  5 pso-db-N, and the intrusion wants 6 replicas: usual are as many, 5 or 7
warn     node          node-a.lab.example has 2 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     node          node-b.lab.example has 2 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     backend       fa-alpha has 3 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     backend       fa-gamma has 2 of 6; without it 3 are up, and 4 must be: losing it stops the datastore
warn     backends      unevenly spread: from 1 to 3 replicas
' six
told "twenty volumes that were put aside" 1 \
	"BAD      unusable      20 volumes -u (317.0 GiB): at 20 PSO's operator stops replacing replicas; 'varve pso volumes' tells which may go
" cap
told "no operator" 1 \
	'BAD      deployments   pso-db-cockroach-operator is not there
' no-operator
told "an old version" 0 \
	"warn     version       6.1.1 (the chart's label): install at least 6.2.1, whose db-reconstructor is better
" old-version
told "definitions that serve v1 alone, and snapshots" 0 \
	"warn     snapshots     volumesnapshotclasses.snapshot.storage.k8s.io does not serve v1beta1; volumesnapshotcontents.snapshot.storage.k8s.io does not serve v1beta1; volumesnapshots.snapshot.storage.k8s.io does not serve v1beta1; PSO's snapshots need them
" definitions-v1 snapshots
told "none, and no snapshots" 0 '' no-definitions
grep -q '^note     snapshots .*is not installed.*no snapshot of PSO' out
verdict $? "is a note"
told "no class" 0 \
	"warn     snapshots     there is no VolumeSnapshotClass of pure-csi: the chart makes it only where v1beta1 was served as it was installed; PSO's snapshots need them
" no-class snapshots
fi

# Clocks: the first cause.
fleet
echo 4000 >w/skew-pso-db-5-0
echo 4000 >w/skew-pso-csi-node-1
pso status >out 2>log
[ $? = 1 ] && [ "$(sed -n 3p out | cut -c1-12)" = "BAD      clo" ] &&
	sed -n 3p out | grep -qE 'node-b.lab.example is at least (3[5-9]|40)[0-9]{2} ms ahead of node-[ac].* and 500 is the limit: the first cause to look at; mend NTP'
verdict $? "a clock that is 4 s ahead comes first, with by how much"
rm w/skew-*
rm w/kube/exec/pso-db-[56]-0 w/kube/exec/pso-csi-node-1
told2() { # WHAT STATUS PATTERN OPTION...: a line of it
	pso status "${@:4}" >out 2>log
	[ $? = "$2" ] && grep -qE "$3" out
	verdict $? "$1"
}
told2 "a clock that nobody tells is not taken for right" 3 \
	'^unknown  clocks .*node-b.lab.example: .*NotFound'
fleet

# What could not be asked is not in order.
touch w/down-fa2 w/kube/pods.forbidden w/kube/definitions.forbidden
told2 "an array that hangs up" 1 '^BAD      array         127.0.0.1:[0-9]* does not answer'
grep -qE '^unknown  unusable .*not every array could be read' out
verdict $? "so it is not known how many -u there are"
grep -q '^unknown  pods ' out &&
	grep -q '^unknown  backend       fa-alpha has 2 of 5; how many are up is not known' out
verdict $? "nor, where pods may not be read, how many are up"
grep -q '^unknown  snapshots .*Forbidden' out
verdict $? "nor of definitions what they serve"
rm w/down-fa2 w/kube/pods.forbidden w/kube/definitions.forbidden
fleet
sed -i "/$fa2/,+1d" w/values.yaml
told2 "an array that left values.yaml" 0 \
	'^warn     fleet         63d6a0b1.*0003 has 2 replicas and is not in values.yaml: do not disconnect it'
told2 "and one that is asked all the same" 0 \
	'^warn     fleet         fa-gamma is not in values.yaml, and must not be disconnected yet: 2 replicas and 10 volumes of PVs' \
	--array "fa:$FA2_EP" --tokens <(echo "$FA2_EP $FA_TOKEN")

# From a capture.
fleet
touch w/kube/unreachable
told2 "where the cluster does not answer" 3 '^unknown  intrusion .*refused'
told2 "a capture tells of then" 3 '^unknown  clocks .*a capture does not tell' \
	--from lab/pso
grep -q 'as of lab/pso@' out && grep -q '^ok       intrusion     Live, 5/5 ready' out
verdict $? "and says so"
v pso capture -q -s dark/pso --values w/values.yaml \
	--kubectl "$mine/../pso/kubectl" --ca-file ca.pem 2>log
pso status --from dark/pso >out 2>log
[ $? = 3 ] && grep -q '^ok       array .*fa-alpha' out &&
	grep -q "no capture 'dark/pso' is complete: 'dark/pso@.*' is taken, not all" log
verdict $? "where none is complete, what there is of the newest"
rm w/kube/unreachable
v pso status --json --values w/values.yaml --kubectl "$mine/../pso/kubectl" \
	--ca-file ca.pem >out 2>log
python3 -SE -c '
import json
rows = [json.loads(line) for line in open("out")]
assert {"check": "ranges", "state": "ok", "what":
        "40, of them 0 under-replicated, 0 unavailable"} in rows
assert all(set(r) == {"check", "state", "what"} for r in rows)'
verdict $? "as JSON"
# "Each kind has its guide whose commands a test runs."
fleet
mkdir bin
ln -s "$mine/../pso/kubectl" bin/kubectl
cp w/values.yaml .
cp values.yaml new.yaml
cp ca.pem arrays.pem
cp -r store store.before
sed -n '/^## How it is/,$s/^ *\(varve \(pso\|cat\) .*\)/\1/p' "$mine/../../docs/pso.md" |
	sort -u >guide
[ "$(wc -l <guide)" -ge 9 ]
verdict $? "the guide has commands"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$varve" >bin/varve
chmod +x bin/varve
while read -r line; do
	case $line in
	# rebuild.sh runs these, as they wait for helm
	*--yes\ --cluster-id* | 'varve cat '*) continue ;;
	esac
	check "guide: $line" env PATH="$work/bin:$PATH" sh -c "$line"
done <guide
python3 -B "$mine/../kube/rights.py" w/kube/calls \
	"$mine/../../docs/rbac/pso-status.yaml" >idle
check "it used each right that its manifest grants, and no other" \
	eval 'cat idle && [ -s w/kube/calls ] && [ ! -s idle ]'
check "no secret was printed" no_secrets
end_servers
exit $failed
