# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# Phases tree and tar: the stores grow by five generations, once from a
# directory and once from tarballs.  Sourced by run.

tree_wanted() { # GENERATION
	local rep who
	for rep in $(seq "$reps"); do
		for who in $all; do
			[ "$who$1" != squashfuse0 ] || ! wanted tree.add0 \
				"$who" "$rep" || return 0
			[ "$who" = squashfuse ] || ! wanted "tree.add$1" \
				"$who" "$rep" || return 0
		done
	done
	return 1
}
tree_add() { # GENERATION REP WHO
	local name=tree.add$1 verdict=-
	wanted "$name" "$3" "$2" || return 0
	if [ "$3" = floor ]; then
		if [ "$1" = 0 ]; then
			timed cold "tar -C '$live' -cf - . | '$reader' sum"
		else
			timed cold "find '$live' -ls | wc -l"
		fi
	else
		[ "$1" != 0 ] || new_store tree "$3" "$2"
		use_home tree "$3" "$2"
		busy tree
		timed cold "$(add_tree "$3" "$2" "$1")"
	fi
	put "$name" "$3" "$2" "$rc" "$took" s "$cpu" "$peak" $verdict
	idle
	if [ "$3" = floor ]; then
		tar_bytes "$1" tree "$2"
	else
		put_size "tree.size$1" "$3" "$2" tree
	fi
}
put_size() { # WORK WHO REP WHAT
	put "$1" "$2" "$3" 0 \
		"$(megabytes "$(bytes_of "$(store_of "$4" "$2" "$3")")")" \
		MB "" "" -
}
tar_bytes() { # GENERATION WHAT REP: what keeping the .tar.gz files takes
	local g n=0
	[ "$1" -le $newest ] || return 0
	for g in $(seq 0 "$1"); do
		n=$((n + $(stat -Lc %s "$data/tar/gen$g.tar.gz")))
	done
	put "$2.size$1" floor "$3" 0 "$(megabytes $n)" MB "" "" -
}
phase_tree() {
	local g rep who first=
	# Generation 5 is the fourth once more, unchanged.
	for g in 0 1 2 3 4 5; do
		[ -n "$first" ] || ! tree_wanted $g || first=$g
	done
	[ -n "$first" ] || return 0
	g=$(cat "$work/live.gen" 2>/dev/null || echo -1)
	if [ "$first" != 0 ] && { left_busy tree ||
		[ "$g" -lt $((first - 1)) ] || [ "$g" -gt "$first" ]; }; then
		say "the stores of the tree were left half-way: from the start"
		forget '^tree\.'
		first=0
	fi
	idle
	for g in $(seq "$first" 5); do
		[ "$g" = 5 ] || bring_live "$g"
		for rep in $(seq "$reps"); do
			for who in $(in_turn "$rep" $all); do
				[ "$who" = squashfuse ] && [ "$g" != 0 ] ||
					tree_add "$g" "$rep" "$who"
			done
		done
	done
	for who in $all; do
		case $who in
		restic | borg) put tree.cache "$who" 1 0 "$(megabytes \
			"$(bytes_of "$work/home/tree-$who-1")")" MB "" "" - ;;
		varve) put tree.cache varve 1 0 0 MB "" "" - ;;
		esac
	done
	for rep in $(seq 2 "$reps"); do
		rm -rf "$work"/store/tree-*-"$rep" "$work"/home/tree-*-"$rep"
	done
}

tar_add() { # GENERATION REP WHO
	local file=$data/tar/gen$1.tar.gz
	wanted "tar.add$1" "$3" "$2" || return 0
	if [ "$3" = floor ]; then
		timed cold "$(add_tar - floor "$1" "$file")"
		put "tar.add$1" floor "$2" "$rc" "$took" s "$cpu" "$peak" -
		tar_bytes "$1" tar "$2"
		return
	fi
	[ "$1" != 0 ] || new_store tar "$3" "$2"
	use_home tar "$3" "$2"
	busy "tar $3 $2"
	timed cold "$(add_tar "$(store_of tar "$3" "$2")" "$3" "$1" "$file")"
	put "tar.add$1" "$3" "$2" "$rc" "$took" s "$cpu" "$peak" -
	idle
	put_size "tar.size$1" "$3" "$2" tar
}
tar_plain() { # REP WHO: one plain tar into an empty store
	wanted tar.plain "$2" "$1" || return 0
	[ "$2" = floor ] || new_store plain "$2" "$1"
	use_home plain "$2" "$1"
	timed cold "$(add_tar "$(store_of plain "$2" "$1")" "$2" 0 \
		"$data/tar/gen0.tar")"
	put tar.plain "$2" "$1" "$rc" "$took" s "$cpu" "$peak" -
	rm -rf "$(store_of plain "$2" "$1")" "$work/home/plain-$2-$1"
}
# The newest tarball, out of the store again.
tar_back() { # REP WHO
	local store file=$data/tar/gen$newest.tar verdict=differs
	wanted tar.back "$2" "$1" || return 0
	store=$(store_of tar "$2" 1)
	use_home tar "$2" 1
	case $2 in
	varve) mount_store varve tar || { put tar.back varve "$1" 1 "" s "" \
		"" -; return; }
		timed cold "'$reader' sum '$mnt/.varve/original/bench/tar/$(
			as_name $newest).tar'"
		peak=$(peak_of $server)
		unmount ;;
	restic) timed cold "restic -q -r '$store' dump latest /gen.tar |
		'$reader' sum" ;;
	borg) timed cold "borg export-tar '$store::g$newest' - |
		'$reader' sum" ;;
	floor) timed cold "'$reader' sum '$file'" ;;
	esac
	if [ "$(cat "$work/stdout")" = "$("$reader" sum "$file")" ]; then
		verdict=same
	elif [ "$2" = borg ]; then
		# It keeps the files, not the stream.
		[ "$(borg export-tar "$store::g$newest" - 2>>"$log" |
			"$here/digest" --tar)" != \
			"$("$here/digest" --tar <"$file")" ] ||
			verdict="same files"
	fi
	put tar.back "$2" "$1" "$rc" "$took" s "$cpu" "$peak" "$verdict"
}
phase_tar() {
	local g rep who list=varve left
	for who in restic borg; do
		[[ " $peers " != *" $who "* ]] || list="$list $who"
	done
	if left_busy tar; then
		read -r _ who rep <"$work/busy"
		forget "^tar\.(add|size).\t$who\t$rep\t"
		idle
	fi
	for g in 0 1 2 3 4; do
		for rep in $(seq "$reps"); do
			for who in $(in_turn "$rep" $list floor); do
				tar_add $g "$rep" "$who"
			done
		done
	done
	for left in $(seq 2 "$reps"); do
		rm -rf "$work"/store/tar-*-"$left" "$work"/home/tar-*-"$left"
	done
	for rep in $(seq "$reps"); do
		for who in $(in_turn "$rep" $list floor); do
			tar_plain "$rep" "$who"
			tar_back "$rep" "$who"
		done
	done
}
