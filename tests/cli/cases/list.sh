tree d
quietly varve init
t varve list
quietly varve add -q -s web/etc -t 2021-01-22T10:00:00Z d
quietly varve add -q -s web/etc -t 2021-01-22T10:00:00Z d
quietly varve add -q -s web -t 2021-01-23 --tag ticket=4711 d
quietly varve add -q -s home -t 2020-05-05 d
t varve list
t varve list web
t varve list 'web*' home
t varve list --names web/etc
t varve list nosuch
quietly varve add -q -s lab/db/cp1 -t 2021-01-22 d
t varve list lab/db
t varve ls lab/db
t varve list --tag ticket
t varve list --tag ticket=4711 --names
t varve list --tag ticket=1
t varve list --json home | sed -E 's/"(added|host|user|version|new_bytes)":("[^"]*"|[0-9]*)/"\1":X/g'
t varve list --notes home
varve list >/dev/full
echo "[$?]"
