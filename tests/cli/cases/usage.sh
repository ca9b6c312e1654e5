# "Wrong use" is told with what is right, on standard error, with status 2.
t varve
t varve lst
t varve frobnicate
t varve ls
t varve init a b
t varve ls --recursiv x
t varve list --alll
t varve list --zzzzzz
t varve list -Z
t varve list --notes
t varve list --all=yes
t varve --bogus list
t varve --store store list
unset VARVE_STORE
t varve list
t varve add x
t varve rebuild
t varve mount .
