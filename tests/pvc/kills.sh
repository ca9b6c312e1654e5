#!/bin/bash
# A push to a claim, killed before each of its steps (each call of kubectl, each line
# of the journal) and failed at it: resume brings the volume to wholly new, rollback
# to wholly old; the replicas are as they were, the pod is gone, and nothing was
# started on anything else.
# usage: [EVERY=1] [FAULTS="kill EIO"] kills.sh VARVE STRIDE 
#   VARVE: of a build with faults
set -u
mine=$(cd "$(dirname "$0")" && pwd)
here=$mine/../store
name=pvc-kills
varve=$(realpath "$1") stride=$2
shift 2
. "$here/prelude"
. "$mine/../kube/prelude"
. "$mine/prelude"
. "$mine/look"
. "$mine/../push/sweep"
# The script that moves entries is killed at the Nth one, in its pod, and varve with it.
make_mv() {
	local mv
	mv=$(command -v mv)
	mkdir bin
	cat >bin/mv <<-END
		#!/bin/bash
		[ "\$1 \$2" = "-n -t" ] && [ -e $work/left ] || exec $mv "\$@"
		for entry in "\${@:5}"; do
			left=\$(<$work/left)
			echo \$((left - 1)) >$work/left
			if [ \$left = 0 ]; then
				rm $work/left
				read -r _ _ _ script _ </proc/\$PPID/stat
				kill -9 \$(<$work/pid) \$script \$PPID
				exit 1
			fi
			$mv -n -t "\$3" -- "\$entry" || exit
		done
	END
	chmod +x bin/mv
}

cd "$work" || exit 1
all=$work
trap 'kill "${server:-}" 2>/dev/null; work=$all; finish' EXIT
in_memory
KUBE=$work/kube
make_mv
PATH=$work/bin:$PATH serve_kubectl
make_treecmp
treecmp=$work/treecmp
make_trees
fresh
mv kube kube.first

fresh() {
	rm -rf kube store/runs saw was
	cp -a kube.first kube
	inode=$(stat -c %i "$volume/lost+found")
}
begin() { push -q; }
before() { push -n; }
go_on() { v "$@"; }
is_old() { [ "$(what)" = old ]; }
runs_whole() {
	! grep -q mixed saw 2>/dev/null || tell "it was started on a mixture"
}
must_hold() { # OUTCOME(old, new)
	runs_whole
	settled "$1" || tell "it is not wholly $1, or something is left: $(what), $(ls -A "$volume" | xargs)"
}

at_entry() { # N COMMAND...: it is killed there
	echo "$1" >left
	(
		v() { echo "$BASHPID" >pid; exec "$varve" "$@"; }
		"${@:2}"
	) >said 2>&1 &
	wait $! 2>/dev/null
	[ $? = 137 ] && [ ! -e left ] || tell "not killed: $(<said)"
}
entries() { # COMMAND
	local n count
	declare -A ends=([old]=0 [new]=0)
	sort=entries told=0
	count=$(find former new -mindepth 1 -maxdepth 1 -printf x | wc -c)
	for ((n = 0; n < count; n++)); do
		fresh
		what="killed at entry $n of $count, $1"
		at_entry $n push -q
		runs_whole
		brought "$1"
		# all is in place but one, and back from there it is killed
		[ $n -lt $((count - 1)) ] || continue
		fresh
		what="killed at entry $n of $((count - 1)) on the way back, $1"
		at_entry $((count - 1)) push -q
		at_entry $n v rollback -q
		brought "$1"
	done
	[ $told = 0 ]
	verdict $? "each of $count entries, there and back: ${ends[old]} old, ${ends[new]} new"
}
sweep volume
if [ "${EVERY:-}" ]; then
	entries resume
	entries rollback
fi
exit $failed
