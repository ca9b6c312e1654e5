#!/bin/bash
# A push to each sort of volume and file system, killed before each of its steps
# and failed at it: resume brings it to wholly new, rollback to wholly old, on
# the array and on this machine, and what uses it is started in neither between.
# usage: [EVERY=1] [FAULTS="kill EIO ENOSPC"] kills.sh VARVE STRIDE SORT...
#   VARVE: of a build with faults
#   SORT: new, blank, taken (a volume); files, taken-files (a file system)
set -u
here=$(cd "$(dirname "$0")/../store" && pwd)
name=array-kills
varve=$(realpath "$1") stride=$2
shift 2
. "$here/prelude"
cd "$work" || exit 1
. "$here/../push/prelude"
all=$work
# unless TMPDIR is such a place: loop devices are few
[ -n "${FAST:-}" ] || in_memory
. "$here/../pso/servers"
. "$here/../array/prelude"
. "$here/../push/sweep"
least=80 again=40
trap 'let_go; end_servers; work=$all; finish' EXIT
trees
make_world
v init -q && v add -q -s s new && v add -q -s f former || exit 1

# What there was before, once for all.
serial=9a738ed78583fd1200013e02
keep() { # SORT
	mkdir -p "was.$1"
	rm -f w/calls w/requests
	cp -a --sparse=always w/arrays w/disks w/files "was.$1/"
}
keep new
keep files
items fa1/volumes "$(printf '{"name":"vol1","id":"v-1","serial":"%s","provisioned":33554432,"created":1,"destroyed":false,"time_remaining":null,"connection_count":0}' ${serial^^})"
truncate -s 32M w/disks/$serial
keep blank
v push -q --yes "${to_volume[@]}" --mkfs ext4 f "flasharray:$fa/vol1" &&
	v push -q --yes "${to_files[@]}" --size 32M f "flashblade:$fb/fs1" || exit 1
keep taken
keep taken-files
rm -rf store/runs
mv store store.first

cat >stop <<-TEXT
	rm -f running
TEXT
cat >start <<-TEXT
	[ -z "\$(ls -A at)" ] && [ -z "\$(ls -A w/by-id)" ] || echo broken >>broken
	touch running
TEXT
fresh() {
	let_go
	rm -rf at/* store broken w/arrays w/disks w/files
	cp -a --sparse=always "was.$sort/." w/
	cp -a store.first store
	touch running
}
with() { # [OPTION...]
	case $sort in
	new) new_volume "$@" ;;
	blank) push_volume --mkfs ext4 "$@" ;;
	taken) push_volume --replace "$@" ;;
	files) new_files "$@" ;;
	taken-files) push_files --replace "$@" ;;
	esac
}
begin() { with --stop "sh stop" --start "sh start"; }
before() { with -n; }
go_on() { v "$@"; }
runs_whole() { :; }
live() { listed "$1" "$2" | grep -v destroyed | xargs; }
kept_is() { # TREE: what is kept beside the new one
	same "$1" "$(ls -d "$2"/.varve-push-*)/old"
}
is_new() {
	case $sort in
	files) same new w/files/fs1 ;;
	taken-files)
		kept_is former w/files/fs1 || return 1
		mkdir -p look && mount --bind w/files/fs1 look &&
			v push -q --yes --discard-old dir:look
		umount look
		touch -r new w/files/fs1
		same new w/files/fs1
		;;
	taken) holds vol1 new kept ;;
	*) holds vol1 new ;;
	esac
}
is_old() {
	case $sort in
	new) [ -z "$(live fa1 volumes)" ] ;;
	blank)
		[ "$(live fa1 volumes)" = vol1 ] || return 1
		! blkid -p w/disks/$serial && cmp -n 4194304 /dev/zero w/disks/$serial
		;;
	taken) holds vol1 former ;;
	files) [ -z "$(live fb1 file-systems)" ] ;;
	taken-files) same former w/files/fs1 ;;
	esac
}
must_hold() { # OUTCOME(old, new)
	[ -e running ] || tell "what was stopped was not started"
	[ ! -e broken ] || tell "it was started while something was attached"
	nothing_attached >said.held || tell "left: $(<said.held)"
	! unfinished || tell "unfinished: $(v runs)"
	[ ! -s said.runs ] || tell "runs: $(<said.runs)"
	"is_$1" >said.held 2>&1 || tell "it is not wholly $1: $(head -n 5 said.held)"
}
# the machine restarted
meanwhile() {
	[ $((n / stride % 4)) != 1 ] || { let_go; rm -rf at/*; }
}
cat >after-boot <<-TEXT
	for s in w/disks/*; do
	    link=w/by-id/wwn-0x624a9370\${s#w/disks/}
	    [ -L "\$link" ] || ! grep -q '"here"' w/arrays/fa1/connections.json ||
		ln -s "\$(losetup -f --show "\$s")" "\$link"
	done
TEXT
to_volume=("${to_volume[@]/#true/sh after-boot}")

sweep "$@"
exit $failed
