# cat --as: a snapshot, or a part of it, as an archive.
[ "$(id -u)" = 0 ] || skip "owners are changed, which only root may"
[ -n "$(command -v zstd)" ] || skip "there is no zstd"
tree d
mkfifo d/fifo
ln -s "$(printf 'd%.0s' {1..150})" d/long-link
mkdir d/empty
truncate -s 300000 d/hole
printf end >>d/hole
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0);
	bind(S, sockaddr_un("d/socket")) or die' || skip "no sockets here"
find d -exec touch -h -d '2021-01-02 03:04:05.25' {} +
chown -hR 3000000:34 d
quietly varve init
quietly varve add -q -s s -t 2021-01-22 d

# Tree order, the first name of a file has its bytes.
varve cat --as tar s >s.tar
tar -tvf s.tar --full-time --numeric-owner
# The same each time, and inside the others.
varve cat --as tar s 2>/dev/null | cmp - s.tar && echo same
varve cat --as tar.gz s 2>/dev/null | gzip -dc | cmp - s.tar && echo same
varve cat --as tgz s 2>/dev/null | gzip -dc | cmp - s.tar && echo same
varve cat --as tar.zst s 2>/dev/null | zstd -dcq | cmp - s.tar && echo same
echo "a part:"
varve cat --as tar s:sub | tar -t
echo "a file:"
varve cat --as tar s:hard | tar -tv --full-time --numeric-owner
varve cat --as tar s:sub/two | tar -xO

# Back in: the same tree, sockets aside, and not a byte of a file is new.
varve add --no-view -s again -t 2021-01-22 s.tar 2>&1 |
	grep -o '^.* of it was new to the store'
t varve diff s again

# An archive that was opened by --expand is packed again.
mkdir e
tar -C d/sub -czf e/inner.tar.gz .
tar -cf e.tar e
quietly varve add -q --expand -s e -t 2021-01-22 e.tar
varve cat --as tar.gz e:e/inner.tar.gz >inner.tar.gz
tar -tzf inner.tar.gz
mkdir x
tar -xzf inner.tar.gz -C x --numeric-owner &&
	diff -r --no-dereference x d/sub && echo same

# What is refused.
t varve cat --as zip s
t varve cat --as tar s s:sub
t varve cat --as tar --original s
t varve cat --as tar s:socket
t varve cat --as tar s:nothere
t varve cat --as
t varve cat s:sub

# An incomplete snapshot is packed, and its status tells.
head -c 20000 s.tar >cut.tar
varve add -q -s cut -t 2021-01-22 cut.tar 2>/dev/null
varve cat --as tar cut@2021-01-22T00-00-00Z >cut-out.tar
echo "[$?]"
tar -tf cut-out.tar
