#!/bin/bash
# varve pso volumes: which may go and why not, what arrives at the arrays, each
# gate, and runs that are killed or meet faults.
# usage: volumes.sh VARVE        (of a build with faults; EVERY=1: each kill)
name=volumes
varve=$(realpath "${1:?usage: volumes.sh VARVE}")
. "$(dirname "$0")/prelude"
v init -q
v pso capture -q -s lab/pso --values w/values.yaml \
	--kubectl "$mine/../pso/kubectl" --ca-file ca.pem

# Arrays as they are now, without what changes by itself.
state() {
	python3 -SE - <<'END'
import json
for a, q in (("fa1", "volumes"), ("fa2", "volumes"), ("fb1", "file-systems")):
    for i in sorted(json.load(open("w/arrays/%s/%s.json" % (a, q)))["items"],
                    key=lambda i: i["id"]):
        nfs = i.get("nfs", {})
        print(a, i["id"], i["name"], i["destroyed"], nfs.get("v3_enabled"),
              nfs.get("v4_1_enabled"), nfs.get("rules"))
END
}
start() { # CHANGE...: arrays and cluster anew
	rm -f w/calls
	rm -rf store/runs
	fleet "$@"
	state >was
}
unchanged() { state | diff was - >>log && no_calls; }
D=k8s_lab-pso-db_

# The list.
start
pso volumes >out 2>log
verdict $? "a list"
tail -n +3 out | sed 's/  */ /g' >got
cat >want <<END
ARRAY VOLUME SIZE STATE MAY GO WHY NOT
fa-gamma ${D}0000000001-backup 1.0 GiB odd no its name is none that PSO gives
fa-alpha ${D}0000000002 100.0 GiB not in use yes
fa-gamma ${D}0000000002 100.0 GiB not in use no no -u beside it tells that it was replaced
fa-alpha ${D}0000000002-u 100.0 GiB unusable yes
fa-alpha ${D}0000000003 100.0 GiB in use no a replica of the intrusion has it
fa-alpha ${D}0000000003-u 100.0 GiB unusable yes
fa-gamma ${D}0000000004 100.0 GiB in use no a replica of the intrusion has it
fa-alpha ${D}0000000005 100.0 GiB in use no a replica of the intrusion has it
fb-beta ${D}0000000006 100.0 GiB in use no a replica of the intrusion has it
fb-beta ${D}0000000007-u 100.0 GiB unusable yes
fa-gamma ${D}0000000008 100.0 GiB in use no a replica of the intrusion has it
END
check "tells of each whether it may go, and why not" diff want got
pso volumes --json >out 2>log
python3 -SE -c '
import json
rows = [json.loads(line) for line in open("out")]
assert sorted(r["volume"][15:] for r in rows if r["may_go"]) == [
    "0000000002", "0000000002-u", "0000000003-u", "0000000007-u"], rows
assert all(r["may_go"] or r["why"] for r in rows)' 2>>log
verdict $? "also as JSON"
pso volumes --from lab/pso --no-arrays >out 2>log
grep -q 'None may go now: the cluster was not asked now' log
verdict $? "of a capture none may go"

# The pairs that may go.
pso volumes --clean >out 2>log
verdict $? "a plan"
[ "$(grep -cE '^fa-alpha +destroy .* 100.0 GiB +9A738ED7[0-9A-F]{16}$' out)" = 3 ]
verdict $? "with size and serial number of each"
check "does nothing" unchanged
check "--clean" pso volumes --clean --yes
calls >got
off='{"destroyed":true,"http":{"enabled":false},"nfs":{"v3_enabled":false,"v4_1_enabled":false},"smb":{"enabled":false}}'
cat >want <<END
fa1 PATCH volumes ${D}0000000002 {"destroyed":true} 200
fa1 PATCH volumes ${D}0000000002-u {"destroyed":true} 200
fa1 PATCH volumes ${D}0000000003-u {"destroyed":true} 200
fb1 PATCH file-systems ${D}0000000007-u $off 200
END
check "destroys these four, and asks for nothing else" diff want got
cut -d' ' -f2- "$(find store/runs -name journal)" | grep -c '^fact ca\(ll\|me\)=' >got
[ "$(cat got)" = 8 ] && grep -qF "fact call=4 fb-beta PATCH file-systems?names=${D}0000000007-u {" \
	"$(find store/runs -name journal | head -n 1)"
verdict $? "each is in the journal before and after"
[ "$(v runs -a --json | grep -c '"state":"done"')" = 1 ]
verdict $? "the run is at its end"
v log --json 2>log | grep -q 'clean datastore volumes of k8s_lab: done'
verdict $? "and in the log"
if often; then
	check "what is destroyed is not destroyed again" pso volumes --clean --yes
	[ "$(calls | wc -l)" = 4 ]
	verdict $? "so nothing was asked for"
fi

# Gates: "refuse when the intrusion cannot be read".
refuses() { # WHAT WORDS OPTION... [-- CHANGE...]
	local what=$1 words=$2 options=()
	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1") && shift; done
	[ $# -eq 0 ] || shift
	start "$@"
	pso volumes "${options[@]}" --yes >log 2>&1
	[ $? = 1 ] && grep -q -- "$words" log && cp log refused && unchanged
	verdict $? "$what: refused"
}
refuses "all that can be against it" '' --clean -- under-replicated \
	unavailable not-live suspect stale few-ready pod-not-ready
for words in 'the datastore is Down' '7[0-9]* s old (at most 600)' \
	'3 ranges are under-replicated and 1 unavailable' \
	'4 of 5 replicas are ready' "replica ${D}0000000005 is Suspect" \
	'1 of 5 pods of the datastore are not running and ready'; do
	grep -q "$words" refused
	verdict $? "as: $words"
done
if often; then
	refuses "under-replicated" '3 ranges are under-replicated' --clean -- under-replicated
	refuses "unavailable" '1 unavailable' --clean -- unavailable
	refuses "not Live" 'the datastore is Down' --clean -- not-live
	refuses "a Suspect" "replica ${D}0000000005 is Suspect" --clean -- suspect
	refuses "two hours old" '72[0-9][0-9] s old' --clean -- stale
	refuses "4 of 5 ready" '4 of 5 replicas are ready' --clean -- few-ready
	refuses "a pod that is not ready" '1 of 5 pods' --clean -- pod-not-ready
fi
refuses "six replicas, all of them well" 'wants 6 replicas, and PSO has 5 or 7' \
	--clean -- six-live
refuses "to eradicate what was destroyed under a replica" \
	"_0000000005' is a replica's of the intrusion: recover it" \
	--eradicate --cluster-id k8s_lab --count 1 -- destroyed-replica
if often; then
refuses "no intrusion" 'the intrusion cannot be read' --clean -- no-intrusion
fi
touch w/kube/intrusions.forbidden
refuses "an intrusion that may not be read" 'cannot be read: .*Forbidden' --clean
rm w/kube/intrusions.forbidden
touch w/down-fa2
refuses "an array that does not answer" 'does not answer, and may have volumes' --clean
rm w/down-fa2
if often; then
refuses "a capture" 'the arrays were not asked now' --clean --no-arrays --from lab/pso
fi
id="--cluster-id k8s_lab"
# shellcheck disable=SC2086
{
refuses "rename while PSO runs" 'still installed: 10 of its pods' --rename $id
grep -q 'helm uninstall pso-lab -n pso' refused
verdict $? "and how it is uninstalled is said"
refuses "the operator lingers" 'as pso-db-cockroach-operator-7d9' --rename $id \
	--namespace pso -- lingering
refuses "a namespace that nobody knows" '--namespace says where' --rename $id -- uninstalled
refuses "no clusterID typed" "typed out: it is 'k8s_lab'" --rename --namespace pso -- uninstalled
if often; then
refuses "another one typed" "is 'k8s_prod', and" --rename --cluster-id k8s_prod \
	--namespace pso -- uninstalled
refuses "a cluster that is said to be gone, and answers" 'goes with --from' \
	--rename $id --cluster-gone -- uninstalled
fi
refuses "destroy without a count" 'typed out: 10 volumes' --destroy $id \
	--namespace pso -- uninstalled
refuses "another count" '--count is 9, and 10 volumes' --destroy $id --count 9 \
	--namespace pso -- uninstalled
}

# Put aside.
put_aside() { pso volumes --rename $id --namespace pso --yes "$@"; }
start uninstalled
check "--rename" put_aside
calls >got
off6='{"destroyed":true,"http":{"enabled":false},"nfs":{"v3_enabled":false,"v4_1_enabled":false},"smb":{"enabled":false}}'
cat >want <<END
fa1 PATCH volumes ${D}0000000002 {"name":"${D}0000000002-2-u"} 200
fa2 PATCH volumes ${D}0000000002 {"name":"${D}0000000002-u"} 200
fa1 PATCH volumes ${D}0000000003 {"name":"${D}0000000003-2-u"} 200
fa2 PATCH volumes ${D}0000000004 {"name":"${D}0000000004-u"} 200
fa1 PATCH volumes ${D}0000000005 {"name":"${D}0000000005-u"} 200
fa2 PATCH volumes ${D}0000000008 {"name":"${D}0000000008-u"} 200
fb1 PATCH file-systems ${D}0000000006 $off6 200
END
check "renames volumes beside an older -u, and destroys file systems" diff want got
state >new
diff was new | grep '^[<>]' | grep -vq "${D}000000000[234568]"
[ $? = 1 ]
verdict $? "nothing else is touched: no -pvc-, no other clusterID"
status "a volume that is connected" 1 'still connected to a host' \
	eval 'start uninstalled; python3 -SE - <<END
import json
p = "w/arrays/fa1/volumes.json"
d = json.load(open(p))
for i in d["items"]:
    if i["name"] == "'${D}'0000000005":
        i["connection_count"] = 1
json.dump(d, open(p, "w"))
END
put_aside'
no_calls
verdict $? "is not renamed"

# A cluster that is gone for good.
if often; then
start uninstalled
touch w/kube/unreachable
# shellcheck disable=SC2086
{
status "of a capture alone" 1 '--cluster-gone says' pso volumes --rename $id \
	--from lab/pso --yes
check "with --cluster-gone" pso volumes --rename $id --from lab/pso \
	--cluster-gone --yes
}
state | diff new - >>log
verdict $? "the same comes of it"
rm w/kube/unreachable
fi

# Faults on the way.
is_old() { state | diff was - >>log; }
is_new() { state | diff new - >>log; }
faulty() { # N WHAT STATUS OUTCOME
	start uninstalled
	echo "$1 $2" >w/change-fault
	put_aside >log 2>&1
	[ $? = "$3" ] && "is_$4" && [ -z "$(v runs --json 2>&1)" ]
	verdict $? "call $1 meets $2: all is $4"
}
faulty 3 error 1 old
faulty 5 lost 0 new
if often; then
	faulty 2 busy 0 new
	faulty 4 expire 0 new
	faulty 5 drop 0 new
	faulty 7 lost 0 new
	faulty 7 error 1 old
fi
if often; then
start uninstalled
put_aside >log 2>&1 &
pid=$!
while ! [ -s w/calls ]; do sleep 0.02; done
kill -INT $pid
wait $pid
{ is_old || is_new; } && [ -z "$(v runs --json 2>&1)" ]
verdict $? "interrupted, it is wholly one or the other"
fi

# Killed.
start uninstalled
VARVE_FAULT=count=$work/count put_aside >log 2>&1
total=$(cat count)
stride=$((total * 2 / 5))
first=$((total / 3))
if often; then
	stride=1 first=3
fi
killed() { # resume|rollback
	local bad=0 n
	for ((n = first; n < total; n += stride)); do
		start uninstalled
		VARVE_FAULT=kill=$n put_aside >said.kill 2>&1
		[ -n "$(v runs -q --json 2>&1)" ] || continue
		# two calls more or less: what was begun is looked for
		if [ $1 = resume ]; then
			v resume -q >log 2>&1
			is_new || bad=$((bad + 1))
		else
			v rollback -q >log 2>&1
			is_old || is_new || bad=$((bad + 1))
		fi
		[ -z "$(v runs -q --json 2>&1)" ] || v resume -q >>log 2>&1
		[ -z "$(v runs -q --json 2>&1)" ] || bad=$((bad + 1))
		ran=$((ran + 1))
		[ $bad = 0 ] || { echo "kill=$n" >>log && break; }
	done
	[ $bad = 0 ]
}
ran=0
killed resume && [ $ran -ge 1 ]
verdict $? "killed anywhere, resume makes it new"
killed rollback
verdict $? "and rollback old"

# All of them, and for good.
start uninstalled
# shellcheck disable=SC2086
{
check "--destroy --count" pso volumes --destroy $id --count 10 --namespace pso --yes
state | awk '$4 == "True"' | wc -l >got
[ "$(cat got)" = 10 ] && [ "$(state | awk '$4 != "True"' | grep -c "${D}")" = 1 ]
verdict $? "destroys all ten and leaves what has another name"
touch w/safemode-fa1
status "eradicate without a count" 1 'typed out: 10 volumes' \
	pso volumes --eradicate $id --yes
pso volumes --eradicate $id --count 10 --yes >log 2>&1
[ $? = 3 ] && grep -q 'Eradication is disabled' log &&
	grep -q '5 of 10 volumes are kept by their array' log
verdict $? "keeps those of its array, and that is told"
[ "$(state | grep -c "${D}")" = 6 ] && [ -z "$(v runs --json 2>&1)" ]
verdict $? "the others are gone, and the run is at its end"
rm w/safemode-fa1
check "without it" pso volumes --eradicate $id --count 5 --yes
}
[ "$(state | grep "${D}" | grep -vc backup)" = 0 ] &&
	calls | grep DELETE | grep -vq "${D}"
[ $? = 1 ]
verdict $? "none is left, and nothing else was eradicated"
python3 -B "$mine/../kube/rights.py" w/kube/calls \
	"$mine/../../docs/rbac/pso.yaml" >idle
check "it used each right that its manifest grants, and no other" \
	eval 'cat idle && [ -s w/kube/calls ] && [ ! -s idle ]'
check "no secret is anywhere" no_secrets
end_servers
exit $failed
