# What 'rocksdb info' says without a RocksDB; tests/rocksdb has real ones.
t varve rocksdb info nothere
t varve rocksdb info /nothere
t varve rocksdb list .
t varve rocksdb info
mkdir -p plain 7.tmp
echo text >plain/file
t varve rocksdb info plain
printf 'MANIFEST-000005\n' >7.tmp/CURRENT
t varve rocksdb info ./7.tmp/
t varve rocksdb info --json 7.tmp
quietly varve init
quietly varve add -q -s vmbc -t 2021-01-22 .
t varve rocksdb info vmbc:7.tmp
t varve rocksdb info vmbc:plain
t varve rocksdb info vmbc:plain/file
t varve rocksdb info vmbc:nothere
rm -r 7.tmp
t varve rocksdb info vmbc
# "a note says how many there are in it", whatever they are called.
mkdir -p named/cp{1,2} named/live
touch named/{cp1,cp2,live}/{CURRENT,OPTIONS-000007,000012.sst} named/live/LOCK
varve add -s named -t 2021-01-22 named 2>&1 >said | sed 's/@[^ ]*/@TIME/'
