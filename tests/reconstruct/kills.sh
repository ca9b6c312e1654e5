#!/bin/bash
# A reconstruct with helm, killed before each STRIDEth of its steps: resume brings it to
# its end, rollback to the volumes as they were.  No array is asked for a change before
# PSO is uninstalled, it is installed only when all are put aside, and db-reconstructor
# runs only then.  usage: kills.sh VARVE STRIDE     (of a build with faults; COMMANDS:
# resume rollback)
name=reconstruct-kills
varve=$(realpath "${1:?usage: kills.sh VARVE STRIDE}") stride=$2
export VARVE_PAUSE_MS=${VARVE_PAUSE_MS:-50}
. "$(dirname "$0")/prelude"
export HELM=$work/w/helm
mkdir chart
v init -q && mv store store.empty
state() {
	python3 -SE - <<'END'
import json
for a, q in (("fa1", "volumes"), ("fa2", "volumes"), ("fb1", "file-systems")):
    for i in sorted(json.load(open("w/arrays/%s/%s.json" % (a, q)))["items"],
                    key=lambda i: i["id"]):
        print(a, i["id"], i["name"], i["destroyed"])
END
}
told=0 what=unhurt
tell() { # WHY
	[ $told -ge 5 ] || echo "    $what: $1"
	told=$((told + 1))
}
# What the cluster says of itself ages, as does a capture: both are made anew.
renew() {
	[ -z "${renewed:-}" ] || [ $((SECONDS - renewed)) -ge 240 ] || return
	rm -rf fleets/* aside
	mkdir aside
	"$mine/fleet.py" aside/installed && "$mine/fleet.py" aside/uninstalled uninstalled
	fleet
	rm -rf store.first
	cp -a store.empty store
	v pso capture -q -s lab/pso --values w/values.yaml --ca-file ca.pem \
		--kubectl "$mine/../pso/kubectl" || tell "no capture"
	mv store store.first
	renewed=$SECONDS
}
begin() {
	renew
	rm -rf store w/calls w/executed "$HELM"
	cp -a store.first store
	fleet
	cp -r aside "$HELM"
	echo deployed >"$HELM/status"
	echo 'rebuilt 40 of 40' >w/reconstructor
	rm -rf said/*
}
reconstruct() {
	"$varve" pso reconstruct --values w/values.yaml --ca-file ca.pem ${quiet--q} \
		--kubectl "$mine/../pso/kubectl" --timeout 20s --yes \
		--cluster-id k8s_lab --deadline 20s --chart chart \
		--helm "$mine/helm" --test-class pure-block
}
ran() { grep -c reconstructor w/executed 2>/dev/null; }
in_order() {
	local n rest
	while read -r n rest; do
		case $rest in
		uninstall*) [ "$n" = 0: ] || tell "arrays were asked before PSO was gone" ;;
		install*) [ "${n%:}" -ge 7 ] || tell "installed before all was put aside" ;;
		esac
	done < <(cat "$HELM/calls" 2>/dev/null)
	[ -e "$HELM/calls" ] || ! [ -s w/calls ] || tell "arrays were asked, and PSO is there"
	[ "$(ran)" = 0 ] || [ -z "$(ran)" ] || grep -q ': install' "$HELM/calls" ||
		tell "db-reconstructor ran before PSO was installed"
}
is_new() {
	state | cmp -s - new || tell "not new: $(state | diff - new | head -n 2)"
	[ -e "$HELM/status" ] || tell "PSO is not installed"
	[ "$(ran)" -ge 1 ] || tell "db-reconstructor did not run"
	[ -z "$(ls w/kube/persistentvolumeclaim 2>/dev/null)" ] || tell "its claim is left"
	"$varve" ls lab/pso/reconstruct >said/ls 2>&1 || tell "what it said is not kept"
}
is_old() {
	state | cmp -s - was || tell "not old: $(state | diff - was | head -n 2)"
	[ "$(ran)" = 0 ] || [ -z "$(ran)" ] || tell "db-reconstructor ran"
}
once() { # N resume|rollback
	local end=new rc
	what="killed at $1 of $total, $2"
	begin
	VARVE_FAULT=kill=$1 reconstruct >out 2>&1
	rc=$?
	# how often it has to ask is not always the same
	[ $rc = 137 ] || { [ $rc = 0 ] && [ "$1" -gt $((total - 10)) ]; } ||
		tell "status $rc: $(<out)"
	in_order
	if [ -n "$("$varve" runs -q --json 2>&1)" ]; then
		# and once more as it goes on, or back
		[ $(($1 / stride % 3)) != 0 ] ||
			VARVE_FAULT=kill=$((RANDOM % 40 + 1)) "$varve" "$2" -q >out 2>&1
		in_order
	fi
	if [ -n "$("$varve" runs -q --json 2>&1)" ]; then
		"$varve" "$2" -q >out 2>&1
		rc=$?
		[ "$2" = resume ] || [ $rc != 0 ] || end=old
		if [ "$2" = rollback ] && [ $rc != 0 ] && grep -q 'wholly new' out; then
			"$varve" resume -q >out 2>&1
			rc=$?
		fi
		[ $rc = 0 ] || tell "status $rc: $(<out)"
	else
		! state | cmp -s - was || end=old
	fi
	[ -z "$("$varve" runs -q --json 2>&1)" ] || tell "unfinished: $("$varve" runs)"
	in_order
	"is_$end"
	ends[$end]=$((${ends[$end]} + 1))
}
begin
state >was
total=0
VARVE_FAULT=count=$work/count reconstruct >out 2>&1 || tell "$(<out)"
total=$(<count)
state >new
! cmp -s was new || tell "nothing was put aside"
in_order
is_new
[ "$total" -ge 60 ] || tell "only $total steps"
RANDOM=3
for command in ${COMMANDS:-resume rollback}; do
	declare -A ends=([old]=0 [new]=0)
	for ((n = ${FIRST:-1 + RANDOM % stride}; n <= total; n += stride)); do
		once $n "$command"
	done
	[ $told = 0 ] && [ $((${ends[old]} + ${ends[new]})) -gt 0 ]
	verdict $? "killed at each ${stride}th of $total steps, $command: ${ends[old]} old, ${ends[new]} new"
	told=0
done
# An installation that helm does not finish.
begin
touch "$HELM/fail"
status "an installation that fails" 1 'INSTALLATION FAILED' reconstruct
status "is not done over by itself" 5 "is 'failed'" "$varve" resume
rm "$HELM/fail" "$HELM/status"
check "uninstalled by hand, it is" "$varve" resume -q
told=0
is_new
in_order
verdict $told "and the run is at its end"
begin
fleet many-attached
rm -r "$HELM"/*installed
"$mine/fleet.py" "$HELM/installed" many-attached
"$mine/fleet.py" "$HELM/uninstalled" uninstalled many-attached
check "2040 volumes that are attached" eval "quiet= reconstruct >told 2>&1"
grep -q '^2000 that were attached were compared, 40 more were not' told
verdict $? "are not said to have been compared all"
begin
echo pending-upgrade >"$HELM/status"
status "a release that is not as it should be: it does not begin" 1 "is 'pending-upgrade'" reconstruct
rm "$HELM/status"
status "nor where helm has none" 1 'has no release' reconstruct
[ ! -s w/calls ] && [ -z "$("$varve" runs -q --json 2>&1)" ]
verdict $? "and nothing was done"
end_servers
exit $failed
