# A stream by a name: a FIFO, what the shell makes of <(...), /dev/stdin.
tree d
quietly varve init
archive d x.tar.gz
gzip -dc x.tar.gz >x.tar
mkfifo pipe
cat x.tar >pipe &
t varve add -q -s in-time -t 2021-01-22 pipe
wait
# "never silence": who waits for a writer says so, and for which.
(sleep 4; cat x.tar >pipe) &
t varve add -q -s late -t 2021-01-22 pipe
wait
(sleep 4; cat x.tar.gz >pipe) &
t varve add -q -s late -t 2021-01-23 -k tar pipe
wait
# and can be stopped
timeout --foreground -s INT 4 varve add -q -s never pipe
echo "status $?"
t varve add -q -s shell -t 2021-01-22 <(cat x.tar.gz) 2>&1 | sed 's#/dev/fd/[0-9]*#/dev/fd/N#'
varve add -q -s stdin -t 2021-01-22 /dev/stdin <x.tar
cat x.tar | varve add -q -s stdin -t 2021-01-23 /dev/stdin
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
t varve add -s sock sock
t varve add -s none /dev/null
script -qec "varve add -s tty -k tar /dev/tty" /dev/null </dev/null | tr -d '\r'
t varve list --names
t varve ls late:sub
