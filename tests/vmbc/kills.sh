#!/bin/bash
# A restore of four replicas, killed before each of its steps and failed at it:
# resume brings all of them to wholly new, rollback to wholly old, and nothing is
# started in between.  usage: kills.sh VARVE STRIDE [HOW...]    (of a build with faults)
# EVERY=1: each of COMMANDS with each of FAULTS.
set -u
mine=$(cd "$(dirname "$0")" && pwd)
here=$(cd "$mine/../store" && pwd)
name=vmbc-kills
varve=$(realpath "$1") stride=$2
shift 2
export VARVE_PAUSE_MS=${VARVE_PAUSE_MS:-50}
. "$here/prelude"
cd "$work" || exit 1
all=$work
. "$here/../push/prelude"
. "$here/../push/sweep"
trap 'kill "${server:-}" 2>/dev/null; work=$all; finish' EXIT
no_sync
in_memory
. "$mine/prelude"
# one that is always there: an interpreter for each call would take most of the time
serve_kubectl
make_databases --plain || exit 1
kube_world
make_replicas 3
make_helm
keep_as former
v init -q && v vmbc add -q 3 "$dirs" || exit 1
mv store store.first
mv kube kube.first
RANDOM=5 again=90

again() {
	rm -rf store kube helm
	cp -a store.first store
	cp -a kube.first kube
	make_helm
}
restore() {
	case $how in
	stopped) v vmbc restore -q --yes --lost all --stopped --stored 3 "$dirs" ;;
	place) v vmbc restore -q --yes --lost all --stopped --stored \
		--in-place 3 "$dirs" ;;
	scale) v vmbc restore -q --yes --lost all --stored --scale \
		--kubectl "$kubectl" 3 ;;
	helm) v vmbc restore -q --yes --lost all --stored --release vmbc \
		--chart "$HELM/chart" --helm "$mine/helm" \
		--kubectl "$kubectl" 3 ;;
	esac
}
# While pods run, all of them are new, or all of them are old.
runs_whole() {
	case $how in
	stopped | place) return ;;
	esac
	[ "$(running)" = 0 ] || all_are former || all_have_3 >/dev/null ||
		tell "they run on broken data"
}
must_hold() { # OUTCOME(old, new)
	if [ "$1" = old ]; then
		all_are former || tell "not wholly old"
		[ -z "$(staging)" ] || tell "left behind: $(staging)"
	else
		all_have_3 >difference 2>&1 ||
			tell "not wholly new: $(head -n 1 difference)"
	fi
	[ -z "$(v runs -q --json 2>&1)" ] || tell "unfinished: $(v runs)"
	case $how in
	scale | helm) [ "$(running)" = 4 ] || tell "$(running) run" ;;
	esac
}
is_old() { all_are former; }
go_on() { v "$@"; }
hurt() { # HOW FAULT STRIDE COMMAND...
	local fault=$2 each=$3 n total
	declare -A ends=([old]=0 [new]=0)
	how=$1 sort=$1 told=0 what=unhurt
	shift 3
	again
	VARVE_FAULT="count=$work/count" restore >said 2>&1 || tell "$(<said)"
	total=$(<count)
	must_hold new
	[ "$total" -ge 60 ] || tell "only $total steps"
	for ((n = ${FIRST:-1 + RANDOM % each}; n <= total; n += each)); do
		again
		what="$fault at $n of $total"
		case $fault in
		kill) VARVE_FAULT="kill=$n" restore ;;
		*) VARVE_FAULT="fail=$n:$fault" restore ;;
		esac >said 2>&1
		rc=$?
		# an add is a process of its own, which may be what is killed
		[ $fault != kill ] || [ $rc = 137 ] ||
			grep -q 'was not added to the store' said ||
			tell "status $rc, $(<said)"
		[ $fault = kill ] || [ -z "$(v runs -q --json)" ] ||
			grep -q 'varve r[eo]' said || tell "no word: $(<said)"
		runs_whole
		brought "${@:1 + n / each % $#:1}"
	done
	[ $((${ends[new]} + ${ends[old]})) -gt 0 ] || tell "never"
	[ $told = 0 ]
	verdict $? "$how, $fault to $total by $each: ${ends[old]} old, ${ends[new]} new"
}
if [ "${EVERY:-}" ]; then
	[ $# -gt 0 ] || set -- stopped place scale helm
	for each in "$@"; do
		for command in ${COMMANDS:-resume rollback}; do
			for fault in ${FAULTS:-kill EIO ENOSPC}; do
				hurt "$each" "$fault" "$stride" "$command"
			done
		done
	done
else
	hurt stopped kill "$stride" resume rollback
	hurt place kill "$stride" rollback resume
	hurt scale EIO $((stride * 2)) resume rollback
	hurt helm kill $((stride * 2)) rollback resume
fi
exit $failed
