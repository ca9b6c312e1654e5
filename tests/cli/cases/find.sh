tree d
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
quietly varve add -q -s a -t 2021-01-02 d
echo x >d/sub/deep/Only-Here.txt
touch -d '2022-02-02' d/sub/deep/Only-Here.txt
quietly varve add -q -s a -t 2021-01-03 d
quietly varve add -q -s b/c -t 2021-01-03 d/sub
t varve find 'only*'
t varve find -i 'only*'
t varve find two
t varve find --latest two
t varve find 'sub/*two'
t varve find --regex '^sub/[tl]' --source a --latest
t varve find --type d --snapshot a@2021-01-01
t varve find --type l,d --snapshot a@2021-01-01 --snapshot b/c
t varve find --size +100K --latest
t varve find --size +5 --size -7 --latest
t varve find --size 6 --latest
t varve find --newer 2022-01-01
t varve find --older 2022-01-01 --latest --type f
t varve find -0 two --latest | tr '\0' ';'
echo
t varve find -l --latest numbers
t varve find --json --latest numbers | sed -E 's/"(uid|gid|user|group)":[^,]*/"\1":X/g'
t varve find nothing
t varve find --size big
t varve find --type x
t varve find --regex '('
t varve find --newer soon
t varve find --snapshot nosuch x
