/*
 * archive_load: libarchive, loaded when the first archive is read that needs it.
 *
 * Linked, it and what it stands on (libxml2, ICU, the C++ library) would double
 * what every varve takes to start, a mount's first listing included.  Any thread.
 */
#ifndef VARVE_ARCHIVE_LOAD_H
#define VARVE_ARCHIVE_LOAD_H

#include <archive.h>
#include <archive_entry.h>

#include "fs/base/err.h"

/* The functions of libarchive that are called, without their "archive_". */
#define ARCHIVE_CALLS(CALL)						\
	CALL(read_new) CALL(read_free) CALL(read_open1)			\
	CALL(read_open2) CALL(read_next_header) CALL(read_data)		\
	CALL(read_data_block) CALL(read_data_skip)			\
	CALL(read_set_callback_data) CALL(read_set_read_callback)	\
	CALL(read_set_seek_callback) CALL(read_set_skip_callback)	\
	CALL(read_support_filter_bzip2)					\
	CALL(read_support_filter_compress)				\
	CALL(read_support_filter_lz4) CALL(read_support_filter_lzop)	\
	CALL(read_support_filter_rpm) CALL(read_support_filter_uu)	\
	CALL(read_support_format_7zip) CALL(read_support_format_ar)	\
	CALL(read_support_format_cab) CALL(read_support_format_cpio)	\
	CALL(read_support_format_empty)					\
	CALL(read_support_format_iso9660)				\
	CALL(read_support_format_lha) CALL(read_support_format_rar)	\
	CALL(read_support_format_rar5) CALL(read_support_format_raw)	\
	CALL(read_support_format_warc) CALL(read_support_format_xar)	\
	CALL(read_support_format_zip) CALL(error_string)		\
	CALL(set_error) CALL(filter_bytes) CALL(filter_count)		\
	CALL(format_name) CALL(entry_pathname)				\
	CALL(entry_pathname_utf8) CALL(entry_filetype)			\
	CALL(entry_perm) CALL(entry_uid) CALL(entry_gid)		\
	CALL(entry_uname) CALL(entry_gname) CALL(entry_mtime)		\
	CALL(entry_mtime_nsec) CALL(entry_mtime_is_set)			\
	CALL(entry_size) CALL(entry_size_is_set) CALL(entry_symlink)	\
	CALL(entry_hardlink) CALL(entry_nlink) CALL(entry_dev)		\
	CALL(entry_ino64) CALL(entry_rdevmajor) CALL(entry_rdevminor)	\
	CALL(entry_is_data_encrypted) CALL(entry_xattr_reset)		\
	CALL(entry_xattr_next) CALL(entry_acl_reset)			\
	CALL(entry_acl_next)

/* archive_NAME is libarchive.NAME, and archive_errno, which no member can be named
 * after, libarchive.error_number. */
extern struct archive_calls {
#define CALL(name) __typeof__(archive_##name) *name;
	ARCHIVE_CALLS(CALL)
#undef CALL
	__typeof__(archive_errno) *error_number;
} libarchive;

/* After it libarchive can be called, for good.  -ENOENT: libarchive is not here. */
int archive_load(struct err *err);

#endif
