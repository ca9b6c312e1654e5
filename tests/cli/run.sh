#!/bin/bash
# The command as its users meet it: each case is a script with the output,
# the talk and the exit status it must have.
# usage: tests/cli/run.sh VARVE [CASE...]      UPDATE=1 writes what came out
#
# cases/NAME.sh runs in an empty directory with `varve` in its PATH and
# VARVE_STORE=./store; NAME.out and NAME.err are compared after ids, times,
# sizes of the store and this host's names were made neutral; NAME.status is
# 0 where it is not there.  A case that cannot run here exits with 77.
set -u
export LC_ALL=C TZ=UTC
varve=$(realpath "${1:?usage: tests/cli/run.sh VARVE [CASE...]}")
shift
here=$(realpath "$(dirname "$0")")
label=${NAME:-cli}
work=$(mktemp -d /tmp/varve-cli.XXXXXX)
work=$(realpath "$work")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$varve" "$work/bin/varve"
export MANUAL_SOURCE=${here%/tests/cli}/docs/man
export PATH=$work/bin:$PATH VARVE_BUILD=${VARVE_BUILD:-${varve%/tools/varve}}
unset VARVE_FAULT

neutral() {
	sed -E -e "s#$work/case#DIR#g" -e "s#$work/bin#BIN#g" \
		-e "s#$(id -un)@$(uname -n)#USER@HOST#g" \
		-e "s#[Hh]ost '$(uname -n)'#host 'HOST'#g" \
		-e 's/\b[0-9a-f]{32}\b/ID32/g' \
		-e 's/id:[0-9a-f]{8}\b/id:ID/g' \
		-e 's/^[0-9a-f]{8}  /ID        /' \
		-e 's/"id":"[0-9a-f]{8}"/"id":"ID"/g' \
		-e 's/ +[0-9.]+ [KMG]?i?B  (ok|incomplete|damaged)/  NEW  \1/' \
		-e 's/SIZE +NEW  STATE/SIZE  NEW  STATE/' \
		-e 's/(the store grew by) [0-9.]+ [KMG]?i?B/\1 SIZE/' \
		-e 's/grew by [0-9.]+ [KMG]?i?B/grew by SIZE/'
}

one() { # NAME
	local name=$1 status want
	rm -rf "$work/case"
	mkdir "$work/case"
	(
		cd "$work/case" || exit 1
		export VARVE_STORE=$work/case/store HOME=$work/case
		. "$here/prelude"
		. "$here/cases/$name.sh"
	) >"$work/out.raw" 2>"$work/err.raw" </dev/null
	status=$?
	if [ $status -eq 77 ]; then
		echo "skip $label $name: $(tail -n 1 "$work/err.raw")"
		return 0
	fi
	neutral <"$work/out.raw" >"$work/out"
	neutral <"$work/err.raw" >"$work/err"
	if [ -n "${UPDATE:-}" ]; then
		cp "$work/out" "$here/cases/$name.out"
		cp "$work/err" "$here/cases/$name.err"
		rm -f "$here/cases/$name.status"
		[ $status -eq 0 ] || echo $status >"$here/cases/$name.status"
		return 0
	fi
	want=0
	[ -f "$here/cases/$name.status" ] && want=$(<"$here/cases/$name.status")
	if diff -u "$here/cases/$name.out" "$work/out" &&
		diff -u "$here/cases/$name.err" "$work/err" &&
		[ "$status" -eq "$want" ]; then
		echo "ok $label $name"
		return 0
	fi
	echo "not ok $label $name (status $status, wanted $want)"
	return 1
}

rc=0
if [ $# -eq 0 ]; then
	set -- "$here"/cases/*.sh
fi
for case in "$@"; do
	one "$(basename "$case" .sh)" || rc=1
done
exit $rc
