#!/bin/bash
# A backup, a clean and restores, killed before each STRIDEth of their steps: resume
# brings each to its end, rollback to what was, and DV has its counts and no marker.
# usage: kills.sh VARVE STRIDE [backup|clean|restore|store|first]...
#                                  (a build with faults; COMMANDS: resume rollback)
set -u
mine=$(cd "$(dirname "$0")" && pwd)
here=$mine/../store
name=dv-kills
. "$here/prelude"
varve=$(realpath "$1") stride=$2
shift 2
cd "$work" || exit 1
export VARVE_PAUSE_MS=${VARVE_PAUSE_MS:-100}
all=$work
trap 'server_stop; work=$all; finish' EXIT
no_sync
in_memory
. "$mine/prelude"
server_start

tell() { # WHY
	[ $told -ge 5 ] || echo "    $what: $1"
	told=$((told + 1))
}
# The instance with two backups, one of them in the store only.
world
v init -q
dv backup -q --yes --room 1 2>log || { cat log; exit 1; }
files_of "$versioned" >files.first
clock $second
echo changed >>"$versioned/engine/db2/log"
dv backup -q --yes --room 1 2>log || { cat log; exit 1; }
files_of "$versioned" >files.second
cp -a "$KUBE" both.kube && cp -a store both.store
dv clean -q --yes --keep 1 2>log || { cat log; exit 1; }
clock 2021-01-24-19-27-31
# what it is now is in no backup
echo later >>"$versioned/engine/db2/log"
files_of "$versioned" >files.now
cp -a "$KUBE" one.kube && cp -a store one.store

fresh() {
	jobs_stop
	rm -rf store "$KUBE"
	case $use in
	clean) cp -a both.kube "$KUBE" && cp -a both.store store ;;
	*) cp -a one.kube "$KUBE" && cp -a one.store store ;;
	esac
	remember
}
act() {
	case $use in
	backup) dv backup -q --yes --room 1 ;;
	clean) dv clean -q --yes --keep 1 ;;
	restore) dv restore -q --yes --by-link ;;
	store) dv restore $first -q --yes ;;
	first) dv restore $first -q --yes --backup-first --room 1 ;;
	esac
}
# What must hold, whichever way it went.
at_rest() {
	[ "$(replicas)" = "1 2 1 " ] || tell "replicas: $(replicas)"
	unmarked || tell "a marker is left"
	no_readers || tell "a pod that looks is left: $(ls "$KUBE/objects/jobs")"
	no_runs || tell "unfinished: $(v runs)"
	[ -e "$(echo "$bar"/"$(basename "$(dirname "$(link)")")"/dv_backup.tar.gz)" ] ||
		tell "the link: $(link)"
	[ -z "$(cd "$bar" && echo .varve*)" ] || [ "$(cd "$bar" && echo .varve*)" = ".varve*" ] ||
		tell "left: $(cd "$bar" && echo .varve*)"
}
is_new() {
	case $use in
	backup) [ -e "$bar/2021-01-24-19-27-31/dv_backup.tar.gz" ] &&
		v list --json | grep -q 2021-01-24T ;;
	clean) [ ! -e "$bar/$first" ] ;;
	restore) files_of "$versioned" | cmp -s - files.second && [ "$(link)" = "$former" ] ;;
	store) files_of "$versioned" | cmp -s - files.first && [ "$(link)" = "$former" ] ;;
	first) files_of "$versioned" | cmp -s - files.first ;;
	esac
}
is_old() {
	case $use in
	restore | store) files_of "$versioned" | cmp -s - files.now || return ;;
	# the backup that was made first stays
	first) files_of "$versioned" | cmp -s - files.now && return ;;
	esac
	[ "$(cd "$bar" && ls)" = "$listing" ] && [ "$(link)" = "$former" ]
}

hurt() { # COMMAND
	local n total end rc
	declare -A ends=([old]=0 [new]=0)
	told=0 what="$use unhurt"
	fresh
	VARVE_FAULT="count=$work/count" act >said 2>&1 || tell "$(<said)"
	total=$(<count)
	is_new || tell "it is not done"
	at_rest
	[ "$total" -ge 20 ] || tell "only $total steps"
	for ((n = ${FIRST:-1 + RANDOM % stride}; n <= total; n += stride)); do
		fresh
		what="$use, killed at $n of $total, $1"
		VARVE_FAULT="kill=$n" act >said 2>&1
		rc=$? had=
		# what is asked for again, as a pod takes its time, counts too
		[ $rc = 137 ] || { [ $rc = 0 ] && [ $n -gt $((total - 10)) ]; } ||
			tell "status $rc, $(<said)"
		if [ -n "$(v runs -q --json 2>said)" ]; then
			had=1
			# and once more as it goes on
			[ $((n / stride % 3)) != 0 ] || VARVE_FAULT="kill=$((RANDOM % 8 + 1))" v "$1" -q >said 2>&1
			if [ -n "$(v runs -q --json 2>said)" ]; then
				v "$1" -q >said 2>&1
				rc=$?
				# too far to be taken back: but not where a backup was made first
				[ $rc = 0 ] || [ "$1" = resume ] ||
					{ [ $use = first ] && ! grep -q 'wholly new' said; } ||
					{ v resume -q >said 2>&1; rc=$?; }
				[ $rc = 0 ] || tell "$1: status $rc: $(<said)"
			fi
		else
			# the pod that looked ends by itself after a while
			rm -f "$KUBE"/objects/jobs/varve-dv-*
		fi
		at_rest
		end=none
		if is_new; then end=new; elif is_old; then end=old; fi
		[ $end != none ] || tell "neither: $(ls "$bar")"
		# of two runs it may have been the first
		[ "$1" != resume ] || [ $end = new ] || [ -z "$had" ] || [ $use = first ] ||
			tell "it went on, and is not done"
		ends[$end]=$((${ends[$end]:-0} + 1))
	done
	[ $told = 0 ]
	verdict $? "$use: killed at each ${stride}th of $total steps, $1: ${ends[old]} wholly old, ${ends[new]} wholly new"
}
RANDOM=7
[ $# -gt 0 ] || set -- backup clean restore store first
for use in "$@"; do
	for command in ${COMMANDS:-resume rollback}; do
		hurt "$command"
	done
done
exit $failed
