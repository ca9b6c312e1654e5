[ "$(id -u)" = 0 ] || skip "owners are changed, which only root may"
tree d
printf 'x' >"$(printf 'd/new\nline')"
printf 'x' >"$(printf 'd/bad\377name')"
printf 'x' >'d/co:lon'
find d -maxdepth 1 -newermt 2022-01-01 -exec touch -d '2021-01-02 03:04:05' {} +
truncate -s 100000 d/hole
printf end >>d/hole
touch -d '2021-01-02 03:04:05' d/hole d
mkfifo d/fifo
touch -d '2021-01-02 03:04:05' d/fifo d
chown -R 12:34 d
quietly varve init
quietly varve add -q -s s -t 2021-01-22 d
t varve ls s
t varve ls -ln s
t varve ls -lnh s:sub s:hole
t varve ls -d s:sub
t varve ls -a s:sub/
t varve ls -R s:sub
t varve ls -0 s:sub | tr '\0' ';'
echo
varve ls --json s | sed -E 's/"(user|group)":"[^"]*",//g'
t varve ls s:nothere
t varve ls s:../x
t varve ls s@2020
t varve ls nosuch
t varve cat s:file s:sub/two s:co:lon
echo
varve cat s:hole | cmp - d/hole && echo same
t varve cat s:sub
t varve cat s:sub/link
t varve cat s:fifo
t varve cat s:nothere
t varve cat --original s
id=$(varve list --json | sed 's/.*"id":"\(........\).*/\1/')
t varve cat "id:$id:file" | sed 's/id:[^:]*/id:ID/'
t varve cat "s@2021-01-22T00:00:00Z:file"
