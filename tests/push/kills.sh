#!/bin/bash
# A push to each sort of target, killed before each of its steps and failed at
# it: resume brings it to wholly new, rollback to wholly old, and nothing that
# uses it is started in between.
# usage: [EVERY=1] [FAULTS="kill EIO"] kills.sh VARVE STRIDE SORT...
#   VARVE: of a build with faults
#   SORT: dir, volume, absent, rename (names cannot be exchanged)
#   FAULTS: kill, cut-dropped, cut-zeros, cut-random (the power goes), an errno
set -u
here=$(cd "$(dirname "$0")/../store" && pwd)
name=push-kills
varve=$(realpath "$1") stride=$2
shift 2
. "$here/prelude"
cd "$work" || exit 1
. "$here/../push/prelude"
. "$here/../push/sweep"
all=$work
trap 'work=$all; finish' EXIT
in_memory
make_service
trees
make_volume || exit 1
make_no_exchange
make_cut
v init -q && v add -q -s s new || exit 1
mv store store.first

begin() { push; }
before() { push -n; }
# start asks this: only a whole tree will do
cat >whole <<-END
	. $work/sort
	work=$work treecmp=$treecmp
	cd $work
	. $work/functions
	is_old || is_new
END
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
	! unfinished || tell "unfinished: $(v runs)"
	[ ! -s said.runs ] || tell "runs: $(<said.runs)"
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
sweep "$@"
exit $failed
