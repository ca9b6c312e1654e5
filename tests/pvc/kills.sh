#!/bin/bash
# Pushes to a claim that are killed before every Nth of their steps (each call of
# kubectl, each line of the journal), or whose step fails, then resumed or rolled
# back: the volume is wholly old or wholly new, the replicas are as they were, the
# pod is gone, and nothing was started on anything else.
# usage: kills.sh VARVE STEP [FIRST]
mine=$(cd "$(dirname "$0")" && pwd)
here=$mine/../store
name=pvc-kills
. "$here/prelude"
. "$mine/../kube/prelude"
. "$mine/prelude"
. "$mine/look"
varve=${1:?usage: kills.sh VARVE STEP [FIRST]}
step=${2:?}
cd "$work" || exit 1
all=$work
trap 'work=$all; finish' EXIT
in_memory
KUBE=$work/kube
make_treecmp
treecmp=$work/treecmp
make_trees
fresh
VARVE_FAULT="count=$work/count" push -q >log 2>&1
verdict $? "a push that is counted"
count=$(cat count)
bad=0 done=0
fails() { # WORDS
	echo "    $*: $(what), $(ls "$volume" -A | xargs)"
	sed 's/^/      /' said | head -n 8
	bad=$((bad + 1))
}
sane() { # WORDS: nothing was started on a mixture
	! grep -q mixed saw 2>/dev/null || fails "$* started it on a mixture"
}
for ((n = ${3:-1}; n <= count; n += step)); do
	for way in resume rollback fail; do
		fresh
		done=$((done + 1))
		fault=kill
		[ $way != fail ] || fault=fail
		VARVE_FAULT="$fault=$n$([ $way = fail ] && echo :EIO)" \
			push -q >said 2>&1
		rc=$?
		if [ $way = fail ]; then
			# a step that failed is taken back at once, or named
			[ $rc -ne 0 ] || { [ "$(what)" = new ] || fails "$n $way"; }
			! v runs -q --json 2>&1 | grep -q unfinished.*true ||
				v rollback -q >said 2>&1 || v resume -q >said 2>&1
			sane "$n $way"
			settled old || settled new || fails "$n $way"
			continue
		fi
		if no_runs; then # before it began, or after its end
			settled old || settled new || fails "$n none"
			continue
		fi
		v $way -q >said 2>&1
		rc=$?
		if [ $way = rollback ] && grep -q 'wholly new' said; then
			v resume -q >said 2>&1
			way=resume
		fi
		sane "$n $way"
		want=new
		[ $way = resume ] || want=old
		grep -q 'taken back' said && want=old
		settled $want || fails "$n $way ($rc)"
	done
done
[ "$bad" -eq 0 ]
verdict $? "$done of $count steps, killed or failed: whole in the end"
exit $failed
