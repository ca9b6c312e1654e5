#include "tests/fuzz/seeds.h"
#include "tests/unit/pgarc_maker.h"

static void give(uint8_t way, const char *name, struct span bytes)
{
	OWNED_BUF struct buf out = BUF_INIT;

	buf_u8(&out, way);
	buf_append(&out, bytes.data, bytes.len);
	seed("pgarchive", name, buf_span(&out));
}

void seeds_pgarchive(void)
{
	static const struct {
		unsigned minor;
		const char *dumper, *name;
	} all[] = {
		{ 12, "9.2.1", "v12" }, { 13, "11.22", "v13" },
		{ 14, "15.1", "v14" }, { 15, "16.1", "v15" },
		{ 16, "18.1", "v16" },
	};
	OWNED_BUF struct buf tar = BUF_INIT;

	for (size_t i = 0; i < 5; i++) {
		OWNED_BUF struct buf archive = BUF_INIT;

		made_archive(&archive, all[i].minor, all[i].dumper);
		give((uint8_t)i, all[i].name, buf_span(&archive));
	}
	made_tar(&tar);
	give(0, "tar", buf_span(&tar));
	give(1, "tar-file", buf_span(&tar));
}
