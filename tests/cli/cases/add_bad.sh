# "Input that ends early or is damaged is kept as far as it could be read,
# marked incomplete, with exit status 3."
quietly varve init
mkdir d
seq 1 30000 >d/a
seq 30000 90000 >d/b
touch -d '2021-01-02 03:04:05' d/a d/b d
archive d x.tar.gz
head -c 60000 x.tar.gz >cut.tar.gz
t varve add -s cut -t 2021-01-01 cut.tar.gz
# With -q the loss is told once, and it is told where all are.
t varve add -q -s cut -t 2021-01-02 cut.tar.gz
t varve list
t varve status --quiet
echo "plain text" >plain
t varve add plain
t varve add -k nosuch plain
t varve add --level 99 d
t varve add --tag nokey d
t varve add -q -s a -t 2021-01-01 nothere d plain
t varve list --names a
# A tape of zeros is no backup; an archive of nothing is one.
head -c 2000000 /dev/zero >zeros
t varve add -k tar -s zeros -t 2021-01-01 zeros
gzip -c zeros | varve add -q -s zeros -t 2021-01-02 -
tar -cf none.tar -T /dev/null
t varve add -s none -t 2021-01-01 none.tar
