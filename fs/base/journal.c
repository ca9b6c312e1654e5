#include "fs/base/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/id.h"

#define SUM_DIGITS 16
#define SUM_START "0000000000000000"

static bool is_word(struct span text)
{
	if (text.len == 0 || text.len > JOURNAL_NAME)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '-')
			return false;
	}
	return true;
}

static int chain(const char sum[17], struct span line, char ret[17],
		 struct err *err)
{
	OWNED_BUF struct buf whole = BUF_INIT;

	buf_append(&whole, sum, SUM_DIGITS);
	buf_append(&whole, line.data, line.len);
	if (buf_failed(&whole))
		return err_nomem(err);
	snprintf(ret, 17, "%016" PRIx64, sum64(buf_span(&whole)));
	return 0;
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_escaped(uint8_t c)
{
	return c < 0x20 || c == 0x7f || c == '%';
}

static bool unescape(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		int high, low;

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c == '%') {
			if (text.len - i < 3)
				return false;
			high = hex_digit(text.data[i + 1]);
			low = hex_digit(text.data[i + 2]);
			if (high < 0 || low < 0 || high + low == 0)
				return false;
			c = (uint8_t)(high << 4 | low);
			if (!is_escaped(c))
				return false;
			i += 2;
		}
		buf_append_byte(out, c);
	}
	return true;
}

struct words {
	char verb[JOURNAL_NAME + 1], key[JOURNAL_NAME + 1];
	struct buf value;
	bool has_value;
};

/* " VERB KEY[=VALUE]" */
static bool part(struct span line, struct words *ret)
{
	const uint8_t *end = line.data + line.len, *blank, *equals;
	struct span verb, key;

	if (line.len < 2 || line.data[0] != ' ')
		return false;
	line.data++;
	blank = memchr(line.data, ' ', (size_t)(end - line.data));
	if (!blank)
		return false;
	verb = span_of(line.data, (size_t)(blank - line.data));
	equals = memchr(blank + 1, '=', (size_t)(end - blank - 1));
	key = span_of(blank + 1, (size_t)((equals ? equals : end) - blank - 1));
	if (!is_word(verb) || !is_word(key))
		return false;
	memcpy(ret->verb, verb.data, verb.len);
	ret->verb[verb.len] = '\0';
	memcpy(ret->key, key.data, key.len);
	ret->key[key.len] = '\0';
	ret->has_value = equals != NULL;
	return !equals || unescape(span_of(equals + 1,
					   (size_t)(end - equals - 1)),
				   &ret->value);
}

/* The line from the blank on, where line (without newline) fits its sum. */
static int take_line(struct span line, char sum[17], struct span *ret,
		     struct err *err)
{
	char want[17];
	int r;

	if (line.len <= SUM_DIGITS || line.len > JOURNAL_LINE)
		return 0;
	*ret = span_of(line.data + SUM_DIGITS, line.len - SUM_DIGITS);
	r = chain(sum, *ret, want, err);
	if (r < 0 || memcmp(want, line.data, SUM_DIGITS))
		return r;
	memcpy(sum, want, sizeof(want));
	return 1;
}

int journal_parse(struct span bytes, const char *what, journal_each *each,
		  void *arg, size_t *ret_good, char sum[17], struct err *err)
{
	size_t at = 0, number = 0;
	int r = 0;

	memcpy(sum, SUM_START, 17);
	*ret_good = 0;
	while (at < bytes.len && r >= 0) {
		CLEANUP(buf_release) struct buf value = BUF_INIT;
		struct words words = { .value = BUF_INIT };
		const uint8_t *from = bytes.data + at;
		size_t left = bytes.len - at;
		const uint8_t *end = memchr(from, '\n', left);
		struct span line = span_of(from, end ? (size_t)(end - from) :
						       left);
		struct span rest;

		number++;
		r = end ? take_line(line, sum, &rest, err) : 0;
		/* torn: only behind everything else */
		if (r == 0 && (!end || (at + line.len + 1 == bytes.len &&
					memchr(from, 0, line.len))))
			break;
		if (r == 0 || (r > 0 && !part(rest, &words)))
			r = err_corrupt(err, "%s is damaged at line %zu", what,
					number);
		buf_swap(&value, &words.value);
		if (r > 0 && !buf_str(&value))
			r = err_nomem(err);
		if (r > 0)
			r = each(arg, words.verb, words.key,
				 words.has_value ? (const char *)value.data :
				 NULL, err);
		at += line.len + 1;
		if (r >= 0)
			*ret_good = at;
	}
	return r < 0 ? r : 0;
}

static int init(struct disk_dir *dir, const char *name, struct journal *ret,
		struct err *err)
{
	*ret = (struct journal)JOURNAL_INIT;
	ret->dir = dir;
	memcpy(ret->sum, SUM_START, sizeof(ret->sum));
	ret->name = strdup(name);
	return ret->name ? 0 : err_nomem(err);
}

int journal_create(struct disk_dir *dir, const char *name,
		   struct journal *ret, struct err *err)
{
	struct journal journal;
	int fd = -1, r = init(dir, name, &journal, err);

	if (r == 0)
		r = disk_create(dir, name, &fd, err);
	if (r == 0) {
		close(fd);
		r = disk_lock(dir, name, DISK_LOCK_EXCLUSIVE, false,
			      &journal.fd, err);
	}
	if (r < 0) {
		journal_close(&journal);
		return r;
	}
	*ret = journal;
	return 0;
}

static int load(struct disk_dir *dir, const char *name, journal_each *each,
		void *arg, size_t *ret_size, size_t *ret_good, char sum[17],
		struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	OWNED_BUF struct buf what = BUF_INIT;
	int r;

	buf_printf(&what, "the journal '%s/%s'", dir->path, name);
	if (!buf_str(&what))
		return err_nomem(err);
	r = disk_read_all(dir, name, JOURNAL_MAX, &bytes, err);
	*ret_size = bytes.len;
	return r < 0 ? r : journal_parse(buf_span(&bytes), buf_str(&what),
					 each, arg, ret_good, sum, err);
}

int journal_open(struct disk_dir *dir, const char *name, journal_each *each,
		 void *arg, struct journal *ret, struct err *err)
{
	struct journal journal;
	size_t size = 0, good = 0;
	int r = init(dir, name, &journal, err);

	if (r == 0)
		r = disk_lock(dir, name, DISK_LOCK_EXCLUSIVE, false,
			      &journal.fd, err);
	if (r == 0)
		r = load(dir, name, each, arg, &size, &good, journal.sum, err);
	journal.size = good;
	if (r == 0 && good < size && ftruncate(journal.fd, (off_t)good) < 0)
		r = err_sys(err, "cannot cut the torn end off '%s/%s'",
			    dir->path, name);
	if (r < 0) {
		journal_close(&journal);
		return r;
	}
	*ret = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	disk_close_fd(&journal->fd);
	free(journal->name);
	buf_release(&journal->pending);
	*journal = (struct journal)JOURNAL_INIT;
}

int journal_read(struct disk_dir *dir, const char *name, journal_each *each,
		 void *arg, bool *ret_running, struct err *err)
{
	size_t size, good;
	char sum[17];
	int fd = -1, r;

	r = disk_lock(dir, name, DISK_LOCK_SHARED, false, &fd, NULL);
	*ret_running = r == -EBUSY;
	disk_close_fd(&fd);
	return load(dir, name, each, arg, &size, &good, sum, err);
}

int journal_add(struct journal *journal, const char *verb, const char *key,
		const char *value, struct err *err)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char sum[17];
	int r;

	if (!is_word(span_str(verb)) || !is_word(span_str(key)))
		return err_set(err, -EINVAL, "'%s %s' is no line of a journal",
			       verb, key);
	buf_printf(&line, " %s %s", verb, key);
	if (value)
		buf_append_byte(&line, '=');
	for (; value && *value; value++) {
		uint8_t c = (uint8_t)*value;

		if (is_escaped(c))
			buf_printf(&line, "%%%02X", c);
		else
			buf_append_byte(&line, c);
	}
	r = buf_check(&line, err);
	if (r == 0 && (line.len + SUM_DIGITS > JOURNAL_LINE ||
		       journal->size + journal->pending.len + line.len +
		       SUM_DIGITS + 1 > JOURNAL_MAX))
		r = err_set(err, -EFBIG, "'%s' is too much for a journal", key);
	if (r == 0)
		r = chain(journal->sum, buf_span(&line), sum, err);
	if (r < 0)
		return r;
	buf_append(&journal->pending, sum, SUM_DIGITS);
	buf_append(&journal->pending, line.data, line.len);
	buf_append_byte(&journal->pending, '\n');
	memcpy(journal->sum, sum, sizeof(sum));
	return buf_check(&journal->pending, err);
}

int journal_sync(struct journal *journal, struct err *err)
{
	int r = buf_check(&journal->pending, err);

	if (journal->failed)
		return err_set(err, journal->failed, "the journal '%s/%s' "
			       "could not be written", journal->dir->path,
			       journal->name);
	if (r == 0)
		r = disk_write(journal->dir, journal->name, journal->fd,
			       journal->size, buf_span(&journal->pending),
			       err);
	if (r == 0)
		r = disk_sync(journal->dir, journal->name, journal->fd, err);
	if (r < 0) {
		journal->failed = r;
		return r;
	}
	journal->size += journal->pending.len;
	buf_clear(&journal->pending);
	return 0;
}
