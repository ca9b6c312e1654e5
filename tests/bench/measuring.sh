# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# What is needed, results, and how one step is measured.  Sourced by run and
# growth.

say() { printf '%s %s\n' "$(date +%T)" "$*"; }
die() { echo "bench: $*" >&2; exit 1; }
install_missing() { # PACKAGE...
	local package missing=
	for package in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" \
			2>/dev/null) in
		ii*) ;;
		*) missing="$missing $package" ;;
		esac
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	# shellcheck disable=SC2086
	{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		--no-install-recommends install $missing; } >>"$log" 2>&1 ||
		die "apt-get could not install$missing: see $log"
}
compile() { # NAME: NAME.c into $work
	gcc -O2 -D_GNU_SOURCE -o "$work/$1" "$here/$1.c" -pthread ||
		die "$1.c does not compile"
}

declare -A have
load_results() {
	local what who rep rest
	have=()
	while IFS=$'\t' read -r what who rep rest; do
		have[$what/$who/$rep]=1
	done < <(grep -v '^#' "$results")
}
fact() { # KEY VALUE: the last one said holds
	printf '# %s\t%s\n' "$1" "$2" >>"$results"
}
# A run goes on with the same program only.
begin_results() {
	local measured now
	now=$(cksum <"$varve")
	if [ ! -s "$results" ]; then
		printf '# columns\t%s\n' "work who rep rc value unit cpu_s \
peak_mb verdict" >"$results"
	fi
	measured=$(sed -n 's/^# binary\t//p' "$results" | tail -n 1)
	[ "${measured:-$now}" = "$now" ] ||
		die "$results is of another varve: take a new WORKDIR"
	load_results
}
note_system() {
	fact date "$(date -u +%F)"
	fact machine "$(nproc) × $(sed -n 's/^model name.*: //p' \
		/proc/cpuinfo | head -n 1), $(awk '/^MemTotal/ {
		printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
	fact system "Linux $(uname -r | cut -d- -f1), $(df --output=fstype \
		"$work" | tail -n 1)"
	fact varve "$("$varve" --version | sed 's/^varve //')"
	fact binary "$(cksum <"$varve")"
}
wanted() { [ -z "${have[$1/$2/$3]:-}" ]; } # WORK WHO REP
put() { # WORK WHO REP RC VALUE UNIT CPU_S PEAK_MB VERDICT
	local IFS=$'\t'
	printf '%s\n' "$*" >>"$results"
	have[$1/$2/$3]=1
	[ "$4" = 0 ] || say "FAILED ($4): $1 $2 $3, see $log"
	say "$1 $2 ($3): $5 $6 ${8:+peak $8 MB }$9"
}
forget() { # REGEX of lines
	sed -i -E "/$1/d" "$results"
	load_results
}

drop() {
	sync
	echo 3 >/proc/sys/vm/drop_caches || die "cannot drop caches"
}
micros() { echo "${EPOCHREALTIME/./}"; }
seconds() { # MICROS
	printf '%d.%03d' $(($1 / 1000000)) $(($1 / 1000 % 1000))
}
# Sets rc, took (s), cpu (s), peak (MB of the largest process); the output of
# the command is left in $work/stdout.
timed() { # cold|warm COMMAND
	local start end
	[ "$1" = warm ] || drop
	echo "### $2" >>"$log"
	start=$(micros)
	/usr/bin/time -q -o "$work/time" -f '%U %S %M' \
		timeout -k 10 "$limit" bash -o pipefail -c "$2" \
		>"$work/stdout" 2>>"$log"
	rc=$?
	end=$(micros)
	took=$(seconds $((end - start)))
	read -r cpu peak < <(awk \
		'{ printf "%.2f %.0f\n", $1 + $2, $3 / 1024 }' "$work/time")
}
bytes_of() { du -s --apparent-size -B1 "$1" | cut -f1; }
megabytes() { awk -v n="$1" 'BEGIN { printf "%.2f", n / 1e6 }'; }
# Who is first changes from one repetition to the next.
in_turn() { # REP WHO...
	local rep=$1 n
	shift
	n=$(((rep - 1) % $#))
	echo "${@:n+1}" "${@:1:n}"
}
# Percent of the processors that is busy, or not given to this machine, while
# nothing is measured.
others_busy() {
	local first
	sync
	first=$(grep '^cpu ' /proc/stat)
	sleep 2
	{ echo "$first"; grep '^cpu ' /proc/stat; } | awk '{
		idle = $5 + $6 - last_idle; last_idle = $5 + $6
		all = -last_all; last_all = 0
		for (i = 2; i <= 9; i++) last_all += $i
		all += last_all
	} END { printf "%.0f", 100 * (1 - idle / all) }'
}
