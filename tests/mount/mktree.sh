#!/bin/bash
# Make a tree with every attribute a file system can have, in a new directory.
# usage: mktree.sh DIR        (as root; DIR on a file system with ACLs)
#
# The same each time but for times of directories, which are set at the end.
# Prints "skip WHAT: WHY" for what this machine cannot make.
set -eu
export LC_ALL=C
top=${1:?usage: mktree.sh DIR}
mkdir -p "$top"
cd "$top"

skip() { echo "skip mktree $1: $2"; }

# Bytes that look random but are the same every time.
noise() { # BYTES SEED
	openssl enc -aes-128-ctr -K "$(printf %032x "$2")" -iv 0 \
		</dev/zero 2>/dev/null | head -c "$1" || true
}

echo plain >file
ln file hard
mkdir -p links/a links/b
ln file links/a/again
echo other >links/first
ln links/first links/b/second
ln links/first links/a/third

: >empty
printf '%s' x >one-byte
noise $((20 << 20)) 1 >random
seq -f 'line %.0f of a text that compresses well' 1 70000 |
	head -c $((3 << 20)) >text
head -c 1000000 /dev/zero >zeros

# Holes: data at the start, in the middle and at the end of 8 GiB.
truncate -s 8G sparse
echo start | dd of=sparse conv=notrunc status=none
noise 100000 2 | dd of=sparse bs=4096 seek=1048576 conv=notrunc status=none
echo end | dd of=sparse bs=1 seek=$(((8 << 30) - 4)) conv=notrunc status=none
truncate -s 1M all-hole
{ noise 8192 3; } >hole-at-end
truncate -s 5000000 hole-at-end

# Links.
ln -s file short-link
ln -s nowhere dangling
ln -s / outside
ln -s "$(printf 'd%.0s' {1..4000})" long-link
ln -s $'bad\xfftarget\n' odd-link

# Special files.
mkfifo fifo
if mknod char c 1 3 2>/dev/null; then
	mknod block b 259 65537
	mknod big-device c 4095 1048575
else
	skip devices "mknod is not permitted"
fi
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0);
	bind(S, sockaddr_un("socket")) or die' || skip socket "no perl"

# Modes and owners.
for mode in 0000 0400 0222 0644 0777 4755 2755 1777 6711 7777; do
	echo $mode >mode-$mode
	chmod $mode mode-$mode
	mkdir dir-$mode
	echo inside >dir-$mode/inside
	chmod $mode dir-$mode
done
echo big >big-id
chown 3000000000:3000000001 big-id
echo small >some-id
chown 1000:100 some-id
ln -s file owned-link
chown -h 65534:1234 owned-link

# Names.
mkdir names
(
	cd names
	echo 1 >$'bad\xff\xfename'
	echo 2 >$'new\nline'
	echo 3 >$'tab\tand space '
	echo 4 >-dash
	echo 5 >' leading'
	echo 6 >$'\xc3\xa9'
	echo 7 >$'e\xcc\x81'
	echo 8 >'back\slash'
	echo 9 >'*?[a]'
	echo 10 >...
	echo 11 >'quo"te'\'
	echo 12 >$'\x01\x7f'
	echo 13 >.hidden
	echo 14 >"$(printf 'n%.0s' {1..255})"
	echo 15 >a
	echo 16 >a-b
	mkdir a.d
	echo 17 >a.d/x
)
long=$(printf 'p%.0s' {1..200})
mkdir -p "$long/$long/$long"
echo deep >"$long/$long/$long/file"
(
	for i in {1..100}; do
		mkdir "level$i"
		cd "level$i"
		echo "$i" >f
	done
)
mkdir empty-dir

# Extended attributes.
if setfattr -n user.k -v v file 2>/dev/null; then
	echo x >xattr
	setfattr -n user.k -v value xattr
	setfattr -n user.bin -v 0x00ff0a00 xattr
	setfattr -n user.empty xattr
	setfattr -n user.large -v "0x$(noise 3000 4 | od -An -tx1 |
		tr -d ' \n')" xattr
	setfattr -n trusted.t -v secret xattr
	setfattr -n security.test -v s xattr
	mkdir xattr-dir
	setfattr -n user.on-dir -v yes xattr-dir
	setfattr -h -n trusted.on-link -v yes short-link
else
	skip xattrs "this file system has none"
fi
if setfacl -m u:1234:rw file 2>/dev/null; then
	setfacl -b file
	echo a >acl
	setfacl -m u:1234:rwx,g:4321:r,m::rw acl
	mkdir acl-dir
	setfacl -m u:1234:rx acl-dir
	setfacl -d -m u:1234:rwx,g:4321:- acl-dir
	echo i >acl-dir/inherits
	echo secret >acl-only
	chmod 0600 acl-only
	setfacl -m u:1234:r,g::-,m::r acl-only
else
	skip acls "this file system has none"
fi
cp /bin/true capable
setcap cap_net_raw,cap_net_bind_service=ep capable 2>/dev/null ||
	skip capabilities "setcap does not work here"

# Flags of chattr.
echo d >no-dump
chattr +d no-dump 2>/dev/null || skip flags "chattr does not work here"

# Many names in one directory, many small files below.
mkdir many
seq -f 'many/file-%05.0f' 1 5000 | xargs touch
mkdir -p small
for i in $(seq 1 300); do
	echo "content of small file $i" >"small/$i"
done

# Times: nanoseconds, before 1970, 1901, 2200; the rest is fixed.
find . -depth -print0 | xargs -0 touch -h -d '2021-01-22 19:27:31.123456789Z'
touch -d '1969-12-31 23:59:58.250000000Z' links/first
touch -d '1901-12-14 00:00:00Z' empty
touch -d '2200-06-01 12:00:00.5Z' one-byte
touch -d '1970-01-01 00:00:00Z' text
touch -h -d '2001-02-03 04:05:06.000000007Z' short-link
touch -d '1999-12-31 23:59:59.999999999Z' empty-dir dir-0000
touch -d '1950-05-05 05:05:05.000000001Z' links/b
