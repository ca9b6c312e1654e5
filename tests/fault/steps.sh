#!/bin/bash
# Every step that changes a store (create, write, sync, rename, unlink, mkdir,
# catalog commit) of init, add, copy, forget, pin, rebuild, prune and repair: killed before
# it, and failed at it with EIO and ENOSPC.
# usage: steps.sh VARVE WORK LABEL STRIDE     (every STRIDEth step)
set -u
varve=$1 work=$2 label=$3 stride=$4
. "$(dirname "$0")/prelude"
inputs
v init -q "$work/empty" && add "$work/empty" 1 one && cp -a "$work/empty" \
	"$work/first" || exit 1

declare -A words=([EIO]='Input/output error' [ENOSPC]='No space left' [kill]=)

count_of() { # COMMAND...
	rm -f "$work/count"
	VARVE_FAULT="count=$work/count" "$@" >"$work/err" 2>&1 ||
		tell "$*: $(<"$work/err")"
	cat "$work/count"
}

fresh() {
	rm -rf "$work/s"
	[ -z "${1:-}" ] || cp -a "$1" "$work/s"
}

hurt() { # FAULT N COMMAND...
	local fault=$1 n=$2
	shift 2
	case $fault in
	kill) VARVE_FAULT="kill=$n" "$@" ;;
	*) VARVE_FAULT="fail=$n:$fault" "$@" ;;
	esac >"$work/out" 2>"$work/err"
}

# Was it done?  Exit 0 says yes, a failure no, a kill nothing.
done_by() { # STATUS
	case $1 in
	0) echo 1 ;;
	137) ;;
	*) echo 0 ;;
	esac
}

hurt_add() { # FAULT
	local fault=$1 n total status
	fresh "$work/first"
	total=$(count_of add "$work/s" 2 two)
	[ "$total" -ge 20 ] || tell "only $total steps: is this a fault build?"
	for ((n = 1; n <= total; n += stride)); do
		fresh "$work/first"
		hurt "$fault" "$n" v_add
		status=$?
		said_well $status "$fault at $n" "${words[$fault]}"
		must_hold "$work/s" "$fault at $n of $total" "$(done_by $status)"
	done
	end_of "add, $fault at each of $total steps by $stride"
}
v_add() { add "$work/s" 2 two; }

hurt_init() { # FAULT
	local fault=$1 n total status
	fresh
	total=$(count_of v init -q "$work/s")
	for ((n = 1; n <= total; n += stride)); do
		fresh
		hurt "$fault" "$n" v init -q "$work/s"
		status=$?
		said_well $status "$fault at $n" "${words[$fault]}"
		# what is a store already says so; anything else becomes one
		[ $status -eq 0 ] || v init -q "$work/s" >"$work/said" 2>&1 ||
			grep -q 'is a store already' "$work/said" ||
			tell "$fault at $n: init again: $(<"$work/said")"
		add "$work/s" 1 one >"$work/said" 2>&1 ||
			tell "$fault at $n: add: $(<"$work/said")"
		must_go_on "$work/s" "$fault at $n of $total"
	done
	end_of "init, $fault at each of $total steps by $stride"
}

# A command that leaves events: what it says is what is found.
hurt_event() { # FAULT QUERY COMMAND...
	local fault=$1 query=$2 n total status found
	shift 2
	fresh "$work/first"
	total=$(count_of v "$@" --store "$work/s")
	for ((n = 1; n <= total; n += stride)); do
		fresh "$work/first"
		hurt "$fault" "$n" v "$@" --store "$work/s"
		status=$?
		said_well $status "$fault at $n" "${words[$fault]}"
		found=$(v list --all --json --store "$work/s" |
			grep -c "$query")
		case $status in
		0) [ "$found" = 1 ] || tell "$fault at $n: done, not found" ;;
		137) ;;
		*) [ "$found" = 0 ] || tell "$fault at $n: failed, but found" ;;
		esac
		v check -q --read-data --store "$work/s" >"$work/said" 2>&1 ||
			tell "$fault at $n: check: $(<"$work/said")"
		if [ "$1" = forget ] && [ "$found" = 1 ]; then
			v undelete -q --store "$work/s" x@2021-01-01 \
				>"$work/said" 2>&1 ||
				tell "$fault at $n: undelete: $(<"$work/said")"
		fi
		must_go_on "$work/s" "$fault at $n of $total"
	done
	end_of "$1, $fault at each of $total steps by $stride"
}

hurt_rebuild() { # FAULT
	local fault=$1 n total status
	fresh "$work/first"
	v pin -q --store "$work/s" x
	rm -rf "$work/pinned"
	cp -a "$work/s" "$work/pinned"
	total=$(count_of v rebuild -q --store "$work/s")
	for ((n = 1; n <= total; n += stride)); do
		fresh "$work/pinned"
		hurt "$fault" "$n" v rebuild -q --store "$work/s"
		status=$?
		said_well $status "$fault at $n" "${words[$fault]}"
		v list --json --store "$work/s" | grep -q '"pinned":true' ||
			tell "$fault at $n: the pin is lost"
		must_hold "$work/s" "$fault at $n of $total" ""
	done
	end_of "rebuild, $fault at each of $total steps by $stride"
}

# Version 1 was copied; version 2 follows, or not.  A store of the same secret,
# and one of its own.
v_copy() {
	v copy -q --store "$work/from" --to "$work/s" --source x
}
hurt_copy() { # FAULT HOW(like, unlike)
	local fault=$1 how=$2 n total status
	fresh "$work/copy-$how"
	total=$(count_of v_copy)
	[ "$total" -ge 20 ] || tell "only $total steps"
	for ((n = 1; n <= total; n += stride)); do
		fresh "$work/copy-$how"
		hurt "$fault" "$n" v_copy
		status=$?
		said_well $status "$fault at $n" "${words[$fault]}"
		must_hold "$work/s" "$fault at $n of $total" "$(done_by $status)"
	done
	v check -q --read-data --store "$work/from" >"$work/said" 2>&1 ||
		tell "the first store: $(<"$work/said")"
	end_of "copy, $how, $fault at each of $total steps by $stride"
}
v init -q "$work/from" && add "$work/from" 1 one &&
	v init -q --like "$work/from" "$work/copy-like" &&
	v init -q "$work/copy-unlike" || exit 1
for how in like unlike; do
	v copy -q --store "$work/from" --to "$work/copy-$how" x || exit 1
done
add "$work/from" 2 two || exit 1

hurt_prune() { # FAULT
	local fault=$1 n total status whole
	fresh "$work/forgotten"
	total=$(count_of v_prune)
	whole=$(pack_bytes "$work/s")
	[ "$whole" -lt "$(pack_bytes "$work/forgotten")" ] ||
		tell "prune gave nothing back"
	for ((n = 1; n <= total; n += stride)); do
		fresh "$work/forgotten"
		hurt "$fault" "$n" v_prune
		status=$?
		said_well $status "$fault at $n" "${words[$fault]}"
		pruned_must_hold "$fault at $n of $total" "$whole"
	done
	end_of "prune, $fault at each of $total steps by $stride"
}
hurt_repair() { # FAULT
	local fault=$1 n total status by=$((stride * ${repair_every:-1}))
	fresh "$work/broken"
	rm -f "$work/count"
	VARVE_FAULT="count=$work/count" v_repair >"$work/whole" 2>"$work/err"
	[ $? = 4 ] || tell "repair: $(<"$work/err")"
	total=$(<"$work/count")
	[ "$total" -ge 40 ] || tell "only $total steps"
	for ((n = 1; n <= total; n += by)); do
		fresh "$work/broken"
		hurt "$fault" "$n" v_repair
		status=$?
		# also what could not be remembered is no more than a warning
		[ $status = 4 ] && grep -q 'lost something' "$work/err" ||
			said_well $status "$fault at $n" "${words[$fault]}"
		repaired_must_hold "$fault at $n of $total"
	done
	end_of "repair, $fault at each of $total steps by $by"
}
make_forgotten "$work/first" "$work/forgotten" &&
	make_broken "$work/first" "$work/broken" || exit 1

for fault in kill EIO ENOSPC; do
	hurt_repair $fault
	hurt_prune $fault
	hurt_add $fault
	hurt_copy $fault like
	hurt_copy $fault unlike
	hurt_init $fault
	hurt_event $fault '"forgotten":true' forget x@2021-01-01
	hurt_event $fault '"pinned":true' pin x
	hurt_rebuild $fault
done
exit $failed
