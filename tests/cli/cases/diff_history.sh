[ "$(id -u)" = 0 ] || skip "owners are changed, which only root may"
tree d
quietly varve init
quietly varve add -q -s s -t 2021-01-01 d
quietly varve add -q -s s -t 2021-01-02 d
t varve diff s@-1 s
t varve diff --exit-code s@-1 s
echo more >>d/file
touch -d '2021-01-03' d/file
chmod 600 d/sub/two
rm d/sub/link
mkdir d/sub/link
touch -d '2021-01-03' d/sub/link d/sub
rm d/sub/deep/numbers
echo n >d/new
touch -d '2021-01-03' d/new d d/sub/deep
chown -R 1:2 d
quietly varve add -q -s s -t 2021-01-03 d
t varve diff -q s@-1 s
t varve diff -v s@-1 s | sed -E 's/(uid|gid|user|group): .*/\1: CHANGED/'
t varve diff --exit-code s@-1 s sub
t varve diff s@-1:sub/two s:sub/two
t varve diff --json -q s@-1 s new | sed -E 's/"(user|group)":"[^"]*",//g'
t varve diff s@-1 s nothere
rm d/file d/hard
quietly varve add -q -s s -t 2021-01-04 d
echo again >d/file
touch -d '2021-01-05' d/file
quietly varve add -q -s s -t 2021-01-05 d
quietly varve add -q -s s -t 2021-01-06 d
t varve history s:file
t varve history s:sub/link
t varve history --json s:new | sed -E 's/"(uid|gid|user|group)":[^,}]*/"\1":X/g'
t varve history s:nothere
t varve history s@-1:file
t varve history s
t varve history nosuch:file
