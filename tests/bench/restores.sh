# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# Phases restore and check.  Sourced by run.

restoring() { # WHO yes|no [STORE]: the command, synced or not
	local store sync=
	store=${3:-$(store_of tree "$1" 1)}
	[ "$2" = no ] || sync="&& sync -f '$out'"
	case $1 in
	varve) [ "$2" = yes ] && sync= || sync=--no-sync
		echo "'$varve' restore -q --store '$store' $sync" \
			"bench/tree@$(as_name $newest) '$out'" ;;
	restic) echo "restic -q -r '$store' restore $(restic_id "$store" \
		g$newest) --target '$out' $sync" ;;
	borg) echo "cd '$out' && borg extract --numeric-ids" \
		"'$store::g$newest' $sync" ;;
	squashfuse) echo "unsquashfs -q -n -f -d '$out'" \
		"'$store/g$newest.sqfs' $sync" ;;
	floor) echo "tar -C '$out' --numeric-owner -xpf" \
		"'$data/tar/gen$newest.tar' $sync" ;;
	esac
}
restored() { # WORK WHO REP SYNCED
	local verdict command
	wanted "$1" "$2" "$3" || return 0
	use_home tree "$2" 1
	rm -rf "$out"
	mkdir "$out"
	command=$(restoring "$2" "$4")
	timed cold "$command"
	compared "$("$here/digest" "$out")"
	put "$1" "$2" "$3" "$rc" "$took" s "$cpu" "$peak" "$verdict"
	rm -rf "$out"
}
phase_restore() {
	local rep who
	learn_truth
	[[ " $peers " != *" squashfuse "* ]] || squash_newest
	for rep in $(seq "$reps"); do
		for who in $(in_turn "$rep" $all); do
			restored restore "$who" "$rep" no
			restored restore.synced "$who" "$rep" yes
		done
	done
}
phase_check() {
	local rep who store
	for rep in $(seq "$reps"); do
		for who in $(in_turn "$rep" $all); do
			[ "$who" != squashfuse ] &&
				wanted check "$who" "$rep" || continue
			use_home tree "$who" 1
			store=$(store_of tree "$who" 1)
			unlock_restic "$who" "$store"
			case $who in
			varve) timed cold "'$varve' check -q --store '$store'$(
				) --read-data" ;;
			restic) timed cold "restic -q -r '$store' check$(
				) --read-data" ;;
			borg) timed cold "borg check --verify-data '$store'" ;;
			floor) timed cold "find '$(store_of tree varve 1)' \
				-type f -print0 | xargs -0 cat | '$reader' sum"
				;;
			esac
			put check "$who" "$rep" "$rc" "$took" s "$cpu" "$peak" -
		done
	done
}
