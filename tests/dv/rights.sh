#!/bin/bash
# varve dv without each single right of docs/rbac/dv.yaml: it says which, or what it
# does not know then.  usage: rights.sh VARVE
set -u
mine=$(cd "$(dirname "$0")" && pwd)
here=$mine/../store
name=dv-rights
. "$here/prelude"
varve=$(realpath "$1")
manifest=$mine/../../docs/rbac/dv.yaml
cd "$work" || exit 1
. "$mine/prelude"
trap 'server_stop; finish' EXIT
export RIGHTS=$work/rights
rbac() { python3 -B "$mine/../kube/rbac.py" "$@"; }
server_start
# A backup that makes the claim, one that fails, and a restore; all that is said.
acts() {
	world
	# the image is of the Job then
	rm -rf store "$KUBE/objects/persistentvolumeclaims/dv-bar-pvc.json" \
		"$KUBE"/objects/pods/dv-init-volume-*
	v init -q
	mkdir -p "$bar" && chown 1000322824 "$bar"
	{
		dv backup --yes -q --storage-class ibmc-file-gold-gid
		clock $second
		touch "$faults/marker"
		dv backup --yes --room 1
		rm "$faults/marker"
		dv restore $first --yes -q
	} >said 2>&1
}
rbac --in cpd30 "$manifest" >rights
acts
check "with all of them nothing is refused" eval '! grep -q "Forbidden\|may not" said'
check "and the policy is told" grep -q "reclaim policy Delete" said
rbac --in cpd30 "$manifest" >all
for ((i = 0; i < $(rbac --count "$manifest"); i++)); do
	rbac --in cpd30 "$manifest" $i >rights
	what=$(python3 -B - "$mine/../kube" $i <<'END2'
import json, sys
sys.path.insert(0, sys.argv[1])
import rights
rule = json.load(open("all"))[int(sys.argv[2])]
older = (rule["verbs"][0], rule["resources"][0]) in rights.OLDER
print("older" if older else "", rights.words_of(rule))
END2
)
	[ "${what%% *}" != older ] || continue
	acts
	case $what in
	*" get persistentvolumes")
		check "without$what the policy is not told" eval '! grep -q "reclaim policy" said' ;;
	*) check "without$what it is refused, by name" grep -q "Forbidden\|may not\|cannot tell which cluster" said ;;
	esac
done
exit $failed
