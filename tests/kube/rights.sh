#!/bin/bash
# docs/rbac/ against what `varve doctor PROCEDURE` asks for: each manifest grants all
# that is asked, and nothing that is not; and the procedure runs with it alone.
# usage: rights.sh VARVE
mine=$(cd "$(dirname "$0")" && pwd)
here=$mine/../store
name=rights
. "$here/prelude"
. "$mine/prelude"
varve=${1:?usage: rights.sh VARVE}
v() { "$varve" "$@"; }
python3 -c 'import yaml' 2>/dev/null || {
	echo "skip rights: no python3-yaml here"
	exit 0
}
cd "$work" || exit 1
step=7
[ -z "${EVERY:-}" ] || step=1
kube_world
kube_namespace shop
kube_claim shop data
v init -q
status "a cluster without the operator" 0 "warn *pg .*has no 'postgresclusters" \
	v doctor pg --kubectl "$kubectl"
cat >"$KUBE/types.json" <<'END'
{"postgresclusters": ["PostgresCluster", "postgres-operator.crunchydata.com", true],
 "volumesnapshots": ["VolumeSnapshot", "snapshot.storage.k8s.io", true],
 "volumesnapshotcontents": ["VolumeSnapshotContent", "snapshot.storage.k8s.io", false],
 "volumesnapshotclasses": ["VolumeSnapshotClass", "snapshot.storage.k8s.io", false],
 "csinodes": ["CSINode", "storage.k8s.io", false],
 "intrusions": ["Intrusion", "pso.purestorage.com", true]}
END
grant() { # PROCEDURE [WITHOUT]
	python3 "$mine/rbac.py" "$mine/../../docs/rbac/$1.yaml" ${2:+"$2"} \
		>"$KUBE/rbac.json"
	cp "$KUBE/rbac.json" "$work/rbac"
}
# Hundreds are asked: by the simulator of dv, whose calls start no interpreter.
${CC:-cc} -O1 -o quick "$mine/../dv/kubectl.c" || exit 1
mkdir -p asks/objects/namespaces
cp "$KUBE/objects/_/namespaces/kube-system.json" asks/objects/namespaces/
KUBE=$work/asks RIGHTS=$work/rbac setsid python3 -B "$mine/../dv/server.py" \
	>server.log 2>&1 &
server=$!
trap 'kill $server; finish' EXIT
while [ ! -S asks.socket ]; do sleep 0.05; done
doctor() {
	KUBE=$work/asks v doctor "$1" -n shop --kubectl "$work/quick" >said 2>&1
}
asks() { ! grep -q "^\(fail\|warn\) *\($1\|cluster\|kubectl\) " said; }
procedures=$(v doctor --help | sed -n '/^Procedures/,/^$/s/^  \([a-z-]*\) .*/\1/p' |
	grep -v '^push-flash')
check "each procedure has a manifest, each manifest a procedure" test \
	"$(echo "$procedures" | sort | xargs)" = \
	"$(cd "$mine/../../docs/rbac" && ls ./*.yaml | sed 's,^\./,,; s/\.yaml$//' |
	sort | xargs)"
for p in $procedures; do
	grant "$p"
	doctor "$p"
	asks "$p"
	verdict $? "$p: the manifest grants all that is asked"
	count=$(python3 "$mine/rbac.py" --count "$mine/../../docs/rbac/$p.yaml")
	[ "${count:-0}" -gt 4 ]
	verdict $? "$p: it is read: ${count:-0} grants"
	idle=
	for ((i = 0; i < count; i += step)); do
		grant "$p" $i
		doctor "$p"
		! asks "$p" || idle="$idle $i"
	done
	check "$p: and none of the $count that are tried is idle:$idle" test -z "$idle"
done
status "a procedure that is none" 2 "one of add-pvc, push-pvc" \
	v doctor nosuch --kubectl "$kubectl"
status "one that is several" 2 "one of push-pvc, push-flasharray" \
	v doctor push --kubectl "$kubectl"
grant pg
for words in "pg stanza" pg-stanza stanza "pg audit"; do
	# shellcheck disable=SC2086
	v doctor $words "$words" --kubectl "$kubectl" >said 2>&1
	check "as it is typed: $words" test "$(grep -c '^ok *pg  *has all' said)" = 2
done
grant pso
v doctor pso capture pg --kubectl "$kubectl" >said 2>&1
check "two of them, one in two words" eval 'grep -q "^ok *pso .*has all" said &&
	grep -q "^fail *pg .*may not list postgresclusters" said'

# What this machine has: no cluster is asked.
: >"$KUBE/calls"
mkdir bin
for one in mount umount blkid mkfs.ext4 e2fsck resize2fs; do
	ln -s /bin/true bin/$one
done
here_only() { PATH=$PWD/bin VARVE_ARRAY_TOKEN=$1 "$varve" doctor "${@:2}"; }
here_only "" flasharray: >said 2>&1
check "programs that are there" grep -q \
	'^ok *push-flasharray *has mount, umount, blkid, mkfs.ext4, e2fsck, resize2fs$' said
check "one that it goes without" grep -q \
	'^warn *mkfs.xfs *not found: install the package xfsprogs; else --mkfs xfs fails' said
check "no token" grep -q '^warn *push-flasharray *no API token is in VARVE_ARRAY_TOKEN' said
here_only planted-token push flashblade: >said 2>&1
check "one that it needs" grep -q \
	'^fail *mount.nfs *not found: install the package nfs-common' said
check "a token, which is not told" eval 'grep -q "^ok *push-flashblade *an API token" said &&
	! grep -q planted said'
check "and kubectl is not asked" test ! -s "$KUBE/calls"
cat >old <<'END'
#!/bin/sh
echo '{"clientVersion": {"gitVersion": "v1.20.2"}}'
END
chmod +x old
status "a kubectl that loses ends of streams" 1 "^warn *kubectl.*v1.20.2: of 1.30" \
	v doctor add pvc -n shop --kubectl ./old
status "where nothing is streamed it will do" 1 "^ok *kubectl.*v1.20.2" \
	v doctor pso --kubectl ./old

# Guides tell the rights that the manifests grant, and no others.
guides=$mine/../../docs
tells() { # GUIDE: what is in told stands in it, as a block
	python3 -c 'import sys
sys.exit("\n\n" + open("told").read() + "\n" not in open(sys.argv[1]).read() + "\n")' "$1"
}
for manifest in "$guides"/rbac/*.yaml; do
	one=$(basename "$manifest" .yaml)
	python3 "$mine/rbac.py" --tell "$manifest" >told
	found=
	for guide in $(grep -l "](rbac/$one.yaml)" "$guides"/*.md); do
		! grep -q "varve doctor [a-z -]*\b$one\b" "$guide" ||
			! tells "$guide" || found=yes
	done
	check "a guide has the rights of $one, its manifest and doctor's line" test -n "$found"
done
for manifest in "$guides"/rbac/*.yaml; do
	python3 "$mine/rbac.py" --tell "$manifest"
done | sort -u >told
check "and no guide has others" test -z "$(grep -hE \
	'^    (namespace|cluster)  +(get|list|create|delete|patch)' "$guides"/*.md | sort -u |
	comm -23 - told)"
check "nor in words" test -z "$(grep -hE 'pods/exec|/scale\b' "$guides"/*.md |
	grep -vE '^    (namespace|cluster) ')"
status "one that wants a namespace" 2 "-n NAMESPACE" \
	v doctor push-pvc --kubectl "$kubectl"
rm "$KUBE/rbac.json"
touch "$KUBE/unreachable"
status "a cluster that does not answer" 1 "fail *cluster.*was refused" \
	v doctor pso --kubectl "$kubectl"
rm "$KUBE/unreachable"
status "no kubectl" 1 "fail *kubectl" v doctor pso --kubectl nosuch-kubectl

# With these rights alone.
[ "$(id -u)" = 0 ] || exit $failed
mkdir new && echo a >new/a && v add -q -s s new
kube_deployment shop web data /data 1
"$kubectl" get pods -n shop </dev/null >/dev/null
grant push-pvc
check "a push needs no other" v push -q --yes --kubectl "$kubectl" --image i \
	--scale deployment/web s pvc:shop/data
check "it is there" cmp new/a "$KUBE/claims/shop/data/a"
check "scaled back" test "$(kube_field shop deployments web spec.replicas)" = 1
grant add-pvc
check "nor does a capture" v add -q --pvc shop/data --image i -s c \
	--kubectl "$kubectl"
check "it is there" cmp new/a <(v cat c:a)
grant push-pvc 0
status "without a right it says which" 1 "Forbidden" v push -q --yes \
	--kubectl "$kubectl" --image i --scale deployment/web s pvc:shop/data
exit $failed
