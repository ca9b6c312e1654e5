#include "fs/repo/repo_internal.h"

#include <stdlib.h>

/*
 * varve.conf
 *     varve-store 1
 *     store=<32 hex>  hash=xxh3-128  hash-bits=128  seed=<64 hex>
 *     chunker=gear-1  catalog=<directory>  group=<name>
 * Written once; each pack repeats it.
 */
int conf_write(struct conf *conf, struct err *err)
{
	struct kv *kv = kv_new(CONF_TYPE, REPO_FORMAT);
	int r;

	if (!kv)
		return err_nomem(err);
	kv_put_hex(kv, "store", conf->store_id, sizeof(conf->store_id));
	kv_put(kv, "hash", "xxh3-128");
	kv_put_u64(kv, "hash-bits", conf->bits);
	kv_put_hex(kv, "seed", conf->seed, sizeof(conf->seed));
	kv_put(kv, "chunker", "gear-1");
	if (conf->catalog_dir)
		kv_put(kv, "catalog", conf->catalog_dir);
	if (conf->group)
		kv_put(kv, "group", conf->group);
	buf_clear(&conf->text);
	r = kv_write(kv, &conf->text, err);
	kv_free(kv);
	return r;
}

static int conf_take(const struct kv *kv, struct conf *conf, struct err *err)
{
	const char *hash = kv_get(kv, "hash");
	const char *chunker = kv_get(kv, "chunker");
	const char *text;
	uint64_t bits;
	int r;

	if (!hash || !chunker)
		return err_corrupt(err, "varve.conf lacks its hash or chunker");
	if (strcmp(hash, "xxh3-128") || strcmp(chunker, "gear-1"))
		return err_set(err, -ENOTSUP, "the store uses hash '%s' and "
			       "chunker '%s', which need a newer varve", hash,
			       chunker);
	r = kv_get_u64(kv, "hash-bits", &bits, err);
	if (r == 0)
		r = kv_get_hex(kv, "store", conf->store_id, 16, err);
	if (r == 0)
		r = kv_get_hex(kv, "seed", conf->seed, ID_SEED, err);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return err_corrupt(err, "varve.conf lacks a field");
	if (bits < 8 || bits > 128 || bits % 8)
		return err_corrupt(err, "varve.conf has hash-bits=%u",
				   (unsigned)bits);
	conf->bits = (unsigned)bits;
	text = kv_get(kv, "catalog");
	conf->catalog_dir = text ? strdup(text) : NULL;
	if (text && !conf->catalog_dir)
		return err_nomem(err);
	text = kv_get(kv, "group");
	conf->group = text ? strdup(text) : NULL;
	if (text && !conf->group)
		return err_nomem(err);
	return 0;
}

int conf_parse(struct span bytes, struct conf *ret, struct err *err)
{
	struct conf conf = { .text = BUF_INIT };
	struct kv *kv;
	int r;

	r = kv_parse(bytes, CONF_TYPE, REPO_FORMAT, "varve.conf", &kv, err);
	if (r < 0)
		return r;
	r = conf_take(kv, &conf, err);
	kv_free(kv);
	buf_append(&conf.text, bytes.data, bytes.len);
	if (r == 0)
		r = buf_check(&conf.text, err);
	if (r < 0) {
		conf_release(&conf);
		return r;
	}
	*ret = conf;
	return 0;
}

void conf_release(struct conf *conf)
{
	free(conf->catalog_dir);
	free(conf->group);
	buf_release(&conf->text);
	*conf = (struct conf){ .text = BUF_INIT };
}

struct any_pack {
	struct disk_dir *dir;
	struct conf *conf;
};

static int conf_from_pack(void *arg, const struct pack_name *name,
			  struct err *err)
{
	struct any_pack *any = arg;
	OWNED_BUF struct buf text = BUF_INIT;

	(void)err;
	if (pack_read_conf(any->dir, name, &text, NULL) < 0)
		return 0;
	return conf_parse(buf_span(&text), any->conf, NULL) == 0;
}

int conf_load(struct disk_dir *dir, struct conf *ret, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct any_pack any = { dir, ret };
	int r, found;

	r = disk_read_all(dir, CONF_NAME, CONF_MAX, &text, err);
	if (r == 0)
		r = conf_parse(buf_span(&text), ret, err);
	if (r == 0 || r == -ENOTSUP)
		return r;
	if (r != -ENOENT && r != -EBADMSG && r != -EINVAL && r != -EFBIG)
		return r;
	found = pack_list(dir, conf_from_pack, NULL, &any, NULL);
	if (found == 1)
		return 0;
	if (r == -ENOENT)
		return err_set(err, -ENOENT, "there is no store in '%s'",
			       dir->path);
	return err_corrupt(err, "varve.conf of '%s' is damaged, and no pack "
			   "could stand in for it", dir->path);
}
