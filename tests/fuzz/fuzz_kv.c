/*
 * kv documents, and varve.conf among them.  What parses is written again and
 * gives the same bytes.
 */
#include <stdlib.h>

#include "fs/base/kv.h"
#include "fs/repo/repo_internal.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	return fuzz_kv_change(data, len, max, rng);
}

static void try_values(const struct kv *kv, const char *key,
		       const char *value, size_t len)
{
	uint8_t bytes[64];
	uint64_t number;

	FUZZ_CHECK(kv_get(kv, key) != NULL);
	FUZZ_CHECK(value[len] == '\0');
	FUZZ_CHECK(kv_get_u64(kv, key, &number, NULL) != -ENOENT);
	for (size_t n = 0; n <= sizeof(bytes); n += 8)
		FUZZ_CHECK(kv_get_hex(kv, key, bytes, n, NULL) != -ENOENT);
}

static void try_again(const struct kv *kv, const char *type, struct span text)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct kv *copy = kv_new(type, kv_version(kv));
	const char *key, *value;
	size_t len;

	FUZZ_CHECK(copy != NULL);
	for (size_t i = 0; kv_pair(kv, i, &key, &value, &len); i++) {
		if (i < 64)
			try_values(kv, key, value, len);
		kv_put_span(copy, key, span_of(value, len));
	}
	FUZZ_CHECK(kv_write(copy, &out, NULL) == 0);
	FUZZ_CHECK(span_equal(buf_span(&out), text));
	kv_free(copy);
}

static void try_conf(struct span text)
{
	struct conf conf = { .bits = 0 }, again = conf;

	if (conf_parse(text, &conf, NULL) < 0)
		return;
	FUZZ_CHECK(conf.bits >= 8 && conf.bits <= 128);
	FUZZ_CHECK(conf_write(&conf, NULL) == 0);
	FUZZ_CHECK(conf_parse(buf_span(&conf.text), &again, NULL) == 0);
	FUZZ_CHECK(!memcmp(conf.seed, again.seed, sizeof(conf.seed)));
	FUZZ_CHECK(!conf.catalog_dir == !again.catalog_dir);
	conf_release(&conf);
	conf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span text = span_of(data, len);
	const uint8_t *space = len ? memchr(data, ' ', len) : NULL;
	struct err err = ERR_INIT;
	struct kv *kv = NULL;
	char type[64] = "x";
	int r;

	if (space && space - data < 64 &&
	    !memchr(data, '\0', (size_t)(space - data)))
		snprintf(type, sizeof(type), "%.*s", (int)(space - data),
			 (const char *)data);
	r = kv_parse(text, type, 7, "input", &kv, &err);
	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r == 0) {
		FUZZ_CHECK(kv_version(kv) <= 7);
		try_again(kv, type, text);
		kv_free(kv);
	}
	try_conf(text);
	return 0;
}
