#!/bin/bash
# A push to each sort of target, killed before each of its steps and failed at
# it: resume brings it to wholly new, rollback to wholly old, and nothing that
# uses it is started in between.
# usage: kills.sh VARVE STRIDE SORT...      (of a build with faults)
set -u
here=$(cd "$(dirname "$0")/../store" && pwd)
name=push-kills
varve=$(realpath "$1") stride=$2
shift 2
. "$here/prelude"
cd "$work" || exit 1
. "$here/../push/prelude"
all=$work
trap 'work=$all; finish' EXIT
in_memory
make_service
trees
make_volume || exit 1
make_no_exchange
v init -q && v add -q -s s new || exit 1
mv store store.first

tell() { # WHY
	[ $told -ge 5 ] || echo "    $sort, $what: $1"
	told=$((told + 1))
}
told=0 what=unhurt rc=0
RANDOM=7

# start asks this: only a whole tree will do
whole_now() {
	cat >whole <<-END
	absent=$absent target=$target sort=$sort work=$work treecmp=$treecmp
	cd $work
	. $work/functions
	is_old || is_new
	END
}
declare -f same is_old is_new without_staging >functions

runs_whole() {
	[ ! -e running ] || loose=1 is_old || loose=1 is_new ||
		tell "it runs on a broken tree"
}
must_hold() { # OUTCOME(old, new)
	local kept
	[ -e running ] || tell "what was stopped was not started"
	[ ! -e broken ] || tell "it was started on a broken tree"
	"is_$1" || tell "it is not wholly $1"
	[ -z "$(v runs -q --json 2>&1)" ] || tell "unfinished: $(v runs)"
	if [ "$1" = old ]; then
		[ -z "$(staged)" ] || tell "left behind: $(staged)"
	elif [ -n "$(staged)" ]; then
		kept=$(staged)/old
		[ -n "$absent" ] && tell "left: $kept"
		same former "$kept" || tell "the former tree is not what it was: $($treecmp former "$kept")"
		v push -q --yes --discard-old "dir:$target" >said 2>&1 ||
			tell "discard: $(<said)"
		is_new || tell "it is not wholly new after the discard"
		[ -z "$(staged)" ] || tell "not discarded: $(staged)"
	fi
}

# After a kill or a failure: brought to an end by one command.
brought() { # COMMAND
	local rc end=new
	[ "$1" = resume ] || end=old
	# and killed again as it goes on, or back
	if [ $((n / stride % 3)) = 0 ]; then
		VARVE_FAULT="kill=$((RANDOM % 60 + 1))" go_on "$1" -q \
			>said 2>&1
		runs_whole
	fi
	if [ -n "$(v runs -q --json 2>said)" ]; then
		go_on "$1" -q >said 2>&1
		rc=$?
		# so far that nothing is taken back
		if [ $rc != 0 ] && grep -q 'wholly new' said &&
			[ "$1" = rollback ]; then
			end=new
			go_on resume -q >said 2>&1
			rc=$?
		elif [ "$1" = resume ] && is_old; then
			end=old		# it was being taken back
		fi
		[ $rc = 0 ] || tell "$1: status $rc: $(<said)"
	else
		[ ! -s said ] || tell "runs: $(<said)"
		is_old && end=old || end=new
	fi
	must_hold $end
	ends[$end]=$((${ends[$end]} + 1))
}

hurt() { # SORT FAULT COMMAND...
	local fault=$2 n total first
	declare -A ends=([old]=0 [new]=0)
	told=0
	fresh "$1"
	whole_now
	VARVE_FAULT="count=$work/count" v push -qn s "dir:$target" >/dev/null
	first=$(($(<count) + 1))
	what=unhurt
	VARVE_FAULT="count=$work/count" push >said 2>&1 || tell "$(<said)"
	total=$(<count)
	must_hold new
	shift 2
	[ $((total - first)) -ge 40 ] || tell "only $((total - first)) steps"
	for ((n = first; n <= total; n += stride)); do
		fresh "$sort"
		what="$fault at $n of $total"
		case $fault in
		kill) VARVE_FAULT="kill=$n" push ;;
		*) VARVE_FAULT="fail=$n:$fault" push ;;
		esac >said 2>&1
		rc=$?
		[ $fault != kill ] || [ $rc = 137 ] || tell "status $rc, $(<said)"
		# it says so, and which command is to be run, or all is well again
		[ $fault = kill ] || [ -z "$(v runs -q --json)" ] ||
			grep -q 'varve r[eo]' said || tell "no word: $(<said)"
		runs_whole
		brought "${@:1 + n / stride % $#:1}"
	done
	[ "${ends[new]}" -gt 0 ] || tell "never new"
	[ $told = 0 ]
	verdict $? "$sort, $fault at $first to $total by $stride: ${ends[old]} old, ${ends[new]} new"
}

for each in "$@"; do
	if [ "${EVERY:-}" ]; then
		for command in resume rollback; do
			hurt "$each" kill $command
			hurt "$each" EIO $command
			hurt "$each" ENOSPC $command
		done
	else
		hurt "$each" kill resume rollback
		hurt "$each" EIO resume rollback
	fi
done
exit $failed
