#!/bin/bash
# Failing system calls on the catalog's files, which SQLite makes itself and the
# hook of disk.h does not see; and short ones on the store's.
# usage: calls.sh VARVE WORK LABEL
set -u
varve=$1 work=$2 label=$3
. "$(dirname "$0")/prelude"
inputs
if ! strace -f -e trace=none -e inject=fsync:error=EIO:when=1 true \
	>/dev/null 2>&1; then
	echo "skip $label: strace cannot inject here"
	exit 0
fi
v init -q "$work/first" && add "$work/first" 1 one || exit 1

words() { # ERRNO CALL
	case $1,$2 in
	# SQLite does not keep why a sync failed
	*,fdatasync) echo 'disk I/O error' ;;
	EIO,*) echo 'Input/output error' ;;
	ENOSPC,*) echo 'No space left on device' ;;
	esac
}

# Is it hit at all?  Calls that are never made prove nothing.
hits=0
cut_short() { # CALL ERRNO WHEN FILE FROM COMMAND...: sets status; false: no hit
	local call=$1 errno=$2 at=$3 file=$4 from=$5
	shift 5
	rm -rf "$work/s"
	cp -a "$from" "$work/s"
	timeout 120 strace -f -qq -o "$work/trace" ${file:+-P "$work/s/$file"} \
		-e "trace=$call" -e "inject=$call:error=$errno:when=$at" \
		"$varve" "$@" --store "$work/s" >"$work/out" 2>"$work/err"
	status=$?
	grep -q INJECTED "$work/trace" && hits=$((hits + 1))
}
inject() { # CALL ERRNO WHEN [FILE]
	local when="$1 $2 $3 ${4:-}" status
	cut_short "$1" "$2" "$3" "${4:-}" "$work/first" add -q -s x \
		-t 2021-01-02T00:00:00Z "$work/two" || return
	said_well $status "$when" "$(words "$2" "$1")"
	if [ $status -eq 0 ]; then
		must_hold "$work/s" "$when" 1
	else
		must_hold "$work/s" "$when" 0
	fi
}

for errno in EIO ENOSPC; do
	for file in catalog.db catalog.db-wal catalog.db-shm; do
		for call in openat pwrite64 fdatasync fsync ftruncate; do
			inject $call $errno 1+ $file
			inject $call $errno 2 $file
		done
	done
	for n in 4 9 14; do
		inject pwrite64 $errno $n catalog.db-wal
	done
done
[ $hits -ge 20 ] || tell "only $hits calls were hit"
end_of "$hits failing calls on the catalog's files"

# A new catalog that cannot be written whole does not take the old one's place.
hits=0
inject_rebuild() { # CALL ERRNO WHEN
	local when="rebuild, $1 $2 $3" status
	cut_short "$1" "$2" "$3" catalog.db.new "$work/first" rebuild -q || return
	# SQLite outlives one that fails as it turns the file to WAL
	case $status,$3 in
	0,2) ;;
	*) [ $status -eq 1 ] && grep -q "^varve: .*catalog.db.new'" \
		"$work/err" || tell "$when: status $status: $(<"$work/err")" ;;
	esac
	must_hold "$work/s" "$when" 0
}
for errno in EIO ENOSPC; do
	for n in 1+ 2 4 6; do
		inject_rebuild pwrite64 $errno $n
	done
	inject_rebuild fdatasync $errno 1+
done
[ $hits -ge 8 ] || tell "only $hits calls were hit"
end_of "$hits failing calls on a catalog made anew"

# The store's own calls, below the hook.
hits=0
for n in 1 2 3 4 5 6 7 8 9 10; do
	inject fsync EIO $n
	inject pwrite64 ENOSPC $n
done
inject fsync EIO 1+
inject renameat2 EIO 1+
inject renameat2 ENOSPC 2
inject mkdirat ENOSPC 1+
inject flock EIO 3
[ $hits -ge 15 ] || tell "only $hits calls were hit"
end_of "$hits failing calls on the store's files"

# Of who removes, forgets and mends: calls on the catalog's files and on the
# store's.  It says what failed, or it did its work; the next does it.
after_prune() { # WHEN WORDS
	said_well $status "$1" "$2"
	pruned_must_hold "$1" "$whole"
}
after_forget() { # WHEN WORDS
	said_well $status "$1" "$2"
	case $status,$(v list --all --json --store "$work/s" |
		grep -c '"forgotten":true') in
	0,1) v undelete -q --store "$work/s" x@2021-01-01 ;;
	0,*) tell "$1: done, but not forgotten" ;;
	*,0) ;;
	*) tell "$1: failed, but forgotten" ;;
	esac
	must_hold "$work/s" "$1" ""
}
after_repair() { # WHEN WORDS
	[ $status = 4 ] && grep -q 'lost something' "$work/err" ||
		said_well $status "$1" "$2"
	repaired_must_hold "$1"
}
each_call() { # AFTER FROM COMMAND...
	local after=$1 errno file call n
	shift
	hits=0
	for errno in EIO ENOSPC; do
		for file in catalog.db catalog.db-wal catalog.db-shm; do
			for call in openat pwrite64 fdatasync ftruncate; do
				for n in 1+ 2; do
					cut_short $call $errno $n $file "$@" &&
						$after "$2 $call $errno $n $file" \
						"$(words $errno $call)"
				done
			done
		done
		for call in pwrite64 fsync renameat2 unlinkat openat; do
			for n in $every; do
				cut_short $call $errno $n '' "$@" &&
					$after "$2 $call $errno $n" \
					"$(words $errno any)"
			done
		done
	done
	# SQLite takes a read that fails with EIO for damage
	for n in $reads; do
		cut_short pread64 EIO $n '' "$@" && $after "$2 pread64 EIO $n" \
			"\\(Input/output error\\|is damaged\\)"
	done
	[ $hits -ge $least ] || tell "only $hits calls were hit"
	end_of "$hits failing calls of $2"
}
make_forgotten "$work/first" "$work/forgotten" &&
	make_broken "$work/first" "$work/broken" || exit 1
cp -a "$work/forgotten" "$work/s"
v_prune || exit 1
whole=$(pack_bytes "$work/s")
rm -rf "$work/s"
cp -a "$work/broken" "$work/s"
v_repair >"$work/whole" 2>"$work/err"
every=${every_calls:-1 3 8} reads=${every_reads:-3 9 20 30}
least=30
each_call after_prune "$work/forgotten" prune -q --force --max-unused 0
each_call after_forget "$work/first" forget -q x@2021-01-01T00-00-00Z
each_call after_repair "$work/broken" repair --all --read-data

# Calls that do less than asked, or are interrupted, are gone on with.
less() { # INJECTION
	rm -rf "$work/s"
	cp -a "$work/first" "$work/s"
	timeout 120 strace -f -qq -o "$work/trace" -e trace="${1%%:*}" \
		-e "inject=$1" "$varve" add -q --store "$work/s" -s x \
		-t 2021-01-02T00:00:00Z "$work/two" >"$work/out" \
		2>"$work/err" || tell "$1: $(<"$work/err")"
	grep -q INJECTED "$work/trace" || tell "$1: never hit"
	must_hold "$work/s" "$1" 1
}
less pwrite64:error=EINTR:when=1..9+2
less pread64:error=EINTR:when=30+3
less flock:error=EINTR:when=1+2
end_of "interrupted calls"
exit $failed
