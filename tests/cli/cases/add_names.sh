# "Without -s the source is called as the input's last name, without what
# tells of packing and without a date at its end."
tree d
archive d a.tar
quietly varve init
mkdir -p b/2021-01-22-19-27-31 sub.d
for f in plain.tar.gz dv_backup.tgz db-2021-01-22.sql.tar.zst \
	db_20210122T101112Z.tar b/2021-01-22-19-27-31/in.tar.gz UP.TAR.GZ \
	v1.2.tar.gz 2021-01-22.tar; do
	cp -p a.tar "$f"
	varve add --json "$f" | sed -E 's/.*"source":"([^"]*)","name":"([^"]*)".*"time_from":"([^"]*)".*/\1 \2 \3/' |
		sed "s#^#$f -> #"
done
cp -r d b/2021-01-22-19-27-31/tree
for f in sub.d b/2021-01-22-19-27-31 b/2021-01-22-19-27-31/tree; do
	varve add --json "$f" | sed -E 's/.*"source":"([^"]*)","name":"([^"]*)".*"time_from":"([^"]*)".*/\1 \2 \3/; /now/s/ 2[^ ]*/ NOW/' |
		sed "s#^#$f -> #"
done
cd d || exit
varve add --json . | grep -o '"source":"[^"]*"'
cd .. || exit
t varve add /
mkdir .hidden
t varve add .hidden
t varve add -s latest d
t varve add -s a//b d
# What means something else to the commands that name a source is no name.
for name in 'web/*' 'a?' 'a[1]' user@host host:port id:abc; do
	t varve add -s "$name" d
done
t varve add --source=-q d
cp -p a.tar user@host.tar
t varve add user@host.tar
t varve add -q -s 'größe 1/=+,' d
# A time in the file's name comes before one in a directory's, and that
# before the file's own.
for f in web-etc-2026-01-21-02-00-00.tar.gz db_2026-01-22_02-00-00.tar.gz \
	2026-01-23T02-00-00Z.tar b/2021-01-22-19-27-31/x-2026-01-24-02-00-00.tar \
	b-2026-01-25-02-00-00; do
	mkdir -p "$(dirname "$f")"
	if [ "${f%00}" = "$f" ]; then cp -p a.tar "$f"; else cp -r d "$f"; fi
	varve add --json -s n --tz UTC "$f" | sed -E 's/.*"name":"([^"]*)".*"time_from":"([^"]*)".*/\1 \2/' |
		sed "s#^#$f -> #"
done
varve add --json -t 2020-01-01 -s n web-etc-2026-01-21-02-00-00.tar.gz |
	grep -o '"time_from":"option"'
