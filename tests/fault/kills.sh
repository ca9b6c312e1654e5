#!/bin/bash
# kill -9 at random moments of adds and copies, several adds at once, and being
# asked to stop; all in stores that are never repaired or unlocked in between.
# usage: kills.sh VARVE WORK LABEL KILLS MEGABYTES
set -u
varve=$1 work=$2 label=$3 kills=$4 size=$5
. "$(dirname "$0")/prelude"
inputs
RANDOM=${SEED:-1}
v init -q "$work/s" && add "$work/s" 1 one || exit 1

# A tree of about $size MB, half of it new each time, so that adds lean on
# what those before them left, dead or alive.
mkdir "$work/large"
renew() { # N
	rm -f "$work/large/new"*
	noise "new$1" $((size * 500000)) | split -b 700000 - "$work/large/new"
	{ echo "$1"; seq 9000; } >"$work/large/list"
}
noise old $((size * 500000)) | split -b 3000000 - "$work/large/old"
renew 0
start=$(date +%s%N)
v add -q --store "$work/s" -s large -t 2021-02-01T00:00:00Z "$work/large" ||
	exit 1
took_us=$((($(date +%s%N) - start) / 1000))

# The store is sound; every snapshot in it can be read to its last byte.
sound() { # WHEN
	v check -q --read-data --store "$work/s" >"$work/said" 2>&1 ||
		tell "$1: check: $(<"$work/said")"
	v list --json --store "$work/s" >"$work/list" 2>"$work/said" ||
		tell "$1: list: $(<"$work/said")"
	sed -E 's/.*"source":"([^"]*)","name":"([^"]*)".*/\1@\2/' \
		"$work/list" >"$work/names"
	[ -s "$work/names" ] || tell "$1: nothing is listed"
	xargs -r "$varve" verify -q --store "$work/s" <"$work/names" \
		>"$work/said" 2>&1 || tell "$1: verify: $(<"$work/said")"
	equals "$work/s" 1 one || tell "$1: the first: $(<"$work/said")"
}


killed=0 done=0
for ((i = 1; i <= kills; i++)); do
	[ $((i % 10)) -ne 0 ] || renew $i
	at=$(printf '2021-03-01T%02d:%02d:00Z' $((i / 60)) $((i % 60)))
	"$varve" add -q --store "$work/s" -s large -t "$at" --reread \
		"$work/large" >"$work/out" 2>"$work/err" &
	pid=$!
	us=$(((RANDOM * 32768 + RANDOM) % (took_us * 5 / 4)))
	sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	case $? in
	0) done=$((done + 1)) ;;
	137) killed=$((killed + 1)) ;;
	*) tell "add $i failed: $(<"$work/err")" ;;
	esac
	[ $((i % 20)) -ne 0 ] || sound "after $i"
done
found=$(v list --json --store "$work/s" large | wc -l)
# a kill behind the commit leaves a snapshot, too; one that was done is there
[ "$found" -gt "$done" ] || tell "$done adds were done, $found are there"
[ $killed -ge $((kills / 4)) ] || tell "only $killed of $kills were killed"
must_go_on "$work/s" "at the end"
end_of "$kills adds of $size MB, $killed of them killed at random moments"

# Copies of all that, into one store that is never repaired.
v init -q --like "$work/s" "$work/t" || exit 1
killed=0
for ((i = 1; i <= kills / 5; i++)); do
	"$varve" copy -q --store "$work/s" --source large --to "$work/t" \
		>"$work/out" 2>"$work/err" &
	pid=$!
	us=$(((RANDOM * 32768 + RANDOM) % (took_us / 3)))
	sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	case $? in
	0) ;;
	137) killed=$((killed + 1)) ;;
	*) tell "copy $i failed: $(<"$work/err")" ;;
	esac
	[ $((i % 10)) -ne 0 ] ||
		v check -q --read-data --store "$work/t" >"$work/said" 2>&1 ||
		tell "after copy $i: check: $(<"$work/said")"
done
v copy -q --store "$work/s" --all --to "$work/t" >"$work/said" 2>&1 ||
	tell "the last copy: $(<"$work/said")"
[ $killed -ge 3 ] || tell "only $killed copies were killed"
v list --names --store "$work/s" >"$work/names" 2>"$work/said"
v list --names --store "$work/t" >"$work/copied" 2>>"$work/said"
cmp "$work/names" "$work/copied" >>"$work/said" 2>&1 ||
	tell "not all was copied, or twice: $(<"$work/said")"
xargs -r "$varve" verify -q --store "$work/t" <"$work/copied" \
	>"$work/said" 2>&1 || tell "the copies: verify: $(<"$work/said")"
equals "$work/t" 1 one || tell "the copy of the first: $(<"$work/said")"
[ -z "$(ls -A "$work/t/tmp")" ] || tell "left in tmp/: $(ls -A "$work/t/tmp")"
end_of "$((kills / 5)) copies, $killed of them killed at random moments"
rm -rf "$work/t"

# Two at once, one of them killed: the other goes on as if alone.
for ((i = 1; i <= kills / 10; i++)); do
	at=$(printf '2021-04-01T%02d:%02d:00Z' $((i / 60)) $((i % 60)))
	renew "two$i"
	for who in one two; do
		"$varve" add -q --store "$work/s" -s "large-$who" -t "$at" \
			"$work/large" >"$work/out.$who" 2>"$work/err.$who" &
		eval "$who=\$!"
	done
	us=$((RANDOM * 30 % took_us))
	sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
	kill -9 "$one" 2>/dev/null
	wait "$one" 2>/dev/null
	wait "$two" || tell "the other of $i: $(<"$work/err.two")"
	v verify -q --store "$work/s" "large-two@${at//:/-}" \
		>"$work/said" 2>&1 || tell "the other of $i: $(<"$work/said")"
done
sound "two at once"
end_of "two adds at once, one killed"

# Looked at while adds run: what is on its way is not damage.
v init -q "$work/quick" && add "$work/quick" 1 one || exit 1
mkdir "$work/busy"
(
	for ((i = 1; i <= kills; i++)); do
		echo "$i" >>"$work/busy/a"
		v add -q --store "$work/quick" -s busy "$work/busy" \
			>"$work/out.busy" 2>&1 || {
			cat "$work/out.busy" >"$work/busy.failed"
			break
		}
	done
) &
looks=0
while kill -0 $! 2>/dev/null; do
	v check -q --store "$work/quick" >"$work/said" 2>&1 ||
		tell "while adds run: check: $(<"$work/said")"
	v verify -q --store "$work/quick" x@2021-01-01 >"$work/said" 2>&1 ||
		tell "while adds run: verify: $(<"$work/said")"
	looks=$((looks + 1))
done
[ ! -e "$work/busy.failed" ] || tell "busy: $(<"$work/busy.failed")"
end_of "checked $looks times while adds ran"

# Asked to stop: it says so, nothing is there, nothing is left.
stops=0 early=0
for signal in TERM INT TERM INT TERM INT TERM INT; do
	renew "stop$stops$signal"
	# a shell has its background commands ignore INT; this has them not
	env --default-signal=INT "$varve" add -q --store "$work/s" \
		-s stopped "$work/large" >"$work/out" 2>"$work/err" &
	pid=$!
	sleep "$(printf '%d.%06d' $((took_us / 2000000)) \
		$((took_us / 2 % 1000000)))"
	kill -$signal $pid 2>/dev/null
	wait $pid
	status=$?
	[ $status -ne 0 ] || continue
	# before it opened the store there is nothing to say
	if [ $status -gt 128 ] && [ ! -s "$work/err" ]; then
		early=$((early + 1))
		continue
	fi
	stops=$((stops + 1))
	[ $status -eq 1 ] || tell "$signal: exit status $status"
	grep -q '^varve: .*stopped: no snapshot was made' "$work/err" ||
		tell "$signal: says '$(<"$work/err")'"
	[ -z "$(ls -A "$work/s/tmp")" ] ||
		tell "$signal: left in tmp/: $(ls -A "$work/s/tmp")"
done
found=$(v list --json --store "$work/s" stopped 2>/dev/null | wc -l)
[ "$found" -eq $((8 - stops - early)) ] ||
	tell "$found snapshots, where $stops of 8 were stopped, $early early"
sound "stopped"
end_of "asked to stop by SIGTERM and SIGINT, $stops of 8 in time"

# The same while it waits for a stream that does not go on.
stalled() { # SIGNAL
	local pid feeder status i
	mkfifo "$work/pipe"
	{
		noise stalled 4000000 >"$work/stalled"
		tar -C "$work" -cf - stalled large
		exec sleep 60
	} >"$work/pipe" &
	feeder=$!
	disown $feeder
	env --default-signal=INT "$varve" add -q --store "$work/s" \
		-s stopped - <"$work/pipe" >"$work/out" 2>"$work/err" &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		[ -z "$(ls -A "$work/s/tmp")" ] || break
		sleep 0.1
	done
	[ $i -lt 100 ] || tell "$1, stalled: nothing is being written"
	kill -$1 $pid
	for ((i = 0; i < 100; i++)); do
		kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	[ $i -lt 100 ] || tell "$1, stalled: does not end"
	kill -9 $feeder $pid 2>/dev/null
	wait $pid
	status=$?
	rm "$work/pipe"
	[ $status -eq 1 ] || tell "$1, stalled: exit status $status"
	grep -q '^varve: .*stopped: no snapshot was made' "$work/err" ||
		tell "$1, stalled: says '$(<"$work/err")'"
	[ -z "$(ls -A "$work/s/tmp")" ] ||
		tell "$1, stalled: left in tmp/: $(ls -A "$work/s/tmp")"
}
stalled TERM
stalled INT
end_of "asked to stop while waiting for a stream"
exit $failed
