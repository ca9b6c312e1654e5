# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# Phase db: dumps of four nights as custom archives, the same and pg_dumpall as
# text, and five RocksDB checkpoints, each series in a store of its own.  Of a store
# it is told what it grew by since it was empty.  The floor is what keeping the files
# takes, of checkpoints `tar | zstd -3` of their hard-linked union.  Sourced by run.

make_databases() {
	[ ! -s "$work/db/SEED" ] || return 0
	install_missing postgresql postgresql-contrib librocksdb-dev zstd
	say "making databases"
	rm -rf "$work/db"
	"$here/gen-db" "$work/db" "$scale" "${SEED:-1}" >>"$log" 2>&1 ||
		die "no databases: see $log"
}
db_file() { # SERIES N
	case $1 in
	custom) echo "$work/db/pg/night$2.dump" ;;
	plain) [ "$2" = 5 ] && echo "$work/db/pg/all.sql" ||
		echo "$work/db/pg/night$2.sql" ;;
	esac
}
db_command() { # SERIES N REP WHO
	local store file
	store=$(store_of "db$1" "$4" "$3")
	if [ "$1" = rocks ]; then
		file=$work/db/rocksdb
		case $4 in
		varve) echo "'$varve' add -q --store '$store' -k rocksdb" \
			"-s bench/rocks '$file'" ;;
		restic) echo "cd '$file' && restic -q -r '$store' backup ." ;;
		borg) echo "cd '$file' &&" \
			"borg create -C zstd,3 '$store::g$2' ." ;;
		esac
		return
	fi
	file=$(db_file "$1" "$2")
	case $4 in
	varve) echo "'$varve' add -q --store '$store' -s bench/$1" \
		"-t $(stamp "$2") '$file'" ;;
	restic) echo "restic -q -r '$store' backup --stdin" \
		"--stdin-filename night <'$file'" ;;
	borg) echo "borg create -C zstd,3 --stdin-name night" \
		"'$store::g$2' - <'$file'" ;;
	esac
}
# Bytes of what is kept instead, all so far.
db_floor() { # SERIES N
	local n total=0
	if [ "$1" = rocks ]; then
		tar -C "$work/db" -cf - rocksdb | zstd -q -3 | wc -c
		return
	fi
	for n in $(seq "$2"); do
		total=$((total + $(stat -Lc %s "$(db_file "$1" "$n")")))
	done
	echo $total
}
db_add() { # SERIES N REP WHO
	local name=db.$1.add$2 store
	store=$(store_of "db$1" "$4" "$3")
	wanted "$name" "$4" "$3" || return 0
	if [ "$4" = floor ]; then
		put "db.$1.size$2" floor "$3" 0 \
			"$(megabytes "$(db_floor "$1" "$2")")" MB "" "" -
		have["$name/floor/$3"]=1
		return
	fi
	[ "$2" != 1 ] || { new_store "db$1" "$4" "$3" &&
		bytes_of "$store" >"$store.empty"; }
	use_home "db$1" "$4" "$3"
	busy "db $1 $4 $3"
	timed cold "$(db_command "$1" "$2" "$3" "$4")"
	put "$name" "$4" "$3" "$rc" "$took" s "$cpu" "$peak" -
	idle
	put "db.$1.size$2" "$4" "$3" 0 "$(megabytes $(($(bytes_of "$store") -
		$(<"$store.empty"))))" MB "" "" -
}
phase_db() {
	local series last n rep who list=varve
	for who in restic borg; do
		[[ " $peers " != *" $who "* ]] || list="$list $who"
	done
	make_databases
	if left_busy db; then
		read -r _ series who rep <"$work/busy"
		forget "^db\.$series\.(add|size).\t$who\t$rep\t"
		idle
	fi
	for series in custom plain rocks; do
		case $series in custom) last=4 ;; plain) last=5 ;;
		rocks) last=1 ;; esac
		for rep in $(seq "$reps"); do
			for who in $(in_turn "$rep" $list floor); do
				for n in $(seq $last); do
					db_add $series "$n" "$rep" "$who"
				done
			done
		done
	done
	rm -rf "$work"/store/db* "$work"/home/db*
}
