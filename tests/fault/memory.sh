#!/bin/bash
# No memory: single allocations, and all from one on, fail in add, copy, check,
# cat, restore, forget and rebuild.
# usage: memory.sh VARVE WORK LABEL FAILMALLOC.so SAMPLES
set -u
varve=$1 work=$2 label=$3 preload=$4 samples=$5
. "$(dirname "$0")/prelude"
inputs
v init -q "$work/first" && add "$work/first" 1 one || exit 1

starved() { # HOW COMMAND...
	local how=$1
	shift
	# env: what is preloaded takes itself out of the environment, and timeout
	# would be all that starves
	timeout 60 env FAILMALLOC="$how" LD_PRELOAD="$preload" "$varve" "$@" \
		>"$work/out" 2>"$work/err"
}

# It says so and ends, or could do without.
said_memory() { # STATUS WHEN
	case $1 in
	0) return ;;
	1 | 3) ;;
	*)
		tell "$2: exit status $1: $(<"$work/err")"
		return
		;;
	esac
	grep -qi 'memory' "$work/err" ||
		tell "$2: exit status $1: $(<"$work/err")"
}

sample() { # NAME AFTER COMMAND...   (AFTER: a function, given when and status)
	local name=$1 after=$2 total step n how status
	shift 2
	rm -rf "$work/s" "$work/to" "$work/count"
	cp -a "$work/first" "$work/s"
	FAILMALLOC_COUNT=$work/count LD_PRELOAD=$preload "$varve" "$@" \
		>"$work/out" 2>"$work/err" || tell "$name: $(<"$work/err")"
	total=$(<"$work/count")
	step=$((total / samples + 1))
	for ((n = 1; n <= total; n += step)); do
		for how in $n $n+; do
			rm -rf "$work/s" "$work/to"
			cp -a "$work/first" "$work/s"
			starved $how "$@"
			status=$?
			said_memory $status "$name, allocation $how"
			$after "$name, allocation $how of $total" $status
		done
	done
	end_of "$name without memory, $samples of $total allocations"
}

is_sound() { # WHEN STATUS
	v check -q --read-data --store "$work/s" >"$work/said" 2>&1 ||
		tell "$1: check: $(<"$work/said")"
	equals "$work/s" 1 one || tell "$1: the first: $(<"$work/said")"
}
was_added() { # WHEN STATUS
	case $2 in
	0) must_hold "$work/s" "$1" 1 ;;
	1) must_hold "$work/s" "$1" 0 ;;
	3) part_must_hold "$1" ;;
	*) must_hold "$work/s" "$1" "" ;;
	esac
}
# What could not be read is missing, the snapshot says so, and what it has is
# as it was.
part_must_hold() { # WHEN
	is_sound "$1"
	rm -rf "$work/part"
	v restore -q --no-sync --incomplete --store "$work/s" \
		x@2021-01-02T00-00-00Z "$work/part" >"$work/said" 2>&1 ||
		tell "$1: the incomplete one: $(<"$work/said")"
	diff -r --no-dereference "$work/two" "$work/part" 2>&1 |
		grep -v "^Only in $work/two" >"$work/said" &&
		tell "$1: the incomplete one differs: $(<"$work/said")"
	must_go_on "$work/s" "$1"
}
was_shown() { # WHEN STATUS
	[ "$2" -ne 0 ] || cmp -s "$work/out" "$work/one/d/n" ||
		tell "$1: other bytes, and status 0"
}
was_restored() { # WHEN STATUS
	[ "$2" -ne 0 ] ||
		diff -r --no-dereference "$work/one" "$work/to" \
			>"$work/said" 2>&1 ||
		tell "$1: status 0, but $(<"$work/said")"
}
was_forgotten() { # WHEN STATUS
	v undelete -q --store "$work/s" x@2021-01-01 >/dev/null 2>&1
	is_sound "$@"
}
none() { :; }

sample add was_added add -q --store "$work/s" -s x -t 2021-01-02T00:00:00Z \
	"$work/two"
cp -a "$work/first" "$work/from" && add "$work/from" 2 two || exit 1
sample copy was_added copy -q --store "$work/from" --to "$work/s" --source x
sample check none check -q --read-data --store "$work/s"
sample cat was_shown cat --store "$work/s" x:d/n
sample restore was_restored restore -q --no-sync --store "$work/s" x "$work/to"
sample forget was_forgotten forget --store "$work/s" x@2021-01-01
sample rebuild is_sound rebuild -q --store "$work/s"
exit $failed
