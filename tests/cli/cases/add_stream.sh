tree d
quietly varve init
archive d x.tar.gz
t varve add -
t varve add -s s - <x.tar.gz
gzip -dc x.tar.gz | varve add -s s -t 2021-01-23 -
(sleep 0.3; gzip -dc x.tar.gz | dd bs=100 count=3 iflag=fullblock 2>/dev/null) |
	varve add -q -s slow -t 2021-01-23 -
echo "status $?"
t varve add -s s - - <x.tar.gz
echo "no archive" | varve add -s s -
echo "status $?"
varve list --names
