tree d
quietly varve init
quietly varve add -q -s s -t 2021-01-01 d
t varve restore s out
diff -r d out && echo same
stat -c '%n %a %h %Y' out out/* out/sub/* out/sub/deep/*
t varve restore -v s out
echo changed >out/file
touch out/extra
t varve restore -v s out
ls out
t varve restore -n --delete s out
ls out
t varve restore --delete s out
ls out
t varve restore --delete --yes s out
ls out
t varve restore s:sub/two one
cat one
mkdir dir
t varve restore s:sub/two dir
ls dir
t varve restore -q --include 'sub/deep/*' s part
find part | sort
t varve restore s:nothere out
t varve restore nosuch out
t varve restore --json s out
t varve verify s
t varve verify --json s
t varve log | sed -E 's/^[0-9-]+ [0-9:]+/TIME/'
t varve restore s:file no/where/
t varve restore --include nosuch s out-none
t varve restore --include nosuch --include 'no/*' s:sub out-none
t varve restore --include two --include nosuch s out-two
