#!/bin/bash
# What makes room on a disk that is full: forget and prune, with little and less
# of it left.
# usage: prune_full.sh VARVE WORK LABEL STEPS   (room tried from 0 to 4 MB)
set -u
varve=$1 work=$2 label=$3 steps=$4
. "$(dirname "$0")/prelude"
own_disk
mkdir "$work/in"
store=$work/disk/store
size=$((32 << 20))

# Six snapshots: what each brings half stays in the next ones and half does not,
# so that no data pack is free of what is needed; but for one, WHOLE.
filled() { # KILOBYTES left, WHOLE (bytes of a pack that goes as a whole)
	local i
	umount "$work/disk" 2>/dev/null
	mount -t tmpfs -o size=$size,mode=0700 varve-fault "$work/disk" ||
		return
	rm -rf "$work/in"
	mkdir "$work/in"
	v init -q "$store" >"$work/said" 2>&1 || return
	for i in 1 2 3 4 5 6; do
		rm -f "$work/in/new"
		noise "kept$i" 900000 >"$work/in/kept$i"
		noise "new$i" 1100000 >"$work/in/new"
		v add -q --store "$store" -s x -t "2021-01-0${i}T00:00:00Z" \
			"$work/in" >"$work/said" 2>&1 || return
	done
	mkdir -p "$work/whole"
	echo stays >"$work/whole/g" # an empty one would not take the place
	noise whole "$2" >"$work/whole/f"
	[ "$2" = 0 ] ||
		v add -q --store "$store" -s y -t 2021-01-01T00:00:00Z \
			"$work/whole" >"$work/said" 2>&1 || return
	rm "$work/whole/f"
	v add -q --store "$store" -s y -t 2021-01-02T00:00:00Z \
		"$work/whole" >"$work/said" 2>&1 || return
	head -c "$(($1 * 1024))" /dev/zero >"$work/disk/spare"
	cat /dev/zero >"$work/disk/filler" 2>/dev/null
	rm "$work/disk/spare"
}
free() { df --output=avail -B1 "$work/disk" | tail -n 1; }
# With the reserve: it is there for this.
free_all() {
	echo $(($(free) + $(stat -c %b "$store/reserve" 2>/dev/null || echo 0) * 512))
}

pruned() { # KILOBYTES left, WHOLE
	local when="$1 kB, whole $2" status before n
	filled "$1" "$2" || {
		tell "$when: no store: $(<"$work/said")"
		return
	}
	v forget -q --store "$store" --keep-last 1 >"$work/out" 2>"$work/err" || {
		tell "$when: forget: $(<"$work/err")"
		return
	}
	before=$(free_all)
	v prune --store "$store" --max-unused 0 --force >"$work/out" \
		2>"$work/err"
	status=$?
	case $status in
	0 | 3) [ "$(free_all)" -gt "$before" ] ||
		tell "$when: prune: $status, and no byte came back" ;;
	1) ;;
	*) tell "$when: prune: exit status $status" ;;
	esac
	if [ $status != 0 ]; then
		grep -q "^varve: No space left on device: .* must be free on" \
			"$work/err" || tell "$when: says '$(<"$work/err")'"
		grep -q "^hint: .*prune" "$work/err" &&
			tell "$when: prune is told to be the remedy"
	fi
	# "when a prune last went through": a job that never gets through is seen
	n=$(v stats --prometheus --store "$store" 2>"$work/said" |
		grep -c '^varve_last_good_prune')
	[ "$n" = $((status == 0)) ] ||
		tell "$when: $status, and $n good prunes: $(<"$work/said")"
	# "What was forgotten can be brought back": nothing is lost for nothing
	if [ $status = 1 ]; then
		v undelete -q --store "$store" x@2021-01-03 >"$work/said" 2>&1 ||
			tell "$when: undelete: $(<"$work/said")"
		v verify -q --store "$store" x@2021-01-03 >"$work/said" 2>&1 ||
			tell "$when: undeleted: $(<"$work/said")"
		[ "$2" = 0 ] || tell "$when: a whole pack did not go"
		v forget -q --store "$store" x@2021-01-03 >"$work/said" 2>&1
	fi
	v verify -q --store "$store" x >"$work/said" 2>&1 ||
		tell "$when: verify: $(<"$work/said")"
	v check -q --read-data --store "$store" >"$work/said" 2>&1 ||
		tell "$when: check: $(<"$work/said")"
	echo "$status" >>"$work/statuses"
	# once there is room, the next one completes it
	rm "$work/disk/filler"
	v prune -q --store "$store" --max-unused 0 --force >"$work/said" 2>&1 ||
		tell "$when: the next prune: $(<"$work/said")"
	v prune --json --store "$store" --max-unused 0 >"$work/said" 2>&1
	grep -q '"unreachable":0,' "$work/said" ||
		tell "$when: left over: $(<"$work/said")"
	v check -q --read-data --store "$store" >"$work/said" 2>&1 ||
		tell "$when: check in the end: $(<"$work/said")"
	v verify -q --store "$store" x >"$work/said" 2>&1 ||
		tell "$when: verify in the end: $(<"$work/said")"
}

: >"$work/statuses"
for whole in 0 400000 2500000; do
	for ((i = 0; i < steps; i++)); do
		pruned $((i * 4096 / steps)) $whole
	done
done
# all that may come of it was met
[ "$(sort -u "$work/statuses" | tr -d '\n')" = 013 ] ||
	tell "exit statuses met: $(sort "$work/statuses" | uniq -c | tr '\n' ' ')"
end_of "prune at $steps sizes of what is left of a full disk"

# More events than there is room for.
forgotten() { # KILOBYTES left
	local when="forget, $1 kB" i n
	umount "$work/disk" 2>/dev/null
	mount -t tmpfs -o size=$size,mode=0700 varve-fault "$work/disk" ||
		return
	v init -q "$store" >"$work/said" 2>&1
	rm -rf "$work/in"
	mkdir "$work/in"
	for i in $(seq 100 159) $(seq 200 259); do
		echo "$i" >"$work/in/f"
		v add -q --store "$store" -s x -t "2021-01-01T0${i%??}:${i#?}:00Z" \
			"$work/in" >"$work/said" 2>&1 || {
			tell "$when: no store: $(<"$work/said")"
			return
		}
	done
	[ "$1" = 0 ] || rm -f "$store/reserve"
	head -c "$(($1 * 1024))" /dev/zero >"$work/disk/spare"
	cat /dev/zero >"$work/disk/filler" 2>/dev/null
	rm "$work/disk/spare"
	v forget --store "$store" --keep-last 2 >"$work/out" 2>"$work/err"
	case $? in
	0) ;;
	1)
		grep -q "^varve: .*No space left on device" "$work/err" ||
			tell "$when: says '$(<"$work/err")'"
		n=$(grep -c '^forget ' "$work/out")
		grep -q "^varve: $n snapshots* of 118 forgotten, $((118 - n)) not: " \
			"$work/err" || tell "$when: $n of 118, says '$(<"$work/err")'"
		[ "$(grep -c '^not yet ' "$work/out")" = $((118 - n)) ] ||
			tell "$when: does not show which were not: $(<"$work/out")"
		[ "$(v list --json --store "$store" 2>&1 | wc -l)" = $((120 - n)) ] ||
			tell "$when: $n told as forgotten, and shown: $(
				v list --json --store "$store" 2>&1 | wc -l)"
		[ "$n" = 0 ] || echo part >>"$work/parts"
		;;
	*) tell "$when: forget: $(<"$work/err")" ;;
	esac
	# what was forgotten can be pruned, which makes room for the rest
	[ "$1" -lt 300 ] && [ "$1" != 0 ] ||
		v prune -q --force --store "$store" >"$work/said" 2>&1 ||
		tell "$when: prune: $(<"$work/said")"
	rm "$work/disk/filler"
	v forget -q --store "$store" --keep-last 2 >"$work/said" 2>&1 ||
		tell "$when: again: $(<"$work/said")"
	[ "$(v list --json --store "$store" 2>&1 | wc -l)" = 2 ] ||
		tell "$when: again: not all"
	v check -q --read-data --store "$store" >"$work/said" 2>&1 ||
		tell "$when: check: $(<"$work/said")"
}
: >"$work/parts"
for room in 0 64 100 180 300 400 500 600; do
	forgotten $room
done
[ -s "$work/parts" ] || tell "forget never stopped half way"
end_of "forget by rule on a full disk says what was forgotten and what was not"
exit $failed
