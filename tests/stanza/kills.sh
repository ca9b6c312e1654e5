#!/bin/bash
# A stanza, killed before each step that changes something, by itself or in the dump:
# resume brings it to its end, rollback to where nothing was made, or says that the
# stanza is there; none is made before a whole dump is in the store.
# usage: kills.sh VARVE STRIDE      (of a build with faults)
mine=$(cd "$(dirname "$0")" && pwd)
here=$mine/../store
name=stanza-kills
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
varve=$(realpath "$1") stride=$2
. "$here/prelude"
v() { "$varve" "$@"; }
export VARVE_PAUSE_MS=${VARVE_PAUSE_MS:-50}
cd "$work" || exit 1
. "$mine/prelude"

told=0 what=
tell() { # WHY
	[ $told -ge 5 ] || echo "    $what: $1"
	told=$((told + 1))
}
is_there() { [ -e "$KUBE/stanza" ]; }
# Whatever came before.
must_hold() {
	no_runs || tell "unfinished: $(v runs)"
	! grep -q NOT-DUMPED "$KUBE/created" 2>/dev/null ||
		tell "a stanza was made without a dump in the store"
	! is_there || has_dump || tell "there is no dump"
	v check -q >said 2>&1 || tell "check: $(<said)"
}
ended_well() {
	is_there || tell "there is no stanza"
	[ "$(v ls lab/pg_stanza/ha/hippo 2>/dev/null | grep -c 'log$\|json$')" -eq 3 ] ||
		tell "the report is not whole"
}
go_on() {
	local back=
	# as where the dump was hit, too: what is taken back goes on so, unless the
	# stanza is there
	! v runs --json | grep -q 'going back' || back=1
	v resume -q >said 2>&1 || tell "resume: $(<said)"
	[ "$back" ] && ! is_there || ended_well
}
go_back() {
	if v rollback -q >said 2>&1; then
		! is_there || tell "it was rolled back, and the stanza is there"
	elif is_there && grep -q "varve resume" said; then
		go_on
	else
		tell "rollback: $(<said)"
	fi
}
once() { # FAULT go_on|go_back
	local rc
	what="$1, then $2"
	new_store
	rm -rf "$KUBE"
	cp -a kube.first "$KUBE"
	VARVE_FAULT=$1 "$varve" pg stanza -q -s lab $kubectl --yes ha/hippo \
		>said 2>&1
	rc=$?
	if no_runs; then
		# before it began, or behind its end, or the dump was hit
		[ $rc -eq 0 ] || ! is_there || ended_well
		[ $rc -ne 0 ] || ended_well
	else
		"$2"
	fi
	must_hold
}
new_store
hippo
cp -a "$KUBE" kube.first
VARVE_FAULT=count=$work/count stanza -q --yes ha/hippo >said 2>&1 ||
	tell "unhurt: $(<said)"
steps=$(<count)
for n in $(seq "${FIRST:-1}" "$stride" "$steps"); do
	once "kill=$n" go_on
	once "kill=$n" go_back
	[ -z "${EVERY:-}" ] || once "fail=$n:EIO" go_on
done
[ "$steps" -gt 50 ]
verdict $? "a run has its $steps steps"
[ $told -eq 0 ]
verdict $? "killed at each ${stride}th, it comes to an end that is known"
exit $failed
