#!/bin/bash
# Power cuts: an add is ended after each of its steps, and what a disk may then
# hold (replay.c) must be a store with all earlier snapshots, without a catalog,
# with the one of before, and with the one the add had got to.
# usage: cuts.sh VARVE WORK LABEL REPLAY "VARIANT CATALOG SEED;…" STRIDE
set -u
varve=$1 work=$2 label=$3 replay=$4 variants=$5 stride=$6
. "$(dirname "$0")/prelude"
inputs
v init -q "$work/first" && add "$work/first" 1 one || exit 1

# One run of add 2 that ends before step N; leaves log, ended store.
cut_run() { # N
	rm -rf "$work/ended" "$work/cut.log"
	cp -a "$work/first" "$work/ended"
	VARVE_FAULT="kill=$1 log=$work/cut.log" v add -q --workers 1 \
		--store "$work/ended" -s x -t 2021-01-02T00:00:00Z \
		"$work/two" >"$work/out" 2>"$work/err"
}

# $work/s: what is left of it, and how many records were durable: $durable.
after_cut() { # VARIANT CATALOG SEED
	rm -rf "$work/s"
	cp -a "$work/first" "$work/s"
	[ -s "$work/cut.log" ] || return 0
	durable=$("$replay" "$work/cut.log" "$work/s" "$1" "$3") || {
		tell "replay failed"
		return 1
	}
	case $2 in
	none) rm -f "$work/s"/catalog.db* ;;
	older) ;;
	ahead) cp "$work/ended"/catalog.db* "$work/s/" ;;
	torn)
		cp "$work/ended"/catalog.db* "$work/s/"
		[ ! -s "$work/s/catalog.db-wal" ] || truncate -s \
			$(($(stat -c %s "$work/s/catalog.db-wal") / 2)) \
			"$work/s/catalog.db-wal"
		rm -f "$work/s/catalog.db-shm"
		;;
	esac
}

one_cut() { # N
	local n=$1 v
	while read -r -d ';' v; do
		set -- $v
		durable=0
		after_cut "$@" || return
		if [ "$durable" -gt 0 ] || [ $ended -eq 0 ]; then
			must_hold "$work/s" "before $n, $v" 1
		else
			must_hold "$work/s" "before $n, $v" ""
		fi
	done <<<"$variants"
}

n=1 ended=137
while [ $ended -eq 137 ] && [ $n -lt 200 ]; do
	cut_run $n
	ended=$?
	# the run that was not killed any more counts as well
	one_cut $n
	n=$((n + stride))
done
[ $ended -eq 0 ] || tell "add was never done: $(<"$work/err")"
[ $n -ge 20 ] || tell "only $n steps: is this a fault build?"
end_of "power cut after each of $n steps by $stride"

# The one that died is followed by another add, which builds on what it finds;
# the power goes when that one is done.
n=1 ended=137
while [ $ended -eq 137 ] && [ $n -lt 200 ]; do
	cut_run $n
	ended=$?
	VARVE_FAULT="log=$work/cut.log" add "$work/ended" 3 three \
		>"$work/said" 2>&1 || tell "after $n: $(<"$work/said")"
	for catalog in none ahead; do
		after_cut dropped $catalog 1
		v check -q --read-data --store "$work/s" >"$work/said" 2>&1 ||
			tell "after $n, $catalog: $(<"$work/said")"
		equals "$work/s" 3 three ||
			tell "after $n, $catalog: done, but: $(<"$work/said")"
		equals "$work/s" 1 one ||
			tell "after $n, $catalog: earlier: $(<"$work/said")"
	done
	n=$((n + stride))
done
end_of "an add killed at each of $n steps by $stride, the next done, then a power cut"
exit $failed
