/* Documents of PSO: one of each kind, and several together. */
#include "tests/fuzz/seeds.h"

#include <stdio.h>

/* What it is, by its place in fuzz_pso.c's names, and the document. */
static const char *const documents[] = {
	"\x16" "clusterID: k8s\narrays:\n  FlashArrays:\n"
	"  - MgmtEndPoint: 10.0.0.5\n    APIToken: &t abcdef01-2345\n"
	"    Labels: {rack: \"22\"}\n  FlashBlades:\n"
	"  - {MgmtEndPoint: 10.0.0.6, APIToken: *t, NFSEndPoint: 10.1.0.6}\n",
	"\x17" "NAME STATUS READY RANGES UNDER-REPLICATED UNAVAILABLE AS-OF\n"
	"pso-db Live 5/5 40 0 0 2020-11-05T21:47:10Z\n",
	"\x18" "{\"items\":[{\"kind\":\"PersistentVolume\",\"metadata\":"
	"{\"name\":\"pvc-1\"},\"spec\":{\"csi\":{\"driver\":\"pure-csi\","
	"\"volumeHandle\":\"k8s-pvc-1\"},\"claimRef\":{\"name\":\"a\","
	"\"namespace\":\"b\"},\"capacity\":{\"storage\":\"10Gi\"}}}]}",
	"\x19" "{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":"
	"\"b\",\"annotations\":{\"x\":\"{\\\"token\\\":\\\"abcdefgh1\\\"}\"}"
	"}}]}",
	"\x1a" "{\"items\":[{\"metadata\":{\"name\":\"pure-block\"},"
	"\"provisioner\":\"pure-csi\",\"parameters\":{\"backend\":"
	"\"block\"}}]}",
	"\x1b" "{\"items\":[{\"metadata\":{\"name\":\"s\",\"namespace\":"
	"\"b\"},\"status\":{\"boundVolumeSnapshotContentName\":\"c\"}}]}",
	"\x1c" "{\"items\":[{\"metadata\":{\"name\":\"c\"},\"spec\":"
	"{\"driver\":\"pure-csi\"},\"status\":{\"snapshotHandle\":"
	"\"k8s-pvc-1.snapshot-1\"}}]}",
	"\x1d" "{\"items\":[{\"metadata\":{\"name\":\"node-a\"},\"status\":"
	"{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}]}",
	"\x1f" "{\"items\":[{\"metadata\":{\"name\":\"pso-db\"},\"spec\":"
	"{\"replicas\":[{\"backendID\":\"i\",\"apiToken\":\"T-01234567-89ab-"
	"cdef-0123-456789abcdef\",\"volume\":\"k8s-pso-db_1\"}]},\"status\":"
	"{\"replicas\":[{\"volume\":\"k8s-pso-db_1\",\"status\":\"Live\"}]}}"
	"]}",
	"\x21" "{\"items\":[{\"metadata\":{\"name\":\"pso-db-1-0\"},\"spec\":"
	"{\"containers\":[{\"args\":[\"k8s-pso-db_1\",\"--password=abcdefg1"
	"\"],\"env\":[{\"name\":\"API_TOKEN\",\"value\":\"abcdefg12\"}]}]}}]}",
	"\x22" "{\"items\":[{\"id\":\"i\",\"name\":\"fa\",\"version\":\"6\"}]"
	"}",
	"\x23" "{\"items\":[{\"name\":\"k8s-pvc-1\",\"provisioned\":512,"
	"\"created\":1614592800000,\"source\":{\"name\":\"x\"}},{\"name\":"
	"\"pod::v\"}]}",
	"\x24" "{\"items\":[{\"name\":\"k8s-pvc-1.snapshot-1\",\"suffix\":"
	"\"snapshot-1\",\"source\":{\"name\":\"k8s-pvc-1\"}}]}",
	"\x25" "{\"items\":[{\"name\":\"node-a\",\"iqns\":[\"iqn.1\"],"
	"\"chap\":{\"host_password\":\"abcdefgh\"}}]}",
	"\x26" "{\"items\":[{\"host\":{\"name\":\"node-a\"},\"volume\":"
	"{\"name\":\"k8s-pvc-1\"},\"lun\":1}]}",
	"\x28" "{\"items\":[{\"name\":\"fs\",\"nfs\":{\"rules\":\"*(rw)\"}}]"
	"}",
};

void seeds_pso(void)
{
	OWNED_BUF struct buf all = BUF_INIT;
	char name[32];

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		snprintf(name, sizeof(name), "document-%zu", i);
		seed("pso", name, span_str(documents[i]));
		buf_append_str(&all, documents[i]);
		buf_append_byte(&all, 0x1e);
	}
	seed("pso", "all", buf_span(&all));
	seed("jdoc", "yaml", span_str("\1a: [1, ~, \"x\"]\nb: &b {c: d}\n"
				      "e: *b\nf: |\n  text\n"));
	seed("jdoc", "json", span_str("\2{\"a\":[1,-2.5e+3,true,null,"
				      "\"\\u00e9\\ud83d\\ude00\\n\"],"
				      "\"\":{}}"));
}
