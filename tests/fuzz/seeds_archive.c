#include <stdio.h>

#include "tests/fuzz/seeds.h"

#define BLOCK 512

/* One header and its data, padded. */
static void put_member(struct buf *tar, char type, const char *name,
		       struct span data)
{
	char header[BLOCK] = "";
	unsigned sum = 0;

	snprintf(header, 100, "%s", name);
	snprintf(header + 100, 8, "0000644");
	snprintf(header + 108, 8, "0001750");
	snprintf(header + 116, 8, "0001750");
	snprintf(header + 124, 12, "%011zo", data.len);
	snprintf(header + 136, 12, "14002720763");
	header[156] = type;
	memcpy(header + 257, "ustar\0" "00", 8);
	memset(header + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	buf_append(tar, header, BLOCK);
	buf_append(tar, data.data, data.len);
	buf_append_zero(tar, (BLOCK - data.len % BLOCK) % BLOCK);
}

/* "LENGTH key=value\n", the length counting itself. */
static void put_record(struct buf *pax, const char *record)
{
	size_t len = strlen(record) + 2, digits = 1;

	while (snprintf(NULL, 0, "%zu", len + digits) > (int)digits)
		digits++;
	buf_printf(pax, "%zu %s\n", len + digits, record);
}

static void seed_pax(const char *name, const char *const *records)
{
	OWNED_BUF struct buf tar = BUF_INIT, pax = BUF_INIT;

	for (unsigned i = 0; records[i]; i++)
		put_record(&pax, records[i]);
	put_member(&tar, 'x', "PaxHeaders/file", buf_span(&pax));
	put_member(&tar, '0', "file", span_str("the data of the file"));
	put_member(&tar, '5', "dir/", span_str(""));
	buf_append_zero(&tar, 2 * BLOCK);
	seed("archive", name, buf_span(&tar));
}

static const char *const attrs[] = {
	"SCHILY.xattr.user.a=value", "LIBARCHIVE.xattr.user.b=dmFsdWU=",
	"LIBARCHIVE.xattr.user.%63=AAECAw", "RHT.security.selinux=u:r:t:s0",
	"SCHILY.fflags=nodump,schg", "mtime=-1.75", "atime=1611343651.5",
	"uid=70000", "gid=4294967294", "uname=joe", "gname=\xc3\xa9t\xc3\xa9",
	NULL,
};

static const char *const acls[] = {
	"SCHILY.acl.access=user::rw-,user:joe:rwx:1001,group::r--,"
	"group:root:r-x,mask::r-x,other::---",
	"SCHILY.acl.default=user::rwx,user:1234:r--,group::r-x,mask::rwx,"
	"other::r-x",
	NULL,
};

static const char *const kernel_acl[] = {
	"SCHILY.acl.ace=owner@:rw-p--aARWcCos:-------:allow",
	"SCHILY.acl.access=user::rwx\ngroup::r-x\nother::r--", NULL,
};

static const char *const sparse[] = {
	"GNU.sparse.size=4096", "GNU.sparse.numblocks=2",
	"GNU.sparse.map=0,10,2048,10", "GNU.sparse.name=sparse-file", NULL,
};

static const char *const paths[] = {
	"hdrcharset=BINARY", "path=a/very/../odd//path", "linkpath=../target",
	"size=20", "SCHILY.devmajor=8", "SCHILY.devminor=1",
	"GNU.volume.label=words", NULL,
};

void seeds_archive(void)
{
	seed_pax("pax-attrs.tar", attrs);
	seed_pax("pax-acls.tar", acls);
	seed_pax("pax-ace.tar", kernel_acl);
	seed_pax("pax-map.tar", sparse);
	seed_pax("pax-paths.tar", paths);
}
