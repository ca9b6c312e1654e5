# What needs no cluster: words, and what is told of them.
varve init -q
varve dv undo
varve dv list
varve dv backup now -n cpd30
varve dv clean -n cpd30
varve dv list -n cpd30 --kubectl ./nosuch-kubectl
echo "Operation failed: [Errno 13] Permission denied: '/mnt/PV/bar/2021-01-14-19-20-07'" >log
varve dv mend --log log
echo fine >log
varve dv mend --log log
