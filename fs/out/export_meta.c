#include "fs/out/export_internal.h"

#include <inttypes.h>
#include <linux/fs.h>

#include "fs/base/bytes.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define SELINUX "security.selinux"

/*
 * An ACL as the kernel has it: le32 2, then per item le16 tag, le16
 * permissions, le32 id (all ones where the tag has none).
 */
#define ACL_VERSION 2
#define ACL_ITEM 8
#define TAG_USER 2
#define TAG_GROUP 8

static const char *tag_word(unsigned tag)
{
	switch (tag) {
	case 1: case TAG_USER: return "user";
	case 4: case TAG_GROUP: return "group";
	case 16: return "mask";
	case 32: return "other";
	}
	return NULL;
}

int acl_text(struct span value, struct buf *out)
{
	struct bytes in = bytes_of(value);
	size_t before = out->len;

	if (bytes_u32(&in) != ACL_VERSION || bytes_left(&in) == 0 ||
	    bytes_left(&in) % ACL_ITEM)
		return -EINVAL;
	while (bytes_left(&in) > 0) {
		unsigned tag = bytes_u16(&in), perm = bytes_u16(&in);
		uint32_t id = bytes_u32(&in);
		const char *word = tag_word(tag);

		if (!word || perm > 7) {
			out->len = before;
			return -EINVAL;
		}
		buf_printf(out, "%s%s:", out->len > before ? "," : "", word);
		if (tag == TAG_USER || tag == TAG_GROUP)
			buf_printf(out, "%" PRIu32, id);
		buf_printf(out, ":%c%c%c", perm & 4 ? 'r' : '-',
			   perm & 2 ? 'w' : '-', perm & 1 ? 'x' : '-');
	}
	return 0;
}

void flags_text(uint32_t flags, struct buf *out)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {
		{ FS_APPEND_FL, "sappnd" }, { FS_IMMUTABLE_FL, "schg" },
		{ FS_NODUMP_FL, "nodump" }, { FS_NOATIME_FL, "noatime" },
		{ FS_COMPR_FL, "compress" }, { FS_DIRSYNC_FL, "dirsync" },
		{ FS_SYNC_FL, "sync" }, { FS_JOURNAL_DATA_FL, "journal-data" },
		{ FS_SECRM_FL, "securedeletion" }, { FS_NOCOW_FL, "nocow" },
		{ FS_PROJINHERIT_FL, "projinherit" },
		{ FS_NOTAIL_FL, "notail" }, { FS_TOPDIR_FL, "topdir" },
		{ FS_UNRM_FL, "undel" },
	};
	size_t before = out->len;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (flags & words[i].flag)
			buf_printf(out, "%s%s", out->len > before ? "," : "",
				   words[i].word);
}

/* The key ends at the first '=', so GNU tar writes one in a name as "%3D", and
 * '%' as "%25". */
static void put_xattr(struct buf *records, struct span name,
		      struct span value)
{
	OWNED_BUF struct buf key = BUF_INIT;

	buf_append_str(&key, "SCHILY.xattr.");
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '=' || name.data[i] == '%')
			buf_printf(&key, "%%%02X", name.data[i]);
		else
			buf_append_byte(&key, name.data[i]);
	}
	if (buf_str(&key))
		pax_record(records, (const char *)key.data, value);
	else
		records->failed = true;
}

/* True: name is one of the two ACLs, and value was put as its text. */
static bool put_acl(struct buf *records, struct span name, struct span value)
{
	OWNED_BUF struct buf text = BUF_INIT;
	const char *key = NULL;

	if (span_equal(name, span_str(ACL_ACCESS)))
		key = "SCHILY.acl.access";
	else if (span_equal(name, span_str(ACL_DEFAULT)))
		key = "SCHILY.acl.default";
	if (!key || acl_text(value, &text) < 0)
		return false;
	if (buf_failed(&text))
		records->failed = true;
	pax_record(records, key, buf_span(&text));
	return true;
}

static void put_attribute(struct buf *records, struct span name,
			  struct span value)
{
	if (put_acl(records, name, value))
		return;
	put_xattr(records, name, value);
	/* tar --selinux looks for it here, as text */
	if (span_equal(name, span_str(SELINUX))) {
		while (value.len > 0 && value.data[value.len - 1] == '\0')
			value.len--;
		pax_record(records, "RHT.security.selinux", value);
	}
}

int export_meta(struct exporter *x, const struct entry *entry,
		struct err *err)
{
	OWNED_BUF struct buf value = BUF_INIT;
	int r;

	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		const struct xattr *xattr = &entry->xattrs[i];

		buf_clear(&value);
		r = tree_xattr(x->tree, xattr, &value, err);
		if (r < 0)
			return err_wrap(err, "cannot read attribute '%.*s'",
					(int)xattr->name.len,
					(const char *)xattr->name.data);
		put_attribute(&x->records, xattr->name, buf_span(&value));
	}
	buf_clear(&value);
	flags_text(entry->flags, &value);
	if (value.len > 0)
		pax_record(&x->records, "SCHILY.fflags", buf_span(&value));
	return buf_check(&x->records, err);
}
