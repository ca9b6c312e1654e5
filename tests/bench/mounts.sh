# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# Phase mount: the newest snapshot of the tree's store, looked at as people
# do.  Sourced by run.

# Sets server (its process) and snapshot (where to look), and took: the time
# from starting it to the first name listed.
mount_store() { # WHO [tree|tar]
	local what=${2:-tree} store start id
	store=$(store_of "$what" "$1" 1)
	use_home "$what" "$1" 1
	mkdir -p "$mnt"
	unmount
	[ "$1" != restic ] || id=$(restic_id "$store" g$newest)
	drop
	start=$(micros)
	case $1 in
	varve) snapshot=$mnt/bench/$what/$(as_name $newest)
		"$varve" mount -q -f --store "$store" "$mnt" & ;;
	restic) snapshot=$mnt/ids/$id
		restic -q -r "$store" mount "$mnt" & ;;
	borg) snapshot=$mnt/g$newest
		borg mount -f "$store" "$mnt" & ;;
	squashfuse) snapshot=$mnt
		squashfuse_ll -f "$store/g$newest.sqfs" "$mnt" & ;;
	esac >>"$log" 2>&1
	await_listing $!
}
# Every work has a mount of its own, so that none finds what another left in
# the memory of the server.
look() { # WHO: mounts, or takes the plain directory
	if [ "$1" = floor ]; then
		snapshot=$live
	else
		mount_store "$1"
	fi
}
look_away() {
	if [ -n "$server" ]; then
		peak=$(peak_of $server)
		unmount
	else
		peak=
	fi
}
mounted() { # WORK WHO REP EXPECTED COMMAND: with @@ for the snapshot
	local verdict=differs found
	wanted "$1" "$2" "$3" || return 0
	if look "$2"; then
		timed cold "${5//@@/$snapshot}"
		found=$(cat "$work/stdout")
		look_away
		[ "$found" != "$4" ] || verdict=same
		put "$1" "$2" "$3" "$rc" "$took" s "$cpu" "$peak" $verdict
	else
		put "$1" "$2" "$3" 1 "" s "" "" -
	fi
}
mounted_find() { # REP WHO: the first listing, then find cold and warm
	local verdict
	wanted mount.warm "$2" "$1" || return 0
	forget "^mount\.(first|find)\t$2\t$1\t"
	if ! look "$2"; then
		put mount.warm "$2" "$1" 1 "" s "" "" -
		return
	fi
	[ "$2" = floor ] ||
		put mount.first "$2" "$1" 0 "$took" s "" "$(peak_of $server)" -
	timed cold "find '$snapshot/' -ls | wc -l"
	verdict=differs
	[ "$(cat "$work/stdout")" != "$entries" ] || verdict=same
	[ "$2" = floor ] || peak=$(peak_of $server)
	put mount.find "$2" "$1" "$rc" "$took" s "$cpu" "$peak" $verdict
	timed warm "find '$snapshot/' -ls | wc -l"
	verdict=differs
	[ "$(cat "$work/stdout")" != "$entries" ] || verdict=same
	look_away
	put mount.warm "$2" "$1" "$rc" "$took" s "$cpu" "$peak" $verdict
}
mounted_random() { # REP WHO JOBS EXPECTED
	local rate p99 hash verdict=differs
	wanted "mount.random$3" "$2" "$1" || return 0
	if ! look "$2"; then
		put "mount.random$3" "$2" "$1" 1 "" /s "" "" -
		return
	fi
	timed cold "$(random "$snapshot" "$3" "$random_s")"
	read -r rate _ p99 _ hash <"$work/stdout"
	look_away
	[ "${hash:-}" != "$4" ] || verdict=same
	[ "${hash:-}" != - ] || verdict=-
	put "mount.random$3" "$2" "$1" "$rc" "${rate:-}" /s "$cpu" "$peak" \
		"$verdict"
	[ $rc != 0 ] || [ "$3" != 1 ] ||
		put mount.slowest "$2" "$1" 0 "$(awk -v u="$p99" \
			'BEGIN { printf "%.3f", u / 1000 }')" ms "" "" -
}
random() { # DIR JOBS SECONDS
	echo "'$reader' random '$1/$big' 4096 $2 $3 7"
}
mounted_rsync() { # REP WHO
	local verdict=differs
	wanted mount.rsync "$2" "$1" || return 0
	if ! look "$2"; then
		put mount.rsync "$2" "$1" 1 "" s "" "" -
		return
	fi
	rm -rf "$out"
	timed cold "rsync -a '$snapshot/$part/' '$out/'"
	look_away
	[ "$("$here/digest" "$out" | cut -d' ' -f1,2)" != "$part_digest" ] ||
		verdict=same
	put mount.rsync "$2" "$1" "$rc" "$took" s "$cpu" "$peak" $verdict
	rm -rf "$out"
}
# Everything in the snapshot, read through the mount, once and not timed.
mounted_whole() { # WHO
	wanted mount.whole "$1" 1 || return 0
	if look "$1"; then
		compared "$(timeout "$limit" "$here/digest" "$snapshot" \
			2>>"$log")"
		look_away
		put mount.whole "$1" 1 0 0 - "" "$peak" "$verdict"
	else
		put mount.whole "$1" 1 1 "" - "" "" -
	fi
}
# Sets verdict: what of the newest generation is not as in the directory.
compared() { # "CONTENTS ATTRIBUTES LINKS"
	local want_c want_a want_l c a l
	read -r want_c want_a want_l <<<"$tree_digest"
	read -r c a l <<<"$1"
	verdict=same
	[ "$l" = "$want_l" ] || verdict="other links"
	[ "$a" = "$want_a" ] || verdict="other attributes"
	[ "$a/$l" = "$want_a/$want_l" ] || [ "$a" = "$want_a" ] ||
		[ "$l" = "$want_l" ] || verdict="other links and attributes"
	[ "$c" = "$want_c" ] || verdict=differs
}
# What is right, from the plain directory.
learn_truth() {
	[ -z "${tree_digest:-}" ] || return 0
	bring_live $newest
	IFS=$'\t' read -r _ _ big _ part _ \
		< <("$here/digest" --facts "$live")
	tree_digest=$("$here/digest" "$live")
	part_digest=$("$here/digest" "$live/$part" | cut -d' ' -f1,2)
	entries=$(find "$live" | wc -l)
}
phase_mount() {
	local rep who truth_tar truth_big truth_one truth_four tar_all
	learn_truth
	tar_all="cd '@@' && tar --sort=name --format=gnu --numeric-owner \
		-cf - -- * | '$reader' sum"
	truth_tar=$(bash -c "${tar_all//@@/$live}")
	truth_big=$("$reader" sum "$live/$big")
	truth_one=$(bash -c "$(random "$live" 1 1)" | cut -d' ' -f5)
	truth_four=$(bash -c "$(random "$live" 4 1)" | cut -d' ' -f5)
	if [[ " $peers " == *" squashfuse "* ]]; then
		squash_newest
	fi
	for rep in $(seq "$reps"); do
		for who in $(in_turn "$rep" $all); do
			mounted_find "$rep" "$who"
			mounted mount.tar "$who" "$rep" "$truth_tar" "$tar_all"
			mounted mount.big "$who" "$rep" "$truth_big" \
				"'$reader' sum '@@/$big'"
			mounted_random "$rep" "$who" 1 "$truth_one"
			mounted_random "$rep" "$who" 4 "$truth_four"
			mounted_rsync "$rep" "$who"
		done
	done
	for who in varve $peers; do
		mounted_whole "$who"
	done
}
squash_newest() { # the image that is looked at; making it is not timed
	local store
	store=$(store_of tree squashfuse 1)
	[ ! -e "$store/g$newest.sqfs" ] || return 0
	mkdir -p "$store"
	bash -c "$(squash $newest "$store")" >>"$log" 2>&1 ||
		die "no squashfs image: see $log"
}
