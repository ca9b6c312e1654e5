#!/bin/bash
# A full disk: a store on a small tmpfs, with room running out at many places.
# usage: space.sh VARVE WORK LABEL STEPS       (sizes tried between 1 and 12 MB)
set -u
varve=$1 work=$2 label=$3 steps=$4
. "$(dirname "$0")/prelude"
own_disk
inputs
mkdir "$work/large"
noise large 30000000 >"$work/large/noise"
store=$work/disk/store

says_full() { # WHEN
	grep -q "^varve: .*No space left on device" "$work/err" ||
		tell "$1: says '$(<"$work/err")'"
	grep -q "'$work/disk/store[/']" "$work/err" ||
		tell "$1: does not say where: '$(<"$work/err")'"
}

# What can be read must be, without a byte of room.
reads() { # WHEN
	v list --store "$store" >"$work/said" 2>&1 &&
		grep -q 2021-01-01T "$work/said" ||
		tell "$1: list: $(<"$work/said")"
	v cat --store "$store" x@2021-01-01:a >"$work/said" 2>&1 &&
		cmp -s "$work/said" "$work/one/a" ||
		tell "$1: cat: $(<"$work/said")"
	v verify -q --store "$store" x@2021-01-01 >"$work/said" 2>&1 ||
		tell "$1: verify: $(<"$work/said")"
}

full() { # KILOBYTES the store may have
	local when="$1 kB" status
	umount "$work/disk" 2>/dev/null
	mount -t tmpfs -o size=12m,mode=0700 varve-fault "$work/disk" ||
		return
	noise filler $(((12 << 20) - $1 * 1024)) >"$work/disk/filler"
	v init -q "$store" >"$work/said" 2>&1 &&
		add "$store" 1 one >>"$work/said" 2>&1 || {
		tell "$when: no room to begin: $(<"$work/said")"
		return
	}
	v add -q --store "$store" -s large "$work/large" >"$work/out" \
		2>"$work/err"
	status=$?
	[ $status -eq 1 ] || tell "$when: add: exit status $status"
	says_full "$when: add"
	[ -z "$(ls -A "$store/tmp")" ] ||
		tell "$when: left in tmp/: $(ls -A "$store/tmp")"
	# not a byte is left now
	cat /dev/zero >"$work/disk/more" 2>/dev/null
	reads "$when, full"
	v forget --store "$store" x@2021-01-01 >"$work/out" 2>"$work/err"
	case $? in
	0) v undelete --store "$store" x@2021-01-01 >"$work/out" 2>"$work/err" ||
		says_full "$when: undelete" ;;
	1) says_full "$when: forget" ;;
	*) tell "$when: forget: $(<"$work/err")" ;;
	esac
	rm "$work/disk/more" "$work/disk/filler"
	v undelete --store "$store" x@2021-01-01 >/dev/null 2>&1
	must_hold "$store" "$when" ""
}

for ((i = 0; i < steps; i++)); do
	full $((1024 + i * 11264 / steps))
done
end_of "a full disk at $steps sizes from 1 to 12 MB"
exit $failed
