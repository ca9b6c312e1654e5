# shellcheck shell=bash disable=SC2015,SC2034,SC2086,SC2154
# Results, and how one step is measured.  Sourced by run.

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
