# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# Phase prune: three of the five generations go from a copy of the store of
# the tree.  Sourced by run.

pruned="0 1 2"

# The same program's store of what is kept alone, never having held the rest:
# what the pruned one has more of, nobody needs.
least_store() { # WHO: its bytes, in $work/least.WHO
	local g
	[ ! -s "$work/least.$1" ] || return 0
	new_store least "$1" 1
	if [ "$1" = varve ]; then
		# the same secret cuts and compresses alike
		rm -rf "$(store_of least varve 1)"
		"$varve" init -q --like "$(store_of tree varve 1)" \
			"$(store_of least varve 1)" || die "no store like it"
	fi
	for g in 3 4 5; do
		[ "$g" = 5 ] || bring_live "$g"
		bash -c "$(add_tree "$1" 1 "$g" least)" >>"$log" 2>&1 ||
			die "no store of what is kept for $1: see $log"
	done
	bytes_of "$(store_of least "$1" 1)" >"$work/least.$1"
	rm -rf "$(store_of least "$1" 1)" "$work/home/least-$1-1"
}
pruning() { # WHO all|default STORE: the command
	local g labels= ids= unused=
	[ "$2" = default ] || unused="--max-unused 0"
	for g in $pruned; do
		labels="$labels bench/tree@$(as_name "$g")"
		[ "$1" != restic ] || ids="$ids $(restic_id "$3" "g$g")"
	done
	case $1 in
	varve) echo "'$varve' forget --store '$3' --prune --force --json" \
		"$unused $labels" ;;
	restic) echo "restic -r '$3' forget --prune $unused $ids" ;;
	borg) echo "borg delete '$3' g${pruned// / g} &&" \
		"borg compact $([ "$2" = default ] || echo --threshold 0)" \
		"'$3'" ;;
	esac
}
# Of the blocks in packs, the share of the chunks nothing else uses.  (Of the
# others each chunk is compressed alone, so that a store of what is kept tells
# it.  Varve's chunks lie in blocks, and those of a directory that came in one
# piece compress better than those that came night by night.)
only_theirs() { # STORE: bytes
	local g labels=
	rm -rf "$work/trial"
	cp -a "$1" "$work/trial"
	for g in $pruned; do
		labels="$labels bench/tree@$(as_name "$g")"
	done
	"$varve" forget -q --store "$work/trial" $labels >>"$log" 2>&1
	"$varve" prune -n --force --json --store "$work/trial" |
		sed -n 's/.*"unreachable":\([0-9]*\).*/\1/p'
	rm -rf "$work/trial"
}
# Bytes of files that were not there before, or have been written to.
bytes_since() { # FILE DIR
	find "$2" -type f -newer "$1" ! -path "$2/catalog.db*" \
		-printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}
share() { # OF WHOLE
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", 100 * a / b }'
}
prune_one() { # WHO REP all|default
	local store before after least only anew verdict=- name=prune.$3
	wanted "$name" "$1" "$2" || return 0
	store=$(store_of prune "$1" 1)
	rm -rf "$store" "$work/home/prune-$1-1"
	cp -a "$(store_of tree "$1" 1)" "$store"
	cp -a "$work/home/tree-$1-1" "$work/home/prune-$1-1"
	use_home prune "$1" 1
	unlock_restic "$1" "$store"
	before=$(bytes_of "$store") least=$(<"$work/least.$1")
	only=$((before - least))
	[ "$1" != varve ] || only=$(only_theirs "$store")
	sleep 1
	touch "$work/began"
	timed cold "$(pruning "$1" "$3" "$store")"
	after=$(bytes_of "$store")
	anew=$(bytes_since "$work/began" "$store")
	prune_is_right "$1" "$store"
	put "$name" "$1" "$2" "$rc" "$took" s "$cpu" "$peak" "$verdict"
	put "$name.back" "$1" "$2" 0 "$(megabytes $((before - after)))" \
		MB "" "" -
	put "$name.share" "$1" "$2" 0 \
		"$(share $((before - after)) "$only")" % "" "" -
	put "$name.left" "$1" "$2" 0 \
		"$(share $((after - least)) "$after")" % "" "" -
	put "$name.anew" "$1" "$2" 0 "$(megabytes "$anew")" MB "" "" -
	rm -rf "$store" "$work/home/prune-$1-1"
}
# The newest generation out of what is left, and a check of every byte.
prune_is_right() { # WHO STORE
	rm -rf "$out"
	mkdir "$out"
	bash -c "$(restoring "$1" no "$2")" >>"$log" 2>&1
	compared "$("$here/digest" "$out")"
	rm -rf "$out"
	case $1 in
	varve) "$varve" check -q --store "$2" --read-data ;;
	restic) restic -q -r "$2" check --read-data ;;
	borg) borg check --verify-data "$2" ;;
	esac >>"$log" 2>&1 || verdict="check failed"
}
phase_prune() {
	local rep who how
	local list=varve
	for who in restic borg; do
		[[ " $peers " != *" $who "* ]] || list="$list $who"
	done
	for who in $list; do
		! wanted prune.all "$who" "$reps" || least_store "$who"
	done
	learn_truth
	for rep in $(seq "$reps"); do
		for how in all default; do
			for who in $(in_turn "$rep" $list); do
				prune_one "$who" "$rep" "$how"
			done
		done
	done
}
