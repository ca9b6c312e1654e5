#!/bin/bash
# A push to a claim, killed before each of its steps (each call of kubectl, each line
# of the journal) and failed at it: resume brings the volume to wholly new, rollback
# to wholly old; the replicas are as they were, the pod is gone, and nothing was
# started on anything else.
# usage: [EVERY=1] [FAULTS="kill EIO"] kills.sh VARVE STRIDE [SORT...]
#   VARVE: of a build with faults
#   SORT: volume, dir (a directory of it), absent (one that is not there); moves-SORT:
#   killed after each move of what is swapped, there and back; alone-SORT: varve alone
#   is killed there, and what it began in the pod goes on
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
# After N moves the script that does them is killed in its pod, and varve with it; or,
# where there is a file alone, varve only, and the script goes on so many seconds later.
make_moves() {
	mkdir bin
	cat >bin/struck <<-END
		work=$work
		struck() { # MOVES PROCESS...
			local left
			[ -e \$work/left ] || return 0
			read -r left <\$work/left
			echo \$((left - \$1)) >\$work/left
			[ "\$left" = 0 ] || return 0
			rm \$work/left
			kill -9 \$(<\$work/pid)
			[ ! -e \$work/alone ] || { sleep "\$(<\$work/alone)"; return; }
			kill -9 "\${@:2}"
			exit 1
		}
	END
	cat >bin/mv <<-END
		#!/bin/bash
		. $work/bin/struck
		mv=$(command -v mv)
		case "\$1 \$2" in
		"-n -t")
			read -r _ _ _ script _ </proc/\$PPID/stat
			for entry in "\${@:5}"; do
				struck 1 \$script \$PPID
				\$mv -n -t "\$3" -- "\$entry" || exit
				touch $work/moved
			done
			;;
		-T*)
			struck 1 \$PPID
			\$mv "\$@" && touch $work/moved
			;;
		*) exec \$mv "\$@" ;;
		esac
	END
	# all is moved
	cat >bin/sync <<-END
		#!/bin/bash
		. $work/bin/struck
		[ ! -e $work/moved ] || struck 0 \$PPID
		exec $(command -v sync) "\$@"
	END
	chmod +x bin/mv bin/sync
}

cd "$work" || exit 1
all=$work
trap 'kill "${server:-}" 2>/dev/null; work=$all; finish' EXIT
in_memory
KUBE=$work/kube
make_moves
PATH=$work/bin:$PATH serve_kubectl
make_treecmp
treecmp=$work/treecmp
make_trees
fresh
mv kube kube.first
mv new pushed

# What there is to be seen in the volume, new and old: $target of it is replaced.
sort_of() { # SORT
	rm -rf new
	case $1 in
	volume) target= ;;
	dir) target=sub ;;
	absent) target=fresh ;;
	esac
	if [ -z "$target" ]; then
		cp -a pushed new
		rm -f inside
	else
		cp -a former new
		rm -rf "new/$target"
		cp -a pushed "new/$target"
		touch -r former new
		touch inside
	fi
}
fresh() { # SORT
	[ "$1" = "${made:-}" ] || sort_of "$1"
	made=$1
	rm -rf kube store/runs saw was
	cp -a kube.first kube
	inode=$(stat -c %i "$volume/lost+found")
}
begin() { push -q; }
before() { push -n; }
push() {
	v push --yes --kubectl "$kubectl" --image debian:12-slim \
		--scale deployment/web "$@" s "pvc:shop/data${target:+:$target}"
}
go_on() { v "$@"; }
is_old() { [ "$(what)" = old ]; }
runs_whole() {
	! grep -q mixed saw 2>/dev/null || tell "it was started on a mixture"
}
# what it began in the pod comes to its end
scripts_end() {
	while pgrep -P "$server" >/dev/null; do sleep 0.1; done
}
must_hold() { # OUTCOME(old, new)
	scripts_end
	runs_whole
	settled "$1" || tell "it is not wholly $1, or something is left: $(what), $(ls -A "$volume" | xargs)"
	[ "$1" = new ] || return 0
	if [ "$sort" = absent ]; then
		[ ! -e "$(staged)/old" ] || tell "left: $(staged)/old"
	else
		"$treecmp" --ignore mtime-of-dirs "former/$target" "$(staged)/old" \
			>differs 2>&1 || tell "the former tree is not what it was: $(<differs)"
	fi
}

at_move() { # N COMMAND...: it is killed there
	rm -f moved
	echo "$1" >left
	(
		v() { echo "$BASHPID" >pid; exec "$varve" "$@"; }
		"${@:2}"
	) >said 2>&1 &
	wait $! 2>/dev/null
	[ $? = 137 ] && [ ! -e left ] || tell "not killed: $(<said)"
	rm -f left
}
# How many there are; COMMAND comes to its end.
moves_of() { # COMMAND...
	echo 1000 >left
	"$@" >said 2>&1 || tell "$(<said)"
	echo $((1000 - $(<left)))
	rm left
}
moves() { # SORT COMMAND [SECONDS]: varve alone is killed, the script goes on so late
	local n there back
	declare -A ends=([old]=0 [new]=0)
	sort=$1 told=0 what=unhurt
	shift
	rm -f alone
	fresh "$sort"
	there=$(moves_of push -q)
	fresh "$sort"
	at_move "$there" push -q
	back=$(moves_of v rollback -q)
	[ -z "${2:-}" ] || echo "$2" >alone
	for ((n = ${FIRST:-0}; n <= ${LAST:-$there}; n++)); do
		fresh "$sort"
		what="killed after $n of $there moves, $1"
		at_move $n push -q
		runs_whole
		brought "$1"
	done
	for ((n = ${FIRST:-0}; n <= ${LAST:-$back}; n++)); do
		fresh "$sort"
		what="killed after $n of $back moves back, $1"
		at_move "$there" push -q
		at_move $n v rollback -q
		brought "$1"
	done
	rm -f alone
	[ $told = 0 ]
	verdict $? "$sort${2:+, in the pod it goes on}, after ${FIRST:-0} to ${LAST:-$there} of $there moves, and of $back back, $1: ${ends[old]} old, ${ends[new]} new"
}
for each in "${@:-volume}"; do
	case $each in
	moves-*) late= ;;
	alone-*) late=2 ;;
	*)
		sweep "$each"
		continue
		;;
	esac
	for command in ${COMMANDS:-resume rollback}; do
		moves "${each#*-}" "$command" $late
	done
done
exit $failed
