# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# The programs that are measured: their commands and their stores.
# Sourced by run.

store_of() { echo "$work/store/$1-$2-$3"; } # tree|tar|plain|least|prune WHO REP
stamp() { echo "2024-01-0$(($1 + 1))T00:00:00Z"; } # GENERATION
as_name() { stamp "$1" | tr : -; }

# Their caches lie beside the stores, one for each.
use_home() { # WHAT WHO REP
	local home=$work/home/$1-$2-$3
	mkdir -p "$home"
	export RESTIC_CACHE_DIR=$home RESTIC_PASSWORD=bench
	export BORG_BASE_DIR=$home
	export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
	export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
	export BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES
}
new_store() { # WHAT WHO REP
	local store
	store=$(store_of "$@")
	rm -rf "$store" "$work/home/$1-$2-$3"
	mkdir -p "$work/store"
	use_home "$@"
	case $2 in
	varve) "$varve" init -q --store "$store" ;;
	restic) restic -q -r "$store" init ;;
	borg) borg init -e none "$store" ;;
	squashfuse) mkdir "$store" ;;
	esac >>"$log" 2>&1 || die "no store for $2: see $log"
}
# A store that was being changed when the run ended cannot be measured on.
busy() { echo "$*" >"$work/busy"; }
idle() { rm -f "$work/busy"; }
left_busy() { grep -qs "^$1\b" "$work/busy"; } # WHAT

squash() { # GENERATION STORE
	echo "mksquashfs '$live' '$2/g$1.sqfs' -comp zstd" \
		"-Xcompression-level 3 -noappend -no-progress -quiet"
}
add_tree() { # WHO REP GENERATION [WHAT]: the command
	local store
	store=$(store_of "${4:-tree}" "$1" "$2")
	case $1 in
	varve) echo "'$varve' add -q --store '$store' -s bench/tree" \
		"-t $(stamp "$3") '$live'" ;;
	restic) echo "cd '$live' && restic -q -r '$store' backup --tag g$3 ." ;;
	borg) echo "cd '$live' && borg create -C zstd,3 '$store::g$3' ." ;;
	squashfuse) squash "$3" "$store" ;;
	esac
}
add_tar() { # STORE WHO GENERATION FILE: the command
	local unpack=cat
	[ "${4%.gz}" = "$4" ] || unpack="gzip -dc"
	case $2 in
	varve) echo "'$varve' add -q --store '$1' -s bench/tar" \
		"-t $(stamp "$3") '$4'" ;;
	restic) echo "$unpack '$4' | restic -q -r '$1' backup --tag g$3" \
		"--stdin --stdin-filename gen.tar" ;;
	borg) echo "borg import-tar -C zstd,3 '$1::g$3' '$4'" ;;
	floor) if [ "$unpack" = cat ]; then
			echo "'$reader' sum '$4'"
		else
			echo "igzip -dc '$4' | '$reader' sum"
		fi ;;
	esac
}
restic_id() { # STORE TAG
	restic -q -r "$1" snapshots --json --tag "$2" | python3 -c \
		'import json, sys; print(json.load(sys.stdin)[-1]["short_id"])'
}
# Its mount leaves a lock when it is ended, which others stop at for half an hour.
unlock_restic() { # WHO STORE
	[ "$1" != restic ] || restic -q -r "$2" unlock >>"$log" 2>&1
}
