# shellcheck shell=bash disable=SC2015,SC2034,SC2154
# The server of a mount at $mnt: waited for, looked at, ended.  Sourced by run
# and growth.

server=
peak_of() { # PID
	awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"
}
# Waits until $snapshot lists a name, and sets server, rc and took: the time
# since $start.
await_listing() { # PID
	server=$1
	timeout "$limit" "$reader" await "$snapshot" 120 "$server" \
		>>"$log" 2>&1
	rc=$?
	took=$(seconds $(($(micros) - start)))
	[ $rc = 0 ] || unmount
	return $rc
}
unmount() {
	local i
	for ((i = 0; i < 8; i++)); do
		mountpoint -q "$mnt" || break
		umount "$mnt" 2>/dev/null || sleep 0.3
	done
	! mountpoint -q "$mnt" || umount -l "$mnt"
	[ -n "$server" ] || return 0
	for ((i = 0; i < 40; i++)); do
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	! kill "$server" 2>/dev/null || sleep 2
	! kill -9 "$server" 2>/dev/null || say "the server did not end"
	wait "$server" 2>/dev/null
	server=
}
at_end() {
	unmount 2>/dev/null
}
trap at_end EXIT
trap 'exit 130' INT TERM
