# "only show what would be done": the plan, and nothing is touched.
tree d
quietly varve init
quietly varve add -q -s s -t 2021-01-01 d
varve restore -q -n s out | sort
[ -e out ] && echo "the dry run made out"
mkdir out
varve restore -q -n s out | sort
ls out
