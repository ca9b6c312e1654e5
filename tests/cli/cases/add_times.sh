# "The time is a YYYY-MM-DD-HH-MM-SS in the path, else the modification time
# of a file, else now."
tree d
quietly varve init
mkdir -p 2021-06-22-19-27-31
archive d x.tar.gz
cp -p x.tar.gz 2021-06-22-19-27-31/
when() { varve add --json "$@" | sed -E 's/.*"name":"([^"]*)".*"time_from":"([^"]*)","tz":("[^"]*"|null).*/\1 \2 \3/'; }
when x.tar.gz
when 2021-06-22-19-27-31/x.tar.gz
when --tz Europe/Berlin 2021-06-22-19-27-31/x.tar.gz
when -t '2020-02-03 04:05:06' --tz America/New_York x.tar.gz
when -t 2020-02-03T04:05:06+02:00 x.tar.gz
when -t @12 x.tar.gz
when -s s - <x.tar.gz
t varve add -t never x.tar.gz
t varve add -t 2021-02-30 x.tar.gz
t varve add --tz Nowhere/Land -t 2021-02-03 x.tar.gz
t varve add -t 2020-01-01 x.tar.gz 2021-06-22-19-27-31/x.tar.gz
quietly varve add -t 2999-01-01 -s future d
varve add -q -t 2999-01-02 -s future d
t varve ls future
