# Several directories as they are now are no backups of one source; several
# archives or directories with times of their own are.
tree etc
tree src
mkdir 2021-01-25-00-00-00 2021-01-26-00-00-00
echo 1 >2021-01-25-00-00-00/file
echo 2 >2021-01-26-00-00-00/file
archive etc host-2021-01-22-19-27-31.tar.gz
archive src host-2021-01-23-19-27-31.tar.gz
archive src plain.tar.gz
quietly varve init
t varve add -s host etc src
t varve add -q -s host 2021-01-25-00-00-00 etc plain.tar.gz ./src/sub
t varve list
t varve add -q -s one etc plain.tar.gz host-2021-01-22-19-27-31.tar.gz
t varve add -q -s dirs 2021-01-25-00-00-00 2021-01-26-00-00-00
t varve add -q -s tars host-2021-01-22-19-27-31.tar.gz \
	host-2021-01-23-19-27-31.tar.gz
t varve add -q -s gone etc not-there
t varve add -q etc src
varve list --json | sed -E 's/.*"source":"([^"]*)".*"time_from":"([^"]*)".*/\1 \2/'
