#!/bin/sh
# seeds.sh DIR: seeds that other programs make: gzip streams and archives of
# many kinds.  A program that is not there leaves its seeds out.
set -eu

out=$1
work=$(mktemp -d /tmp/varve-seeds-XXXXXX)
trap 'rm -rf "$work"' EXIT INT TERM
LC_ALL=C
export LC_ALL

has()
{
	command -v "$1" >/dev/null 2>&1
}

gzips()
{
	mkdir -p "$out/inflate"
	printf 'hello, hello, hello\n' | gzip -n >"$out/inflate/small"
	gzip -n </dev/null >"$out/inflate/empty"
	seq 1 3000 | gzip -9 -n >"$out/inflate/text"
	head -c 700 /dev/urandom | gzip -1 -n >"$out/inflate/stored"
	printf 'with a name' >"$work/name"
	gzip -c "$work/name" >"$out/inflate/name"
	cat "$out/inflate/small" "$out/inflate/name" >"$out/inflate/two"
	{ cat "$out/inflate/small"; head -c 64 /dev/zero; } \
		>"$out/inflate/padded"
	{ cat "$out/inflate/small"; echo garbage; } >"$out/inflate/garbage"
	# FEXTRA, FNAME, FCOMMENT and FHCRC before the same deflate data.
	{
		printf '\037\213\010\036\0\0\0\0\0\003\004\0abcdname\0words\0\0\0'
		tail -c +11 "$out/inflate/small"
	} >"$out/inflate/header"
}

tree()
{
	mkdir -p "$work/t/dir/sub"
	printf 'plain\n' >"$work/t/plain"
	: >"$work/t/empty"
	seq 1 200 >"$work/t/dir/numbers"
	ln "$work/t/plain" "$work/t/dir/hard"
	ln -s ../plain "$work/t/dir/soft"
	ln -s "$(printf '%0150d' 0)" "$work/t/long-target"
	mkfifo "$work/t/fifo"
	long=$(printf '%0120d' 1)
	printf 'x' >"$work/t/dir/sub/$long"
	truncate -s 100000 "$work/t/sparse"
	printf 'middle' | dd of="$work/t/sparse" bs=1 seek=40960 \
		conv=notrunc 2>/dev/null
	touch -d '1969-12-31 23:59:58.25 UTC' "$work/t/empty"
	if has setfattr; then
		setfattr -n user.note -v 'value' "$work/t/plain" 2>/dev/null || :
	fi
	if has setfacl; then
		setfacl -m u:1234:rw "$work/t/plain" 2>/dev/null || :
		setfacl -d -m u:1234:rwx "$work/t/dir" 2>/dev/null || :
	fi
}

archives()
{
	a=$out/archive
	mkdir -p "$a"
	cd "$work"
	for format in v7 oldgnu gnu ustar posix; do
		tar -b1 --format=$format --exclude=./sparse -cf "$a/$format.tar" -C t . 2>/dev/null || :
	done
	tar -b1 --format=gnu -S -cf "$a/gnu-sparse.tar" -C t sparse
	for version in 0.0 0.1 1.0; do
		tar -b1 --format=posix -S --sparse-version=$version \
			-cf "$a/pax-sparse-$version.tar" -C t sparse
	done
	tar -b1 --format=posix --xattrs --acls -cf "$a/attrs.tar" -C t \
		plain dir 2>/dev/null || :
	tar -b1 --format=gnu --exclude=./sparse -g "$work/snar" -cf "$a/incremental.tar" -C t . \
		2>/dev/null || :
	tar -b1 --format=gnu -V label -cf "$a/label.tar" -C t plain
	tar -b1 --format=gnu -cf "$a/one.tar" -C t plain
	tar -b1 --format=posix --pax-option=globexthdr.name=g,comment=words \
		-cf "$a/global.tar" -C t plain
	gzip -n <"$a/one.tar" >"$a/one.tar.gz"
	! has zstd || zstd -q -c "$a/one.tar" >"$a/one.tar.zst"
	! has xz || xz -c "$a/one.tar" >"$a/one.tar.xz"
	! has bzip2 || bzip2 -c "$a/one.tar" >"$a/one.tar.bz2"
	cp "$a/one.tar.gz" t/dir/inner.tar.gz
	cp "$a/one.tar" t/dir/inner.tar
	tar -b1 --format=gnu -cf "$a/nested.tar" -C t dir/inner.tar dir/inner.tar.gz
	if has cpio; then
		for format in newc odc crc bin; do
			(cd t && find . | cpio -o -H $format --quiet) \
				>"$a/$format.cpio" 2>/dev/null || :
		done
	fi
	! has zip || (cd t && zip -q -r -y "$a/z.zip" plain dir empty) || :
	! has 7z || (cd t && 7z a -bd "$a/z.7z" plain dir/numbers) \
		>/dev/null 2>&1 || :
	if has bsdtar; then
		for format in xar ar iso9660 mtree warc pax; do
			bsdtar -b1 --format $format -cf "$a/bsd.$format" \
				-C t plain 2>/dev/null || rm -f "$a/bsd.$format"
		done
	fi
}

gzips
tree
archives
