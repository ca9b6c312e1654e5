# "silent when fine": with --quiet nothing is said that is no result.
tree d
t varve init -q
t varve add -q -s a -t 2021-01-01 d
t varve add -q -s a -t 2021-01-02 d
t varve forget -q --keep-last 1
t varve undelete -q a@2021-01-01
t varve pin -q a
t varve policy set -q a --keep-last 3
t varve restore -q a out
t varve verify -q a
t varve check -q
t varve rebuild -q
t varve status -q
t varve -q list nosuch
# A note is no warning, and no reason for a mail.
tar -cf noroot.tar d/sub/two
t varve add -s n -t 2021-01-01 noroot.tar
t varve add -q -s n -t 2021-01-02 noroot.tar
printf 'x' >>noroot.tar
t varve add -q -s n -t 2021-01-03 noroot.tar
# "Messages for mail name host, store and source", each once.
t varve add -q -s a nothere
t varve add -q -s a -t 2021-01-05 --command sh -c 'tar -cf - d; exit 7'
t varve restore -q a@2021-01-01 out/file
t varve status -q --source nothere
t varve --store nostore prune -q
