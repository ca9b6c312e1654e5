#!/bin/bash
# varve pso reconstruct: every planted mismatch and nothing else, what keeps it
# from beginning, and whole runs, also killed and failed.
# usage: rebuild.sh VARVE        (EVERY=1: each mismatch alone, too)
name=reconstruct
varve=$(realpath "${1:?usage: rebuild.sh VARVE}")
. "$(dirname "$0")/prelude"
v init -q
capture() { # OPTION...
	v pso capture -q -s lab/pso --values w/values.yaml \
		--kubectl "$mine/../pso/kubectl" --ca-file ca.pem "$@"
}
capture
H=93a2-4c1d-8b55-2f1f8a0c7d11
P=k8s_lab-pvc-000000

# Findings.
finds() { # WHAT STATUS LINES CHANGE...: FINDING CLAIM VOLUME of each
	local rc
	fleet "${@:4}"
	pso reconstruct --json >out 2>log
	rc=$?
	[ $rc = "$2" ] || echo "status $rc" >>log
	python3 -SE -c '
import json
for line in open("out"):
    o = json.loads(line)
    if "finding" in o:
        print(o["finding"], o.get("namespace", "-") + "/" +
              o.get("claim", "-"), o.get("volume", "-"), sep=" ")
' >got
	printf '%s' "$3" | diff - got >>log && [ $rc = "$2" ]
	verdict $? "$1"
}
finds "where all is in order nothing is found" 0 ''
missing="missing ns-3/data-03 ${P}03-$H
" destroyed="destroyed ns-1/data-06 ${P}06-$H
" size="size ns-0/data-05 ${P}05-$H
" duplicate="duplicate ns-4/data-04 ${P}04-$H
" twice="two PVs ns-2/data-07 ${P}07-$H
two PVs erp/again ${P}07-$H
" wrong_id="clusterID erp/old old_lab-pvc-00000320-$H
" lost="no PV erp/lost -
" orphan="orphan -/- ${P%0}00309-$H
" imported="imported erp/oracle pod1::oracle
"
orphan=${orphan/000000309/00000309}
orphan="orphan -/- k8s_lab-pvc-00000309-$H
"
finds "all that is planted, and nothing else" 3 \
	"$missing$destroyed$size$duplicate$twice$wrong_id$lost$orphan$imported" \
	missing destroyed size duplicate twice wrong-id lost orphan imported
grep -q '"pvs":43,"matched":36,"wrong":9' out
verdict $? "and counted"
! often || finds "an imported name is in order" 0 "$imported" imported
if often; then
	for one in missing destroyed size duplicate twice wrong-id lost orphan; do
		line=${one/-/_}
		finds "$one" 3 "${!line}" $one
	done
fi
touch w/down-fa2
finds "a volume is not missing where an array does not answer" 3 \
	"$(for n in 02 06 0a 0e 12 16 1a 1e 22 26; do
		printf 'not seen ns-%d/data-%02d %s%s-%s\n' $((16#$n % 5)) \
			$((16#$n)) $P $n $H
	done)
"
rm w/down-fa2
fleet missing size
touch w/kube/unreachable
pso reconstruct --from lab/pso >out 2>log
[ $? = 3 ] && grep -q "^missing  *ns-3/data-03" out && grep -q '^size' out &&
	! grep -q 'helm' out
verdict $? "the cluster gone, its PVs come from a capture, the volumes from the arrays"
status "and none of it is done" 1 'the cluster must answer' \
	pso reconstruct --from lab/pso --yes --cluster-id k8s_lab
rm w/kube/unreachable

# "None of the gates blocks a reconstruct of a dead datastore".
fleet not-live under-replicated unavailable suspect stale few-ready one-node six \
	cap old-version no-operator
echo 4000 >w/skew-pso-csi-node-0
pso reconstruct >out 2>log
[ $? = 0 ] && ! grep -q '^BAD *gate' out && grep -q '1. see that every array' out
verdict $? "a datastore that is down is no hindrance"
sed -n 1p out | grep -q 'in cluster c1u5-7e4-uid (https://api.lab.example:6443, context lab), '
verdict $? "the cluster comes before all"
sed -n 3p out | grep -q 'What may be mended first'
verdict $? "what may be mended without it comes first"
fleet no-intrusion no-class
rm w/skew-*
pso reconstruct >out 2>log
[ $? = 0 ] && grep -q 'helm uninstall pso-lab -n pso' out
verdict $? "nor is one whose intrusion is gone"

# What keeps it from beginning.
refuses() { # WHAT WORDS OPTION...
	local what=$1 words=$2
	shift 2
	pso reconstruct --yes --cluster-id k8s_lab --deadline 5s "$@" >log 2>&1
	[ $? = 1 ] && grep -q -- "$words" log && no_calls &&
		! grep -qs reconstructor w/executed && [ -z "$(ls store/runs 2>/dev/null)" ]
	verdict $? "$what: it does not begin"
}
fleet
rm -f w/executed
refuses "another clusterID typed" "is 'k8s_prod'" --cluster-id k8s_prod
touch w/down-fa2
refuses "an array that does not answer" 'does not answer, and may have volumes'
rm w/down-fa2
v pso reconstruct --kubectl "$mine/../pso/kubectl" --ca-file ca.pem --yes \
	--array "fa:$FA_EP" --tokens <(echo "$FA_EP $FA_TOKEN") >log 2>&1
[ $? = 1 ] && grep -q -- '--values FILE is wanted: to uninstall PSO takes away' log
verdict $? "no values.yaml: it does not begin"
sed -i 's/APIToken:.*/APIToken: ""/' w/values.yaml
refuses "no tokens" 'no token is known'
fleet
touch w/denied
! often || refuses "a token that is not let in" 'does not let the API token in'
rm w/denied
fleet other-id
refuses "values.yaml of another clusterID" "no PV here is of clusterID 'k8s_prod', and 40 are of others, as 'k8s_lab'" \
	--cluster-id k8s_prod
fleet
sed -i 's/^clusterID:.*/clusterID: k8s-lab/' w/values.yaml
! often || refuses "what is no clusterID" 'is no clusterID: it is of letters' --cluster-id k8s-lab
fleet
touch w/safemode w/kube/namespaces.forbidden
changes=('s/clusterID: k8s_lab/clusterID: k8s_lab2/')
! often || changes+=("/$fa2/,+1d" 's/NFSEndPoint/nfsEndPoint/')
for change in "${changes[@]}"; do
	sed "$change" w/values.yaml >new.yaml
	refuses "a new values.yaml after $change" 'would not do' --new-values new.yaml
done
rm w/safemode w/kube/namespaces.forbidden
sed 's/tag: 6.2.3/tag: 6.2.0/; s/Always/IfNotPresent/; s/(rw,no_root_squash)/(ro)/' \
	w/values.yaml >new.yaml
pso reconstruct --new-values new.yaml >out 2>log
[ $? = 3 ] && grep -qF 'note     values        images.plugin.tag is "6.2.0", and was "6.2.3"' out &&
	grep -qF 'images.plugin.pullPolicy is "IfNotPresent", and was "Always"' out
verdict $? "what a new version changes is told"
grep -qF 'warn     values        flashblade.exportRules is "*(ro)", and was "*(rw,no_root_squash)"' out
verdict $? "export rules that are others are warned of"
grep -q '^warn     version .*is 6.2.0: install at least 6.2.1' out
verdict $? "and a version below 6.2.1"
# These three keep from it while the datastore works; of a dead one see above.
alive="is not dead (5 of 5 replicas are ready), and first is to be mended; "
grep -q "^BAD *gate .*$alive""version: images.plugin.tag is 6.2.0: install at least" out
verdict $? "which is no plan while the datastore works"
refuses "nor begun with, then" "$alive""version: images.plugin.tag is 6.2.0" --new-values new.yaml
fleet cap old-version
echo 4000 >w/skew-pso-csi-node-0
refuses "clocks apart, 20 volumes -u and an old version" \
	"$alive""clocks: .* at least [0-9]* ms ahead of .*; unusable: 20 volumes -u .*; version: 6.1.1 "
sed 's/tag: [0-9.]*/tag: 6.2.3/' w/values.yaml >new.yaml
refuses "and with a version that is new enough" "$alive""clocks: [^;]*; [^;]*; unusable: [^;]*; [^;]*\$" \
	--new-values new.yaml
rm w/skew-*
fleet old-version
sed 's/tag: [0-9.]*/tag: 6.2.3/' w/values.yaml >new.yaml
pso reconstruct --new-values new.yaml >out 2>log
[ $? = 0 ] && ! grep -q '^BAD *gate' out
verdict $? "an old version that is left behind keeps nobody from it"
fleet
snapshot=$(v list --json lab/pso | tail -n 1 | grep -o '"id":"[0-9a-f]*"' | cut -d'"' -f4)
v forget -q "id:$snapshot" 2>log
refuses "no capture" 'the store has no capture of this cluster'
capture -t "$(date -u -d '-2 hours' +%Y-%m-%dT%H:%M:%SZ)"
refuses "one of two hours ago" "is 12[0-9] min old (at most 60)"
if often; then
	touch w/kube/persistentvolumeclaims.forbidden
	capture 2>log
	rm w/kube/persistentvolumeclaims.forbidden
	refuses "one that lacks claims" 'has no kubernetes/persistentvolumeclaims'
	sleep 1
fi
capture
cp -r store/packs whole
for pack in $(find store/packs -type f); do
	printf 'XXXXXXXX' | dd of="$pack" bs=1 conv=notrunc status=none \
		seek=$(($(stat -c %s "$pack") / 3))
done
pso reconstruct --yes --cluster-id k8s_lab --deadline 5s >log 2>&1
[ $? != 0 ] && grep -q 'damaged' log && no_calls
verdict $? "one that does not verify: it does not begin"
rm -r store/packs
mv whole store/packs

# A whole run, with a person at helm.
until_says() { # WORDS
	local n
	for n in $(seq 900); do
		grep -q -- "$1" run.out && return 0
		kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	return 1
}
# The cluster is asked for WORDS twice more: once wholly as it is now, and again, as
# that was not enough.
asks_again() { # WORDS
	local was n
	was=$(grep -c -- "$1" w/kube/calls)
	for n in $(seq 900); do
		[ "$(grep -c -- "$1" w/kube/calls)" -lt $((was + 2)) ] || return 0
		kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	return 1
}
begin() { # OPTION...
	rm -rf store/runs w/calls w/executed
	fleet "${changes[@]}"
	printf 'found 40 volumes\nrebuilt 40 of 40\ntoken %s\n' "$FA_TOKEN" >w/reconstructor
	rm -f w/reconstructor.status
	"$varve" pso reconstruct --values w/values.yaml --ca-file ca.pem \
		--kubectl "$mine/../pso/kubectl" --timeout 20s --yes \
		--cluster-id k8s_lab --deadline 300s "$@" >run.out 2>&1 &
	pid=$!
	until_says 'helm uninstall pso-lab -n pso$'
}
changes=()
begin --test-class pure-block
verdict $? "it says how PSO is uninstalled"
no_calls
verdict $? "and until it is, asks no array for anything"
fleet -k lingering
asks_again 'get pods' && ! grep -q 'Install PSO again' run.out && no_calls
verdict $? "nor while the operator cleans up"
fleet -k uninstalled
until_says 'Install PSO again' && grep -q '^    helm install pso-lab pure/pure-pso -n pso -f .*values.yaml' run.out
verdict $? "then how it is installed again"
[ "$(calls | grep -c 'PATCH.* 200$')" = 7 ] && [ "$(calls | wc -l)" = 7 ] &&
	has fa1 volumes k8s_lab-pso-db_0000000005-u destroyed false
verdict $? "the volumes of the old datastore are put aside by then"
! grep -qs reconstructor w/executed
verdict $? "and db-reconstructor was not run"
fleet -k plugin-not-ready
asks_again 'get pod/pso-csi-controller-0' && ! grep -qs reconstructor w/executed
verdict $? "nor before the plugin's pod is ready"
fleet -k not-live
asks_again 'get pod/pso-csi-controller-0' && ! grep -qs reconstructor w/executed
verdict $? "nor before the new datastore is Live"
fleet -k
wait $pid
rc=$?
cp run.out log
[ $rc = 0 ] && grep -q 'its datastore is empty: new volumes work' run.out
verdict $? "behind that it goes on to the end by itself"
grep -v ' date ' w/executed >got
echo 'pso-csi-controller-0 pso-csi-container db-reconstructor' | diff - got >>log
verdict $? "db-reconstructor ran in the plugin's container, once"
v cat lab/pso/reconstruct:stdout.txt >got 2>>log
printf 'found 40 volumes\nrebuilt 40 of 40\ntoken [redacted]\n' | diff - got >>log
verdict $? "what it said is in the store, without the token"
v cat lab/pso/reconstruct:stderr.txt 2>>log | grep -q 'the other stream' &&
	v cat lab/pso/reconstruct:about.json 2>>log | grep -q '"status":0'
verdict $? "both streams, and its status"
grep -q 'What was attached still is' run.out
verdict $? "what is attached was compared"
grep -q ' create ' w/kube/calls && grep -q ' delete .*persistentvolumeclaim/varve-test' w/kube/calls &&
	[ -z "$(ls w/kube/persistentvolumeclaim)" ]
verdict $? "a claim was made, bound and deleted"
cut -d' ' -f2- store/runs/*/journal | grep -E '^(done|proved|closed)' >got
printf '%s\n' 'done check' 'done uninstall' 'done rename' 'done destroy' \
	'proved new' 'done install' 'done snapshots' 'done reconstruct' \
	'done verify' 'done test-claim' 'done test-clean' 'closed new' | diff - got >>log
verdict $? "step by step, in the document's order"

# Killed, failed, and gone on with.
begin
kill -KILL $pid
wait $pid 2>/dev/null
check "killed as it waits for helm, it is taken back" v rollback -q
[ -z "$(v runs --json 2>&1)" ] && no_calls
verdict $? "and nothing was done"
changes=(snapshots no-definitions)
begin
fleet -k uninstalled snapshots no-definitions
until_says 'Install PSO again'
kill -KILL $pid
wait $pid 2>/dev/null
status "behind the proof nothing is taken back" 1 'varve resume' v rollback
fleet -k snapshots no-definitions
v resume >log 2>&1
[ $? = 1 ] && grep -q 'volumesnapshots.snapshot.storage.k8s.io is not installed' log &&
	grep -q 'three v1beta1 definitions' log && ! grep -qs reconstructor w/executed
verdict $? "missing definitions stop it before db-reconstructor"
fleet -k snapshots
echo 'cannot reach 10.0.0.5' >w/reconstructor
echo 3 >w/reconstructor.status
status "a db-reconstructor that fails" 1 'ended with status 3: one line on the other' \
	v resume
v cat lab/pso/reconstruct:stdout.txt 2>log | grep -q 'cannot reach'
verdict $? "is kept, too"
[ "$(v runs --json | grep -c '"unfinished":true')" = 1 ]
verdict $? "and the run stays open"
rm w/reconstructor.status
fleet -k snapshots detached
check "until it does not" v resume
grep -q 'was attached as it began, and is not now' said/*.err
verdict $? "what is not attached any more is told"
[ -z "$(v runs --json 2>&1)" ] && grep -c reconstructor w/executed | grep -qx 2
verdict $? "it was run twice, and the run is at its end"
changes=()
begin
fleet -k uninstalled
until_says 'Install PSO again'
# a volume that PSO cannot have lost: an array that forgets one
python3 -SE - <<'END'
import json
p = "w/arrays/fa1/volumes.json"
d = json.load(open(p))
d["items"] = [i for i in d["items"] if "pvc-00000000" not in i["name"]]
json.dump(d, open(p, "w"))
END
fleet -k
wait $pid
[ $? = 1 ] && grep -q '39 of 40 PVs have their volume, and 40 had before' run.out
verdict $? "a volume that is gone behind it is no success"
# "with these rights alone"
python3 -B "$mine/../kube/rights.py" w/kube/calls \
	"$mine/../../docs/rbac/pso-reconstruct.yaml" >idle
check "it used each right that its manifest grants, and no other" \
	eval 'cat idle && [ -s w/kube/calls ] && [ ! -s idle ]'

# Killed, it goes on in no other cluster.
begin
fleet -k uninstalled
until_says 'Install PSO again'
kill -KILL $pid
wait $pid 2>/dev/null
sed -i 's/"uid": "[^"]*"/"uid": "elsewhere"/' w/kube/namespaces.json
: >w/kube/calls
status "another cluster is not gone on in" 1 'is of cluster .* and this is elsewhere' v resume
! grep -q ' exec \| create \| get pod' w/kube/calls && ! grep -qs reconstructor w/executed
verdict $? "and nothing was asked or run there"
fleet -k
check "in its own it is" v resume -q
status "a capture of another cluster is none" 1 'no capture of this cluster, elsewhere: .* is of ' \
	eval 'sed -i "s/\"uid\": \"[^\"]*\"/\"uid\": \"elsewhere\"/" w/kube/namespaces.json
	pso reconstruct --yes --cluster-id k8s_lab --deadline 5s'
# nothing keeps the words of the failed run from being looked through
cp run.out said/
check "no secret is anywhere" no_secrets
end_servers
exit $failed
