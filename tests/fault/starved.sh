#!/bin/bash
# No memory in the server of a mount: single allocations, and all from one on,
# fail while it is mounted, and while it is listed, searched, read and
# refreshed, by several at once.
# usage: starved.sh VARVE WORK LABEL FAILMALLOC.so SAMPLES
set -u
varve=$1 work=$2 label=$3 preload=$4 samples=$5
. "$(dirname "$0")/prelude"
if [ "$(id -u)" != 0 ] || [ ! -w /dev/fuse ]; then
	echo "skip $label: needs root and /dev/fuse"
	exit 0
fi
mnt=$work/mnt control=$work/control store=$work/store
mkdir "$mnt" "$work/tiny"
trap 'umount -l "$mnt" 2>/dev/null' EXIT

inputs
tar -cf "$work/one.tar" -C "$work" one
v init -q "$store" && add "$store" 1 one &&
	v add -q --store "$store" -s y -t 2021-01-01T00:00:00Z \
		"$work/one.tar" || exit 1
x=$mnt/x/2021-01-01T00-00-00Z
original=$mnt/.varve/original/y/2021-01-01T00-00-00Z.tar

# N, N+, or nothing; counted from now on.  failmalloc.c has the form.
arm() { printf '%-23s\0\0\0\0\0\0\0\0\0' "${1:-}" 1<>"$control"; }
number_at() { # OFFSET of the control
	od -An -tu8 -j"$1" -N8 "$control" | tr -d ' '
}
allocations() { number_at 24; }
server() { number_at 32; }
head -c 40 /dev/zero >"$control"

least=0	# bytes of an allocation that fails
up() { # its words and status are those of varve
	timeout 60 env FAILMALLOC_CONTROL="$control" FAILMALLOC_LEAST=$least \
		LD_PRELOAD="$preload" "$varve" mount --store "$store" "$mnt" \
		2>"$work/err"
}
gone() { ! [ -e "/proc/$1/exe" ]; }	# nor is it a zombie's
within() { # SECONDS COMMAND...: true by then
	local i most=$(($1 * 50))
	shift
	for ((i = 0; i < most; i++)); do
		"$@" && return
		sleep 0.02
	done
	false
}
soon() { within 10 "$@"; }
down() { # WHEN
	local pid
	pid=$(server)
	umount "$mnt" 2>"$work/said" || {
		tell "$1: umount: $(<"$work/said")"
		umount -l "$mnt"
	}
	# a busy catalog is waited for up to a minute
	within 90 gone "$pid" || {
		tell "$1: the server did not end"
		kill -9 "$pid"
	}
}

# Several at once look at all there is, each by its own means.
by_ls() { cd "$mnt" && ls -lR x y; }
by_find() { cd "$mnt" && find x y -printf '%p %y %m %n %s %T@\n'; }
by_diff() { diff -r --no-dereference "$work/one" "$x"; }
by_cmp() { cmp "$work/one.tar" "$original"; }
by_cat() { cat "$mnt/.varve/info/"{x,y}/2021-01-01T00-00-00Z.json; }
ways="ls find diff cmp cat"
look() {
	local way
	for way in $ways; do
		timeout 60 bash -c "by_$way" >"$work/$way.out" \
			2>"$work/$way.err"
		echo $? >"$work/$way.rc"
	done
}
look_at_once() {
	local way pids=()
	for way in $ways; do
		{
			timeout 60 bash -c "by_$way" >"$work/$way.out" \
				2>"$work/$way.err"
			echo $? >"$work/$way.rc"
		} &
		pids+=($!)
	done
	wait "${pids[@]}"
}
export -f by_ls by_find by_diff by_cmp by_cat
export work mnt x original

# All was seen, and is as it is.
saw_all() { # WHEN
	local way
	for way in $ways; do
		[ "$(<"$work/$way.rc")" = 0 ] &&
			cmp -s "$work/$way.out" "$work/$way.want" ||
			tell "$1: $way: $(<"$work/$way.rc")" \
				"$(head -n 3 "$work/$way.err")" \
				"$(diff "$work/$way.want" "$work/$way.out" |
				head -n 3)"
	done
}

# What was not seen was told of, in these words alone; who ended with 0 has
# seen all; what was shown is so.
saw_or_said() { # WHEN
	local way rc
	for way in $ways; do
		rc=$(<"$work/$way.rc")
		if [ "$rc" = 0 ]; then
			cmp -s "$work/$way.out" "$work/$way.want" ||
				tell "$1: $way ended with 0, but" \
				"$(diff "$work/$way.want" "$work/$way.out" |
				head -n 3)"
			continue
		fi
		[ "$rc" -lt 124 ] || tell "$1: $way: status $rc"
		[ -s "$work/$way.err" ] || tell "$1: $way: status $rc, no word"
		grep -v ': Cannot allocate memory$\|: Input/output error$' \
			"$work/$way.err" >"$work/other" &&
			tell "$1: $way: $(head -n 2 "$work/other")"
	done
	grep -vxFf "$work/find.want" "$work/find.out" >"$work/other" &&
		tell "$1: find shows $(head -n 2 "$work/other")"
	[ ! -s "$work/diff.out" ] || tell "$1: $(head -n 2 "$work/diff.out")"
	[ ! -s "$work/cmp.out" ] || tell "$1: $(<"$work/cmp.out")"
}

# A snapshot more; the server is told to look for it.
fresh=0
add_fresh() {
	printf -v at '%02d-%02d-%02d' $((fresh / 3600)) $((fresh / 60 % 60)) \
		$((fresh % 60))
	fresh=$((fresh + 1))
	v add -q --store "$store" -s z -t "2021-02-01T${at//-/:}Z" \
		"$work/tiny" >"$work/said" 2>&1 || tell "add: $(<"$work/said")"
	kill -HUP "$(server)" 2>/dev/null
	cp "$work/z.want" "$work/z.before"
	sed -i '/latest/d' "$work/z.want"
	printf '2021-02-01T%sZ\nlatest\n' "$at" >>"$work/z.want"
}
has_fresh() {
	ls "$mnt/z" >"$work/z.out" 2>"$work/z.err" &&
		cmp -s "$work/z.want" "$work/z.out"
}
saw_names() { # WHEN: all there were, or all there are, or words
	ls "$mnt/z" >"$work/z.out" 2>"$work/z.err" || {
		grep -q 'Cannot allocate memory$\|Input/output error$' \
			"$work/z.err" || tell "$1: $(<"$work/z.err")"
		return
	}
	cmp -s "$work/z.want" "$work/z.out" ||
		cmp -s "$work/z.before" "$work/z.out" ||
		tell "$1: of the sources $(diff "$work/z.want" "$work/z.out")"
}

starve() { # HOW WHEN: while it is used
	up || {
		tell "$2: $(<"$work/err")"
		return
	}
	arm "$1"
	look_at_once &
	add_fresh
	wait $!
	saw_or_said "$2"
	saw_names "$2"
	arm
	kill -HUP "$(server)" 2>/dev/null
	soon has_fresh || tell "$2: the new snapshot does not come"
	look
	saw_all "$2, later"
	down "$2"
}
starve_start() { # HOW WHEN: while it is mounted
	local status
	arm "$1"
	up
	status=$?
	arm
	if [ $status -eq 0 ]; then
		look
		saw_all "$2"
		down "$2"
		return
	fi
	[ $status -eq 1 ] && grep -qi 'memory' "$work/err" ||
		tell "$2: exit status $status: $(<"$work/err")"
	soon gone "$(server)" || {
		tell "$2: the server did not end"
		kill -9 "$(server)"
	}
	if mountpoint -q "$mnt"; then
		tell "$2: it failed, but is mounted"
		umount -l "$mnt"
	fi
}

# The first allocations do the most different things: densest there.
each_of() { # TOTAL WHAT FUNCTION
	local n how
	for ((n = 1; n <= $1; n += 1 + n * 4 / samples)); do
		for how in $n $n+; do
			"$3" $how "$2, allocation $how of $1"
		done
	done
	end_of "$2 without memory, up to $1 allocations"
}

: >"$work/z.want"
up || exit 1
mounting=$(allocations)
add_fresh
soon has_fresh || exit 1
arm
look_at_once
using=$(allocations)
for way in $ways; do
	mv "$work/$way.out" "$work/$way.want"
done
[ -s "$work/ls.want" ] && [ -s "$work/find.want" ] &&
	[ ! -s "$work/diff.want" ] && [ ! -s "$work/cmp.want" ]
verdict $? "with memory all is seen"
down "with memory"

each_of "$mounting" "mounted" starve_start
each_of "$using" "used" starve
# The buffers for requests, one a thread.
least=1000000
each_of 5 "mounted, large ones" starve_start
each_of 3 "used, large ones" starve
exit $failed
