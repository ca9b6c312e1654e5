#!/bin/bash
# What docs/design.md promises of the mount, through the kernel.
# usage: run.sh VARVE_BINARY [TEST...]
#
# Prints "ok …", "not ok …", "skip …" lines.  Needs root and /dev/fuse; skips
# say what else was missing.  KEEP=1 keeps the temporary directory.
set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
varve=$(realpath "${1:?usage: run.sh VARVE_BINARY [TEST...]}")
shift
name=${NAME:-mount}
failed=0

if [ "$(id -u)" != 0 ] || [ ! -w /dev/fuse ]; then
	echo "skip $name: needs root and /dev/fuse"
	exit 0
fi
# Not on /tmp where that is tmpfs without xattrs or ACLs of users.
work=$(mktemp -d "${TMPDIR:-/tmp}/varve-mount.XXXXXX")
mnt=$work/mnt store=$work/store src=$work/src
mkdir "$mnt" "$work/out" "$work/other"
cleanup() {
	local m
	cd /
	for m in $(grep -o "$work[^ ]*" /proc/self/mountinfo | sort -ru); do
		umount -l "$m" 2>/dev/null
	done
	[ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap cleanup EXIT
export VARVE_STORE=$store
v() { "$varve" "$@"; }

verdict() { # RC WHAT
	if [ "$1" -eq 0 ]; then
		echo "ok $name: $2"
	else
		echo "not ok $name: $2"
		failed=1
		sed 's/^/    /' "$work/log" 2>/dev/null | head -n 25
	fi
	: >"$work/log"
}
check() { # WHAT COMMAND...
	local what=$1
	shift
	"$@" >"$work/log" 2>&1
	verdict $? "$what"
}
refused() { # WHAT WORDS COMMAND...: fails, and says so in these words
	local what=$1 words=$2 rc
	shift 2
	"$@" >"$work/log" 2>&1
	rc=$?
	[ $rc -ne 0 ] && grep -q -- "$words" "$work/log"
	verdict $? "$what"
}
same() { # EXPECTED FOUND
	[ "$1" = "$2" ] || { echo "expected: $1"; echo "found:    $2"; false; }
}
soon() { # COMMAND...: true within 6 seconds
	local i
	for i in {1..60}; do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "did not come true: $*"
	false
}
pid_of() { # MOUNTPOINT: the server's
	local p
	for p in /proc/[0-9]*; do
		{ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null |
			grep -q -- "^$varve.* $1 \$" && echo "${p#/proc/}"
	done
}
mounted() { grep -q " $1 .* fuse.varve " /proc/self/mountinfo; }
gone() { ! [ -e "/proc/$1" ]; }
up() { v mount "$mnt" "$@"; }
down() {
	local pid
	pid=$(pid_of "$mnt")
	v umount "$mnt" && { [ -z "$pid" ] || soon gone "$pid"; }
}

cc() {
	${CC:-gcc} -O2 -Wall -D_GNU_SOURCE -o "$work/$1" "$here/$1.c" ||
		{ echo "not ok $name: $1.c does not compile"; exit 1; }
}
cc treecmp
cc handle
treecmp() { "$work/treecmp" "$@"; }

mkdir -p "$work/small/sub"
echo one >"$work/small/f"
"$here/mktree.sh" "$src" >"$work/log" 2>&1 || {
	verdict 1 "a tree with everything is made"
	exit 1
}
grep '^skip' "$work/log"
: >"$work/log"

tar_all() { # TARFILE DIR
	tar --format=pax -S --acls --xattrs --xattrs-include='*' \
		-cf "$1" -C "$2" . 2>/dev/null
	[ -s "$1" ]
}

check "a store is made" v init
check "a directory is added" v add -q -s host/tree -t 2021-01-22T19:27:31Z "$src"
check "a tarball is made" tar_all "$work/src.tar" "$src"
check "a tarball is added" v add -q -s host/tar -t 2021-01-23T00:00:00Z "$work/src.tar"
check "it is mounted" up
tree=$mnt/host/tree/2021-01-22T19-27-31Z
tarred=$mnt/host/tar/2021-01-23T00-00-00Z

t_layout() {
	check "sources and times are directories" same \
		"host tar tree 2021-01-22T19-27-31Z latest" \
		"$(cd "$mnt" && echo * $(cd host && echo *) $(cd host/tree && echo *))"
	check "latest leads to the newest" same 2021-01-22T19-27-31Z \
		"$(readlink "$mnt/host/tree/latest")"
	check ".varve is not listed" same host "$(ls -A "$mnt")"
	check ".varve is there by name" same "incomplete info original" \
		"$(echo $(ls "$mnt/.varve"))"
	check "the original tarball is given back" cmp "$work/src.tar" \
		"$mnt/.varve/original/host/tar/2021-01-23T00-00-00Z.tar"
	check "where there is no original none is shown" \
		[ ! -e "$mnt/.varve/original/host/tree" ]
	local info=$mnt/.varve/info/host/tar/2021-01-23T00-00-00Z.json
	check "info tells the source" grep -q '"source":"host/tar"' "$info"
	check "info is as long as stat says" same \
		"$(stat -c %s "$info")" "$(wc -c <"$info")"
	check "nothing is incomplete" same "" "$(ls "$mnt/.varve/incomplete")"
	check "it is read-only" same "Read-only file system" \
		"$( (: >"$tree/new") 2>&1 | sed 's/.*: //')"
	check "nosuid, nodev, ro" grep -q " $mnt ro,nosuid,nodev," \
		/proc/self/mountinfo
	check "type and name are varve's" grep -q "fuse.varve varve " \
		/proc/self/mountinfo
	check "df says how full the store is" same \
		"$(stat -f -c '%b' "$store")" "$(stat -f -c '%b' "$mnt")"
	check "a name that is too long is refused" same "File name too long" \
		"$(stat "$tree/$(printf 'x%.0s' {1..256})" 2>&1 |
		sed 's/.*: //')"
}

t_fidelity() {
	check "a directory is shown exactly" treecmp --holes --flags "$src" "$tree"
	# No tar keeps sockets; chattr flags neither.
	check "a tarball is shown exactly" treecmp --ignore sockets \
		--holes "$src" "$tarred"
	down && up
	check "and after the kernel forgot it" treecmp --holes --flags "$src" "$tree"
	check "all names by readdir" same \
		"$(cd "$src" && find . -print0 | sort -z | md5sum)" \
		"$(cd "$tree" && find . -print0 | sort -z | md5sum)"
	check "rsync -aHAXS sees no difference" same "" \
		"$(rsync -aHAXSni --modify-window=-1 --delete --exclude=sparse \
		"$tree/" "$src/" 2>&1)"
	check "rsync -aHAX restores" rsync -aHAX --modify-window=-1 \
		--exclude=sparse --exclude=all-hole --exclude=hole-at-end \
		"$tree/" "$work/restored/"
	mkdir -p "$work/some"
	check "what rsync restored is the same" same "" \
		"$(treecmp "$src" "$work/restored" | grep -v \
		-e 'sparse: only' -e 'hole: only' -e 'at-end: only' -e nodes)"
	check "getfacl reads the same" same \
		"$(cd "$src" && getfacl -n -- * 2>/dev/null | md5sum)" \
		"$(cd "$tree" && getfacl -n -- * 2>/dev/null | md5sum)"
	check "getcap reads the same" same "$(cd "$src" && getcap capable)" \
		"$(cd "$tree" && getcap capable)"
	check "no holes are filled by cp" same \
		"$(du -k "$src/sparse" | cut -f1)" \
		"$(cp --sparse=auto "$tree/sparse" "$work/sparse" &&
		du -k "$work/sparse" | cut -f1)"
	check "du counts blocks that there are" test \
		"$(du -k "$tree/sparse" | cut -f1)" -lt 2000
	rm -rf "$work/restored" "$work/sparse"
	su -s /bin/bash nobody -c true 2>/dev/null ||
		echo "skip $name: trusted xattrs by user: no su"
}

t_reads() {
	local i at len
	check "parallel reads are right" bash -c '
		want=$(md5sum <"$1/random")
		for i in {1..8}; do
			( [ "$(md5sum <"$2/random")" = "$want" ] ) & pids+=($!)
		done
		for p in "${pids[@]}"; do wait "$p" || exit 1; done' \
		_ "$src" "$tree"
	down && up
	RANDOM=17
	for i in {1..60}; do
		at=$((RANDOM * 640)) len=$((RANDOM * 8 + 1))
		cmp -s <(tail -c +$((at + 1)) "$src/random" | head -c $len) \
			<(dd if="$tree/random" iflag=skip_bytes,count_bytes \
			skip=$at count=$len bs=64k status=none) ||
			echo "differs at $at, $len bytes"
	done >"$work/out/random"
	check "random reads are right" same "" "$(cat "$work/out/random")"
	check "direct reads are right" same "$(md5sum <"$src/random")" \
		"$(dd if="$tree/random" iflag=direct bs=1M status=none | md5sum)"
	check "reads past the end give nothing" same 0 \
		"$(dd if="$tree/text" iflag=skip_bytes skip=9999999 \
		status=none 2>/dev/null | wc -c)"
	check "the end of the sparse file is read" same end \
		"$(tail -c 4 "$tree/sparse")"
	check "mapped reads are right" cmp "$src/text" "$tree/text"
}

t_numbers() {
	local list="find . -printf '%i %n %p\n'"
	(cd "$mnt" && eval "$list") | sort >"$work/out/before"
	check "a file's number is its own" same "" "$(awk '$2 == 1 { print $1 }' \
		"$work/out/before" | sort | uniq -d)"
	check "names of one file share it" same \
		"$(stat -c %i "$tree/file")" "$(stat -c %i "$tree/links/a/again")"
	"$work/handle" save "$mnt" "$tree/links/a/third" "$work/out/h1"
	"$work/handle" save "$mnt" "$tree/level1/level2" "$work/out/h2"
	"$work/handle" save "$mnt" "$mnt/host" "$work/out/h3"
	down && up
	(cd "$mnt" && eval "$list") | sort >"$work/out/after"
	check "numbers are the same after a remount" cmp \
		"$work/out/before" "$work/out/after"
	down && up
	check "a handle opens a file after a remount" same \
		"$(stat -c '%i %s' "$tree/links/a/third") other" \
		"$("$work/handle" open "$mnt" "$work/out/h1")"
	down && up
	check "a handle opens a directory" same \
		"$(stat -c %i "$tree/level1/level2")" \
		"$("$work/handle" open "$mnt" "$work/out/h2" | cut -d' ' -f1)"
	down && up
	check "a handle opens a source" same "$(stat -c %i "$mnt/host")" \
		"$("$work/handle" open "$mnt" "$work/out/h3" | cut -d' ' -f1)"
}

t_live() {
	local pid
	check "one is added while mounted" v add -q -s live \
		-t 2022-01-01T00:00:00Z "$work/small"
	check "its source appears" soon [ -d "$mnt/live" ]
	check "latest leads to it" soon same 2022-01-01T00-00-00Z \
		"$(readlink "$mnt/live/latest")"
	check "it is read" same one "$(cat "$mnt/live/latest/f")"
	ls "$mnt/live" >/dev/null
	echo two >"$work/small/f"
	check "another is added" v add -q -s live -t 2022-01-02T00:00:00Z \
		"$work/small"
	check "it is listed" soon bash -c "ls $mnt/live | grep -q 2022-01-02"
	check "latest moved" soon bash -c \
		"[ \$(readlink $mnt/live/latest) = 2022-01-02T00-00-00Z ]"
	check "and reads the new" same two "$(cat "$mnt/live/latest/f")"
	check "an older one added later is listed" v add -q -s live \
		-t 2021-06-01T00:00:00Z "$work/small"
	check "but latest stays" soon bash -c "ls $mnt/live | grep -q 2021-06 &&
		[ \$(readlink $mnt/live/latest) = 2022-01-02T00-00-00Z ]"
	check "one of the future is added" v add -q -s live \
		-t 2190-01-01T00:00:00Z "$work/small"
	check "it is listed and not the latest" soon bash -c \
		"ls $mnt/live | grep -q 2190 &&
		[ \$(readlink $mnt/live/latest) = 2022-01-02T00-00-00Z ]"
	check "one is found to be flawed" v tag live@2022-01-02T00-00-00Z \
		"flawed=as it was backed up"
	check "latest leads to the good one before it" soon bash -c \
		"[ \$(readlink $mnt/live/latest) = 2022-01-01T00-00-00Z ]"
	check "it stays where it was" same two \
		"$(cat "$mnt/live/2022-01-02T00-00-00Z/f")"
	check "that is taken back" v tag live@2022-01-02T00-00-00Z flawed=
	check "and it is the latest again" soon bash -c \
		"[ \$(readlink $mnt/live/latest) = 2022-01-02T00-00-00Z ]"
	local at
	at=$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ)
	check "one of 4 seconds from now" v add -q -s soon -t "$at" "$work/small"
	check "is the latest when its time comes" soon [ -L "$mnt/soon/latest" ]
}

t_forget() {
	local old=$mnt/live/2022-01-01T00-00-00Z
	if ! v forget --help >/dev/null 2>&1; then
		echo "skip $name: forget: the command is not built"
		return
	fi
	exec 7<"$old/f"
	check "a snapshot is forgotten" v forget "live@2022-01-01"
	check "it vanishes" soon [ ! -e "$old" ]
	check "and from the list" same "" "$(ls "$mnt/live" | grep 2022-01-01)"
	check "an open file of it reads on" same one "$(cat <&7)"
	exec 7<&-
	check "the others stay" same two "$(cat "$mnt/live/2022-01-02T00-00-00Z/f")"
	check "info of it is gone" [ ! -e \
		"$mnt/.varve/info/live/2022-01-01T00-00-00Z.json" ]
}

t_incomplete() {
	head -c 200000 "$work/src.tar" >"$work/cut.tar"
	v add -q -s cut -t 2022-01-02T00:00:00Z "$here" >"$work/log" 2>&1
	v add -q -s cut -t 2023-01-01T00:00:00Z "$work/cut.tar" \
		>"$work/log" 2>&1
	check "a cut tarball is incomplete" same 3 $?
	check "it is under .varve/incomplete" soon \
		[ -d "$mnt/.varve/incomplete/cut/2023-01-01T00-00-00Z" ]
	treecmp --ignore top,sockets,mtime-of-dirs,nlink,links "$src" \
		"$mnt/.varve/incomplete/cut/2023-01-01T00-00-00Z" |
		grep -v -e 'only in A' -e differences >"$work/out/cut"
	check "what could be read is right" test "$(wc -l <"$work/out/cut")" -le 2
	check "it is nowhere else" same "" "$(ls "$mnt/cut" | grep 2023)"
	check "latest is not it" same 2022-01-02T00-00-00Z \
		"$(readlink "$mnt/cut/latest")"
	check "info says why" grep -q '"complete":false' \
		"$mnt/.varve/info/cut/2023-01-01T00-00-00Z.json"
}

# "An error or a short listing is never 'empty'": a source of which nothing good
# is there does not vanish, and cannot be mirrored as if it were empty.
t_nothing() {
	local at=2023-01-01T00-00-00Z mirror=$work/mirror
	head -c 200000 "$work/src.tar" >"$work/cut.tar"
	v add -q -s none/cut -t 2023-01-01T00:00:00Z "$work/cut.tar" \
		>"$work/log" 2>&1
	nothing "in a running mount"
	down && up
	nothing "in a new mount"
	check "nothing good: what there is is aside" \
		[ -d "$mnt/.varve/incomplete/none/cut/$at" ]
	if ! command -v rsync >/dev/null; then
		echo "skip $name: nothing good: rsync is not there"
	else
		mkdir -p "$mirror/cut"
		echo old >"$mirror/cut/kept"
		refused "nothing good: rsync of the latest fails" "" \
			rsync -a --delete "$mnt/none/cut/latest/" "$mirror/cut/"
		refused "nothing good: so does rsync of the source" "" \
			rsync -a --delete "$mnt/none/cut/" "$mirror/cut/"
		refused "nothing good: and of what is above" "" \
			rsync -a --delete "$mnt/none/" "$mirror/"
		check "nothing good: rsync deleted nothing" same old \
			"$(cat "$mirror/cut/kept")"
	fi
	check "a good one comes" v add -q -s none/cut -t 2022-01-01 \
		"$work/small"
	check "then it is listed" soon same "2022-01-01T00-00-00Z latest" \
		"$(sleep 1.5; ls "$mnt/none/cut" | xargs)"
	check "it is forgotten" v forget none/cut@2022-01-01
	check "then it is as before" soon refused_listing "$mnt/none/cut"
	v forget -q "none/cut@$at"
	check "and gone with the last" soon [ ! -e "$mnt/none" ]
}
refused_listing() { ! ls "$1" >/dev/null 2>&1 && [ -d "$1" ]; }
nothing() { # WHEN
	check "nothing good: the source is there $1" soon \
		[ -d "$mnt/none/cut" ]
	check "nothing good: and listed" same cut "$(ls "$mnt/none")"
	refused "nothing good: it is not empty $1" "No data available" \
		ls "$mnt/none/cut"
	check "nothing good: there is no latest $1" \
		[ ! -L "$mnt/none/cut/latest" ]
}

t_refusals() {
	local other=$work/other
	mkdir -p "$other" "$work/full"
	echo x >"$work/full/x"
	refused "a full directory" "not empty" v mount "$work/full"
	check "unless asked for" v mount -o nonempty "$work/full"
	check "and taken away" v umount "$work/full"
	refused "a mount in the store" "lie in each other" v mount "$store/packs"
	refused "a mount over what holds the store" "lie in each other" \
		v mount -o nonempty "$work"
	refused "an unknown option" "unknown option '-o frobnicate'" \
		v mount -o frobnicate "$other"
	refused "writing" "read" v mount -o rw "$other"
	refused "auto_unmount" "rsync" v mount -o auto_unmount "$other"
	refused "a source that is not there" "no snapshot of a source" \
		v mount --source nosuch "$other"
	refused "a store that is not there" "" v --store "$work/none" mount "$other"
	refused "unmounting what is no mount" "nothing is mounted" \
		v umount "$other"
	mount -t tmpfs tmpfs "$other"
	refused "unmounting another's mount" "not a mount of varve" \
		v umount "$other"
	umount "$other"
	check "--source shows" v mount --source 'host/ta*' "$other"
	check "only what it says" same tar "$(ls "$other/host")"
	check "also below .varve" same tar "$(ls "$other/.varve/info/host")"
	v umount "$other"
}

t_owners() {
	local other=$work/other
	mkdir -p "$other"
	if ! su -s /bin/bash nobody -c true 2>/dev/null; then
		echo "skip $name: owners: no su to nobody"
		return
	fi
	chmod 755 "$work"
	as() { su -s /bin/bash nobody -c "$1"; }
	check "without allow_other" [ -z "$(as "ls $mnt/host 2>/dev/null")" ]
	check "with allow_other" v mount -o allow_other "$other"
	local t=$other/host/tree/latest
	check "others read what they may" same plain "$(as "cat $t/file")"
	refused "others do not read what they may not" "Permission denied" \
		as "cat $t/mode-0400"
	if command -v setpriv >/dev/null && [ -e "$src/acl-only" ]; then
		user() { setpriv --reuid "$1" --regid "$2" --clear-groups \
			cat "$t/acl-only"; }
		check "an ACL lets in whom it names" same secret "$(user 1234 999)"
		refused "its mask is no right of the owning group" \
			"Permission denied" user 1235 0
	else
		echo "skip $name: ACLs that count: no setpriv or no ACLs"
	fi
	refused "nor originals" "Permission denied" \
		as "cat $other/.varve/original/host/tar/*.tar"
	check "trusted attributes are not listed for them" same "" \
		"$(as "getfattr -d -m - $t/xattr 2>/dev/null" | grep trusted)"
	v umount "$other"
	check "uid=, gid=, umask=" v mount \
		-o allow_other,uid=65534,gid=100,umask=077 "$other"
	check "override owners and modes" same "65534 100 700" \
		"$(stat -c '%u %g %a' "$t/mode-0400")"
	check "so that they read all" same 0400 "$(as "cat $t/mode-0400")"
	v umount "$other"
}

gone_with() { # COMMAND...: the server has ended as it returns
	"$@" && { gone "$pid" || grep -q '^State:.Z' "/proc/$pid/status"; }
}
t_process() {
	local pid
	pid=$(pid_of "$mnt")
	check "there is one server" same 1 "$(echo "$pid" | wc -w)"
	check "it holds nothing of the caller" same "/dev/null /dev/null /dev/null /" \
		"$(readlink "/proc/$pid/fd/0" "/proc/$pid/fd/1" \
		"/proc/$pid/fd/2" "/proc/$pid/cwd" | tr '\n' ' ' | sed 's/ $//')"
	kill -TERM "$pid"
	check "SIGTERM ends it" soon gone "$pid"
	check "and unmounts" bash -c "! mountpoint -q $mnt"
	check "it is mounted again" up
	pid=$(pid_of "$mnt")
	check "umount returns when its server is gone" gone_with v umount "$mnt"
	check "it is mounted once more" up
	pid=$(pid_of "$mnt")
	kill -STOP "$pid"
	check "a server that is stopped is not waited for" v umount "$mnt"
	kill -CONT "$pid"
	check "and ends as it goes on" soon gone "$pid"
	check "and again it is mounted" up
	pid=$(pid_of "$mnt")
	exec 7<"$tree/file"
	refused "a busy mount is not taken away" "in use" v umount "$mnt"
	check "lazily it is" v umount -z "$mnt"
	check "and its readers go on" same plain "$(cat <&7)"
	exec 7<&-
	check "until they are done" soon gone "$pid"
	check "again" up
	pid=$(pid_of "$mnt")
	kill -KILL "$pid"
	soon gone "$pid"
	refused "a dead mount is no empty directory" "not connected" ls "$mnt"
	check "umount takes the dead one away" v umount "$mnt"
	check "and again" up
	"$varve" mount --foreground "$work/other" & pid=$!
	soon mounted "$work/other"
	kill -TERM $pid
	wait $pid
	verdict $? "SIGTERM ends the foreground well"
	check "and unmounts too" bash -c "! mountpoint -q $work/other"
	v mount --foreground --stats "$work/out" -o nonempty 2>"$work/stats" &
	soon mounted "$work/out"
	find "$work/out/host/tree/" -ls >/dev/null
	tar cf - -C "$work/out/host/tree/latest" . | cat >/dev/null
	check "taken away from under it in the foreground" umount "$work/out"
	wait $!
	verdict $? "it ends well"
	check "a find asks for few lookups" awk '$1 == "lookups" {
		print; bad = $2 > 40 } $1 == "readdirplus_entries" {
		print; seen = $2 } END { exit bad || seen < 5000 }' "$work/stats"
	check "a tar has the files to come decoded" awk \
		'$1 == "prefetched_files" { print; seen = $2 }
		END { exit seen < 30 }' "$work/stats"
	[ "$(nproc)" -eq 1 ] ||
		check "and a thread that is awake takes what it asks for" awk \
			'$1 == "taken_awake" { print; seen = $2 }
			END { exit seen < 100 }' "$work/stats"
}

# docs/format.md: a record tells what its top directory is.
of_top() { # DIR
	stat -c '%a %u %g %h %Y %y' "$1" && getfattr -d -m - "$1" 2>/dev/null |
		grep -v '^#' || :
}
t_tops() {
	local d i log=$work/tops store=$work/store-tops pid
	mkdir "$work/top"
	mkdir "$work/top/a" "$work/top/b"
	v init -q "$store"
	for i in 1 2 3; do
		chmod 75$i "$work/top" && chown 10$i:20$i "$work/top"
		[ $i != 2 ] || setfattr -n user.of -v two "$work/top"
		touch -d "2021-01-0$i 01:02:03.45678900$i" "$work/top"
		of_top "$work/top" >"$work/top-$i"
		v add -q --store "$store" -s t -t "2021-01-0${i}T00:00:00Z" "$work/top"
		[ $i != 2 ] || setfattr -x user.of "$work/top"
	done
	mkdir "$work/tops-mnt"
	v mount --foreground --stats --store "$store" "$work/tops-mnt" \
		2>"$log" & pid=$!
	soon mounted "$work/tops-mnt"
	ls -l "$work/tops-mnt/t" >/dev/null
	for i in 1 3; do
		d=$work/tops-mnt/t/2021-01-0${i}T00-00-00Z
		check "the top of snapshot $i is as it was" \
			same "$(<"$work/top-$i")" "$(of_top "$d")"
	done
	umount "$work/tops-mnt"
	wait $pid
	check "and seen without opening a tree" awk \
		'$1 == "trees_opened" { print; opened = $2 }
		$1 == "tops" { print; told = $2 }
		END { exit opened > 1 || told < 3 }' "$log"

	v mount --store "$store" "$work/tops-mnt"
	d=$work/tops-mnt/t/2021-01-02T00-00-00Z
	check "one that has attributes has them" \
		same "$(<"$work/top-2")" "$(of_top "$d")"
	check "what is below it is found from there" same "a b" \
		"$(cd "$d" && echo *)"
	# Looked at, but with no tree open: it stays while it is in use.
	d=$work/tops-mnt/t/2021-01-01T00-00-00Z
	stat "$d" >/dev/null
	exec 7<"$d"
	v forget -q --store "$store" t@2021-01-01
	soon test ! -e "$d"
	check "one that is forgotten then is read on" same "a b" \
		"$(cd /proc/self/fd/7 && echo *)"
	exec 7<&-
	v umount "$work/tops-mnt"

	mkdir "$work/old" && tar -C "$work/old" --no-same-owner -xpf \
		"$here/../golden/store-1.tar.xz"
	v mount --store "$work/old/store" "$work/tops-mnt"
	d=$(find "$work/tops-mnt" -mindepth 2 -maxdepth 3 -name "2021-01-2*Z" 2>/dev/null |
		sort | head -n 1)
	check "a record without it is served as ever" test -d "$d" -a \
		-n "$(ls -A "$d")"
	v umount "$work/tops-mnt"
}

t_together() {
	local i pids=()
	for i in 1 2 3; do
		(cd "$tree" && find . -ls | wc -l >/dev/null) & pids+=($!)
		(grep -rq nothing-like-this "$tree/small" "$tarred/small";
			[ $? -eq 1 ]) & pids+=($!)
		(cmp "$src/random" "$tarred/random") & pids+=($!)
	done
	for i in 1 2 3 4 5 6; do
		v add -q -s "busy/$i" -t "2020-01-0${i}T00:00:00Z" \
			"$work/small" >/dev/null 2>&1 || echo add failed
	done >"$work/out/adds"
	i=0
	for p in "${pids[@]}"; do
		wait "$p" || i=1
	done
	check "readers and writers together" [ $i = 0 -a ! -s "$work/out/adds" ]
	for i in {1..5}; do
		(for n in {1..40}; do ls -lR "$mnt/busy" "$mnt/.varve/info"; done \
			>/dev/null 2>&1) &
		v add -q -s busy/1 -t "2020-02-0${i}T00:00:00Z" "$work/small" \
			>/dev/null 2>&1 || echo add failed
		down >/dev/null 2>&1 || kill "$(pid_of "$mnt")"
		soon bash -c "! mountpoint -q $mnt"
		wait
		up
	done >"$work/out/adds"
	check "it ends whatever goes on in it" same "" "$(cat "$work/out/adds")"
	check "the mount shows what was added" soon [ -d "$mnt/busy/6" ]
	local peak
	peak=$(awk '/VmHWM/ { print $2 }' "/proc/$(pid_of "$mnt")/status")
	case $name in
	*asan* | *tsan*) echo "skip $name: memory: not under a sanitizer" ;;
	*) check "memory stayed under 128 MiB ($peak KiB)" test "$peak" -lt 131072 ;;
	esac
}

# The words of the damage name a file that could not be read.
remembered() {
	local words
	words=$("$varve" list --json --store "$store" |
		sed -n "s/.*\"damage\":\"'\([^']*\)'.*/\1/p" | head -n 1)
	[ -n "$words" ] && grep -qF "$words" "$work/out/damage"
}

# The largest data pack gets a hole of junk in its middle.
t_damage() {
	local pack bad
	down
	pack=$(find "$store/packs" -type f -printf '%s %p\n' | sort -n |
		tail -1 | cut -d' ' -f2)
	cp "$pack" "$work/pack.saved"
	chmod u+w "$pack"
	head -c 4096 /dev/urandom | dd of="$pack" conv=notrunc bs=1 \
		seek=$(($(stat -c %s "$pack") / 2)) status=none
	up
	check "damage: every name is listed still" same \
		"$(cd "$src" && find . | wc -l)" "$(cd "$tree" && find . | wc -l)"
	treecmp "$src" "$tree" >"$work/out/damage"
	check "damage: some file cannot be read" grep -q 'Input/output error' \
		"$work/out/damage"
	check "damage: nothing reads wrong" same "" \
		"$(grep -v -e 'Input/output error' -e differences \
		"$work/out/damage")"
	bad=$(grep -c 'Input/output' "$work/out/damage")
	check "damage: few files are hit ($bad)" test "$bad" -lt 400
	# "It is remembered": the list shows it, and by path.  Whoever reads on
	# finds everything where it was.
	check "damage: it is remembered" soon remembered
	check "damage: nothing moves in the mount" test -d "$tree"
	sleep 1.5
	check "damage: nor later" test -d "$tree"
	treecmp "$src" "$tree" >"$work/out/again"
	check "damage: the rest reads on" same "$(<"$work/out/damage")" \
		"$(<"$work/out/again")"
	# Nor does it in a new mount: who mirrors a source keeps it.
	down && up
	check "damage: a new mount shows it there too" test -d "$tree"
	check "damage: and not twice" test ! -e \
		"$mnt/.varve/incomplete/host/tree/2021-01-22T19-27-31Z"
	check "damage: latest is not it" test ! -L "$mnt/host/tree/latest"
	treecmp "$src" "$tree" >"$work/out/again"
	check "damage: it reads the same in the new one" same \
		"$(<"$work/out/damage")" "$(<"$work/out/again")"
	down
	mv "$work/pack.saved" "$pack"
	check "damage: healed when it can be read" "$varve" check -q \
		--store "$store"
	check "damage: and shown as such" same 0 "$("$varve" list --json \
		--store "$store" | grep -c '"damage":"')"
	missing
}

# A snapshot whose root is there while pages of it are not, and a catalog that
# never heard of them: errors, and nothing that looks empty or absent.
missing() {
	local lost=$work/lost
	mkdir -p "$lost/tree/a" "$lost/tree/b"
	seq -f "$lost/tree/a/f%.0f" 1 3000 | xargs touch
	echo new >"$lost/tree/b/new"
	export VARVE_STORE=$lost/store
	v init -q
	v add -q -s x -t 2021-01-01T00:00:00Z "$lost/tree"
	find "$lost/store/packs" -type f >"$work/out/packs"
	rm "$lost/tree/b/new"
	# pages that lead on lean on none of these
	v add -q -s x -t 2021-01-02T00:00:00Z "$lost/tree"
	xargs rm <"$work/out/packs"
	rm -f "$lost/store"/catalog.db*
	up
	tree=$mnt/x/2021-01-02T00-00-00Z
	check "no pages: what is left is shown" same "a b" "$(echo $(ls "$tree"))"
	refused "no pages: a listing fails" "Input/output error" ls "$tree/a"
	refused "no pages: a name is not missing" "Input/output error" \
		stat "$tree/a/f7"
	refused "no pages: rsync --delete deletes nothing" "error" \
		rsync -a --delete "$tree/" "$lost/tree/"
	check "no pages: and nothing was" same 3000 "$(ls "$lost/tree/a" | wc -l)"
	check "no roots: an error" bash -c \
		"ls $mnt/x/2021-01-01T00-00-00Z 2>&1 | grep 'Input/output'"
	down
}

# "Non-root users may mount their own store": with a /dev/fuse they may open and
# an /etc of the test's own, in a mount namespace of its own.
user_session() {
	trap 'umount -l "$work/user/mnt" 2>/dev/null' EXIT
	mount --bind "$work/fuse" /dev/fuse &&
		mount --bind "$work/etc" /etc || return 1
	as() {
		setpriv --reuid=nobody --regid=nogroup --clear-groups \
			env -C "$work/user" HOME="$work/user" \
			VARVE_STORE="$work/user/store" "$@"
	}
	as "$varve" init && as "$varve" add -q -s own files &&
		as "$varve" mount mnt &&
		as cmp files/text mnt/own/latest/text &&
		! cat "$work/user/mnt/own/latest/text" 2>/dev/null || return 1
	as "$varve" umount mnt 2>&1 | grep 'ln -s .* /etc/mtab' || return 1
	ln -s ../proc/self/mounts /etc/mtab && as "$varve" umount mnt || return 1
	as "$varve" mount -o allow_other mnt 2>&1 | grep user_allow_other
}
t_user() {
	command -v fusermount3 >/dev/null || {
		echo "skip $name: user: no fusermount3"
		return
	}
	unshare -m --propagation private true 2>"$work/log" || {
		echo "skip $name: user: no mount namespace: $(<"$work/log")"
		return
	}
	mknod -m 666 "$work/fuse" c 10 229
	chmod 755 "$work"
	install -d -o nobody -m 700 "$work/user" "$work/user/files" \
		"$work/user/mnt"
	echo text >"$work/user/files/text"
	chown nobody "$work/user/files/text"
	# The tree may lie where only root may look, as in /root.
	install -m 755 "$varve" "$work/varve"
	# The link is made when a machine boots: a bare root has none.
	cp -a /etc "$work/etc"
	rm -f "$work/etc/mtab"
	: >"$work/etc/fuse.conf"
	export -f user_session
	check "an ordinary user mounts his own store" \
		env work="$work" varve="$work/varve" \
		unshare -m --propagation private bash -c user_session
}

run() {
	[ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]] || return
	mountpoint -q "$mnt" || up
	"t_$1"
}
wanted=("$@")
for t in layout fidelity reads numbers live forget tops incomplete nothing \
	refusals owners process together damage user; do
	run $t
done
mountpoint -q "$mnt" && down
exit $failed
