tree d
archive d x.tar.gz
quietly varve init
t varve add x.tar.gz
t varve list
t varve add -s other x.tar.gz
t varve ls -ln x
t varve cat x:sub/two
gzip -dc x.tar.gz >x.tar
varve cat --original x >y.tar
cmp x.tar y.tar && echo same
